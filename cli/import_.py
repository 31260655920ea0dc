"""``historian import``: samples from CSV and Parquet files into the store."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from datetime import tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from cli.options import TimeZone, config_option, find_store, store_option
from historian.errors import StoreLockedError, UsageError

if TYPE_CHECKING:
    from historian.importing.options import ImportOptions
    from historian.importing.rejects import RejectsFile
    from historian.importing.report import Figures, FileReport
    from historian.importing.run import Setting
    from historian.importing.target import Target
    from historian.model.tag import Tag
    from storage.requests import Payload, Request
    from storage.store import Store

KIND: Final = "import"
"""Of requests, see :mod:`cli.writing`."""

FORMS: Final = ("long", "wide")
MODES: Final = ("no-replace", "replace", "insert")
CODES: Final = ("opc-ua", "opc-da")
_FUTURE_US: Final = 600_000_000
"""Where no configuration says how far ahead of this machine's clock a time may be."""


@click.command(name="import")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--format", "form", type=click.Choice(FORMS), help="Rows of one sample, or one column a tag.")
@click.option(
    "--map", "mapped", multiple=True, metavar="ROLE=COLUMN,...", help="time, tag, value, status, group; TAG=COLUMN."
)
@click.option("--time-column", metavar="COLUMN", help="The column of the times; as --map time=COLUMN.")
@click.option(
    "--group-column", metavar="COLUMN", help="Wide: tags are called GROUP.COLUMN, the group from this column."
)
@click.option("--tag", metavar="NAME", help="The tag of all rows; {file} in it is the file's name.")
@click.option("--tag-prefix", default="", metavar="TEXT", help="Put before the name of every tag.")
@click.option("--skip", multiple=True, metavar="COLUMN", help="Do not import this column.")
@click.option(
    "--tz",
    "zone",
    type=TimeZone(),
    default="UTC",
    show_default=True,
    help="Zone of times without one, such as Europe/Berlin.",
)
@click.option(
    "--time-format",
    metavar="FORMAT",
    help="iso, epoch-s, epoch-ms, epoch-us, epoch-ns, or as strptime: '%d.%m.%Y %H:%M'.",
)
@click.option("--status-codes", type=click.Choice(CODES), help="What numbers in the status column are.")
@click.option(
    "--on-duplicate",
    type=click.Choice(MODES),
    default="no-replace",
    show_default=True,
    help="What happens to a sample whose tag and time has one.",
)
@click.option("--compress", is_flag=True, help="Exception reporting and compression with each tag's own settings.")
@click.option("--reject-out-of-range", is_flag=True, help="Refuse values outside of the tag's low and high.")
@click.option(
    "--rejects",
    "rejects_path",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write refused values into this CSV file.",
)
@click.option("--again", is_flag=True, help="Also files that were imported before, as a whole or in part.")
@click.option("--dry-run", is_flag=True, help="Say what would happen, and write nothing.")
@store_option
@config_option
def import_(*, files: tuple[Path, ...], store_path: Path | None, config_path: Path, **asked: Any) -> None:  # noqa: ANN401 - as click gives them
    r"""Import samples from CSV and Parquet files.

    Long files have a row a sample (tag, time, value and perhaps a status), wide ones a row a time and a column a tag;
    which, and where what is, is seen from the names of the columns, or said. Importing twice is the same as once.

    \b
    historian import plant.csv --tz Europe/Berlin --dry-run
    historian import 'scada-*.parquet' --group-column turbine
    historian import temperature.csv --tag TIC205.PV
    """
    paths = _expanded(files)
    # Imported here, so that --help does not wait for Arrow.
    from historian.importing.rejects import RejectsFile  # noqa: PLC0415 - as above
    from historian.importing.run import check_file  # noqa: PLC0415 - as above

    options = _options(asked)
    for path in paths:
        check_file(path, options)
    store = find_store(store_path, config_path)
    with ExitStack() as stack:
        rejects_path = asked["rejects_path"]
        rejects = None if rejects_path is None else stack.enter_context(RejectsFile(rejects_path))
        setting = _setting(stack, (store, config_path), options, rejects, asked)
        reports = list(_import_all(paths, setting, dry_run=asked["dry_run"]))
        setting.target.finish()
    _say_all(reports, dry_run=asked["dry_run"], rejects=rejects)


def _expanded(files: Sequence[Path]) -> list[Path]:
    """The files named; patterns are for shells that leave them alone, such as that of Windows."""
    paths: list[Path] = []
    for named in files:
        if named.exists() or not any(sign in str(named) for sign in "*?["):
            paths.append(named)
            continue
        found = sorted(Path(named.anchor or ".").glob(str(named.relative_to(named.anchor))))
        if not found:
            raise UsageError(f"cannot import {named}: no file is called like that")
        paths.extend(found)
    missing = [path for path in paths if not path.is_file()]
    if missing:
        is_folder = f"this is a folder, wanted files: '{missing[0]}/*.csv'"
        raise UsageError(
            f"cannot import {missing[0]}: {is_folder if missing[0].is_dir() else 'there is no such file'}"
        )
    return paths


def _options(asked: dict[str, Any]) -> ImportOptions:
    from historian.importing.options import ImportOptions  # noqa: PLC0415 - so that --help does not wait for it

    zone: tzinfo = asked["zone"]
    time_format = asked["time_format"]
    return ImportOptions(
        form=asked["form"],
        columns=mapping_of(asked),
        tag=asked["tag"],
        tag_prefix=asked["tag_prefix"],
        skip=asked["skip"],
        zone=zone,
        zone_name=str(zone),
        time_format=None if time_format == "iso" else time_format,
        status_codes=asked["status_codes"],
        on_duplicate=asked["on_duplicate"],
        compress=asked["compress"],
        reject_out_of_range=asked["reject_out_of_range"],
    )


def mapping_of(asked: Mapping[str, Any]) -> dict[str, str]:
    """The column of each role or tag that was named."""
    columns: dict[str, str] = {}
    for part in (part for text in asked["mapped"] for part in text.split(",")):
        role, equals, column = part.partition("=")
        if not (equals and role.strip() and column.strip()):
            raise UsageError(
                f"cannot use --map {part!r}: wanted ROLE=COLUMN, for instance --map time=Date_time,tag=Name"
            )
        columns[role.strip()] = column.strip()
    for option, role in (("time_column", "time"), ("group_column", "group")):
        if asked[option] is not None:
            if columns.get(role, asked[option]) != asked[option]:
                raise UsageError(f"cannot use both --map {role}={columns[role]} and --{role}-column {asked[option]}")
            columns[role] = asked[option]
    return columns


def _setting(
    stack: ExitStack,
    folders: tuple[Path, Path],
    options: ImportOptions,
    rejects: RejectsFile | None,
    asked: dict[str, Any],
) -> Setting:
    """The store open for writing, or for a look; and the tags there are."""
    # Imported here, so that --help does not wait for Arrow.
    from cli.person import person  # noqa: PLC0415 - as above
    from historian.importing.run import CHUNK_SAMPLES, Setting  # noqa: PLC0415 - as above
    from historian.importing.tag_book import TagBook  # noqa: PLC0415 - as above
    from historian.importing.target import DryTarget, TagFinder, tags_of  # noqa: PLC0415 - as above

    path, config_path = folders
    configured, future_us = _configured(config_path)
    who, now_us = person(), time.time_ns() // 1000
    target: Target
    chunk_samples = CHUNK_SAMPLES
    if asked["dry_run"]:
        exists = path.exists()
        finder = TagFinder(configured, tags_of(path) if exists else None)
        target = DryTarget(path if exists else None, finder.last_id)
    else:
        target, chunk_samples = _target(stack, path, who, now_us)
        finder = TagFinder(configured, tags_of(path))
    return Setting(
        options, target, TagBook(finder.find), who, now_us, now_us + future_us, again=asked["again"],
        rejects=rejects, chunk_samples=chunk_samples,
    )  # fmt: skip


def _target(stack: ExitStack, path: Path, who: str, now_us: int) -> tuple[Target, int]:
    """The store, open here; or, while another process collects into it, that process.  And how much goes at once."""
    from historian.importing import remote, run  # noqa: PLC0415 - so that --help does not wait for it
    from historian.importing.target import StoreTarget  # noqa: PLC0415 - as above
    from storage.store import Store  # noqa: PLC0415 - as above

    try:
        store = stack.enter_context(closing(Store.open(path, create=True)))
    except StoreLockedError:
        from cli.writing import perform  # noqa: PLC0415 - while collecting only

        click.echo("another process writes to the store: it is asked to take the samples in", err=True)
        ask: remote.Ask = lambda payload, attach: perform(path, KIND, payload, attach=attach)  # noqa: E731 - an argument
        return remote.RemoteTarget(ask, who, now_us), remote.CHUNK_SAMPLES
    return StoreTarget(store, who, now_us), run.CHUNK_SAMPLES


def handle(store: Store, request: Request) -> Payload:
    """Do a part of an import for a command that could not open the store, because this process has."""
    from historian.importing.remote import answer  # noqa: PLC0415 - when it is asked for

    return answer(store, request.payload, request.data)


def _configured(config_path: Path) -> tuple[Sequence[Tag], int]:
    """The configured tags and how far in the future a time may be; nothing where there is no configuration."""
    if not config_path.exists():
        return (), _FUTURE_US
    from historian.config.load import load_configuration  # noqa: PLC0415 - it loads pydantic

    configuration = load_configuration(config_path)
    return configuration.tags, configuration.future_limit_us


def _import_all(paths: Sequence[Path], setting: Setting, *, dry_run: bool) -> Iterator[FileReport]:
    from cli.progress import rows_read  # noqa: PLC0415 - so that --help does not wait for it
    from historian.importing.run import import_file  # noqa: PLC0415 - as above

    for path in paths:
        with rows_read(path.name) as advance:
            report = import_file(path, setting, advance)
        click.echo("\n".join(_told(report, dry_run=dry_run)))
        yield report


def _told(report: FileReport, *, dry_run: bool) -> Iterator[str]:
    """What became of one file."""
    from historian.importing.report import lines  # noqa: PLC0415 - so that --help does not wait for it
    from historian.retrieval.time_range import format_time  # noqa: PLC0415 - as above

    figures = report.figures
    if report.finished_before_us is not None:
        yield f"{report.path}: imported already, {format_time(report.finished_before_us)}; once more with --again"
        return
    yield f"{report.path}: {report.understood}"
    if report.resumed_at:
        yield f"  gone on behind row {report.resumed_at:,}, where the last run was interrupted"
    count = figures.known_tags + figures.new_tags
    tags = f"{count:,} tag{'s' if count != 1 else ''} ({figures.new_tags:,} new)"
    yield f"  {figures.rows:,} rows, {tags}{_span(figures)}"
    told = list(lines(figures, dry_run=dry_run))
    width = max(len(f"{count:,}") for _, count, _ in told)
    for label, count, examples in told:
        yield f"  {count:>{width},}  {label}"
        yield from (f"  {'':>{width}}    {example}" for example in examples)
    if report.hint:
        yield f"  {report.hint}"


def _span(figures: Figures) -> str:
    from historian.retrieval.time_range import format_time  # noqa: PLC0415 - so that --help does not wait for it

    if figures.first_us is None or figures.last_us is None:
        return ""
    return f", {format_time(figures.first_us)} to {format_time(figures.last_us)}"


def _say_all(reports: Sequence[FileReport], *, dry_run: bool, rejects: RejectsFile | None) -> None:
    from historian.importing.report import Figures  # noqa: PLC0415 - so that --help does not wait for it

    total = Figures()
    for report in reports:
        if report.finished_before_us is None:
            total.add(report.figures)
    refused = sum(total.refused.values())
    if len(reports) > 1:
        verb = "would be imported" if dry_run else "imported"
        told = f"{total.imported:,} samples {verb}, {total.already:,} there already, {refused:,} refused"
        click.echo(f"{len(reports)} files: {told}")
    if dry_run:
        click.echo("nothing was written: this was a dry run", err=True)
    elif rejects is not None and rejects.written:
        click.echo(f"refused values: {rejects.path}", err=True)
    elif refused > total.quarantined:
        click.echo(
            f"{refused - total.quarantined:,} refused values are only counted, the quarantine took the first "
            f"{total.quarantined:,}; to have all in a file: --again --rejects FILE", err=True,
        )  # fmt: skip
    elif refused:
        click.echo(
            "refused values are in the store's quarantine; to have them in a file: --again --rejects FILE", err=True
        )
