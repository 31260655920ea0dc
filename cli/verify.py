"""``historian verify``: is everything in the store what it should be; and damaged files out of everybody's way."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from cli.columns import number_of
from cli.options import config_option, find_store, report_format_option, store_option
from historian.errors import CorruptionError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from storage.requests import Payload, Request
    from storage.store import Store
    from storage.verify import VerifyReport

SET_ASIDE: Final = "set-aside"
JOIN: Final = "join-again"
"""Of requests, see :mod:`cli.writing`."""


@click.command()
@click.option(
    "--fast", is_flag=True, help="Sizes and footers only: finds what is gone or cut short, reads no contents."
)
@click.option("--set-aside", is_flag=True, help="Move damaged files to store/damaged, so that all else can be read.")
@click.option(
    "--rejoin", is_flag=True, help="First take back files in store/damaged that are whole: copies from a backup."
)
@click.option(
    "--bound", is_flag=True, help="Instead: compare the raw samples of shadowed tags with what compression promises."
)
@report_format_option("the report")
@store_option
@config_option
def verify(
    *, fast: bool, set_aside: bool, rejoin: bool, bound: bool, format_: str, store_path: Path | None,
    config_path: Path,
) -> None:  # fmt: skip
    """Check database, buffer and every file of the archive; also while another process collects.

    Ends with exit code 1 when something is damaged, and says exactly where; with --bound, when a promise was broken.
    """
    # Imported here, so that --help does not wait for Arrow.
    from cli.progress import byte_bar  # noqa: PLC0415 - as above
    from storage.progress import Progress  # noqa: PLC0415 - as above
    from storage.verify import as_json  # noqa: PLC0415 - as above
    from storage.verify import verify as check  # noqa: PLC0415 - as above

    if bound and (fast or set_aside or rejoin):
        raise UsageError("cannot verify: --bound is about raw samples; it goes without --fast, --set-aside, --rejoin")
    folder = find_store(store_path, config_path)
    if bound:
        from cli.verify_bound import show_bound  # noqa: PLC0415 - as above

        show_bound(folder, format_)
        return
    if rejoin:
        _ask(folder, JOIN, {})
    with byte_bar("verifying") as bar:
        report = check(folder, fast=fast, progress=Progress(bar.begin, bar.advance))
    click.echo(as_json(report) if format_ == "json" else as_text(report, set_aside=set_aside))
    if set_aside and report.files_to_set_aside():
        _ask(folder, SET_ASIDE, {"damaged": report.files_to_set_aside()})
    if not report.is_clean:
        count = len(report.damages)
        raise CorruptionError(f"the store {folder} is damaged in {count} place{'s' if count != 1 else ''}, see above")


def as_text(report: VerifyReport, *, set_aside: bool = False) -> str:
    """The report for people; what ``set_aside`` says is about to be done is not advised."""
    looked = "looked at" if report.fast else "read"
    head = (
        f"{report.folder}: {looked} the database, {number_of(report.batches, 'batch')} of the buffer and"
        f" {number_of(report.files, 'file')} ({number_of(report.archive_rows, 'sample')},"
        f" {report.archive_bytes / 1e6:,.1f} MB)"
    )
    if report.is_clean:
        return f"{head}; nothing is damaged"
    count = len(report.damages)
    lines = [f"{head}; {count} damage{'s' if count != 1 else ''}:", *(f"  {damage}" for damage in report.damages)]
    return "\n".join([*lines, *_remedies(report, set_aside=set_aside)])


def _remedies(report: VerifyReport, *, set_aside: bool) -> Iterable[str]:
    if report.files_to_set_aside() and not set_aside:
        yield "To go on without the damaged files: historian verify --set-aside (what they still hold is kept)"
    if any(damage.kind in ("database", "schema", "row") for damage in report.damages):
        yield "To make the database anew from the files of the archive: historian rebuild (with collecting stopped)"


def _ask(folder: Path, kind: str, payload: Mapping[str, object]) -> None:
    # Imported here, as above.
    from cli.person import person  # noqa: PLC0415 - as above
    from cli.writing import perform  # noqa: PLC0415 - as above

    for line in perform(folder, kind, {**payload, "who": person()})["lines"]:
        click.echo(line, err=True)


def handle(store: Store, request: Request) -> Payload:
    """Set files aside, here or in the process that collects; see :mod:`cli.writing`."""
    payload = request.payload
    done = store.set_aside(payload["damaged"], time.time_ns() // 1000, str(payload["who"]))
    return {"lines": [str(each) for each in done]}


def handle_join(store: Store, request: Request) -> Payload:
    """Take files back, here or in the process that collects."""
    # Imported here, as above.
    from storage.join_again import join_again  # noqa: PLC0415 - as above

    return {"lines": [str(each) for each in join_again(store, time.time_ns() // 1000, str(request.payload["who"]))]}
