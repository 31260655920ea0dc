"""``historian compact``: small files of the archive become large ones now, and what retention says goes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.columns import aligned, number_of
from cli.options import config_option, find_store, store_option
from historian.errors import StoreLockedError

if TYPE_CHECKING:
    from historian.config.settings import CompactionSettings, RetentionSettings
    from storage.compaction_report import CompactionReport, JobReport
    from storage.requests import Request
    from storage.retention import RetentionReport
    from storage.store import Store


@click.command()
@click.option("--dry-run", is_flag=True, help="Only show what would be done; also while collecting.")
@store_option
@config_option
def compact(dry_run: bool, store_path: Path | None, config_path: Path) -> None:
    """Merge small files of the archive into those of days and months, and let go of what retention says.

    ``historian collect`` does the same in the background; while it runs, this command tells it to begin now, with late
    samples and edits at once.
    """
    folder = find_store(store_path, config_path)
    compaction, retention = _settings(folder, config_path)
    if dry_run:
        # Imported here, so that --help does not wait for Arrow.
        from storage.upkeep import plan_at  # noqa: PLC0415 - as above

        _print(*plan_at(folder, time.time_ns() // 1000, compaction, retention), done=False)
        return
    try:
        _compact_here(folder, compaction, retention)
    except StoreLockedError:
        _ask(folder)


def _settings(folder: Path, config_path: Path) -> tuple[CompactionSettings, RetentionSettings]:
    """As the configuration says, if it is that of this store; else nothing ever goes."""
    from historian.config.settings import CompactionSettings, RetentionSettings  # noqa: PLC0415 - as above

    if config_path.exists():
        # Imported here, because --store needs no configuration.
        from historian.config.load import load_configuration  # noqa: PLC0415 - as above

        configuration = load_configuration(config_path)
        if configuration.store.path.resolve() == folder.resolve():
            return configuration.compaction, configuration.retention
    return CompactionSettings(), RetentionSettings()


def _compact_here(folder: Path, compaction: CompactionSettings, retention: RetentionSettings) -> None:
    from storage.store import Store  # noqa: PLC0415 - as above

    with Store.open(folder) as store:
        now_us = time.time_ns() // 1000
        report = store.compact(now_us, compaction, everything=True)
        _print(report, store.retain(now_us, retention), done=True)


def _ask(folder: Path) -> None:
    """Another process writes to the store: it has a worker for this."""
    from storage.requests import submit  # noqa: PLC0415 - as above

    submit(folder, "compact", {})
    click.echo("the process that collects has been told to do it now; historian status shows when it is done")


def handle(store: Store, request: Request) -> Mapping[str, Any]:  # noqa: ARG001 - every handler has these
    """For the process that collects: wake its worker."""
    store.ask_for_upkeep()
    return {}


def _print(report: CompactionReport, retention: RetentionReport, *, done: bool) -> None:
    click.echo("\n".join([*compaction_lines(report, done=done), *retention_lines(retention, done=done)]))
    for error in (*report.errors, *retention.errors):
        click.echo(f"historian: {error}", err=True)
    if report.errors or retention.errors:
        raise click.exceptions.Exit(1)


def compaction_lines(report: CompactionReport, *, done: bool) -> Iterator[str]:
    """What was done, or would be, step by step."""
    if not report.jobs:
        is_done = "each day and month that is over is one file already"
        yield "nothing was merged" if report.errors else f"nothing to merge: {is_done}"
        return
    header = ("period (UTC)", "step", "files", "into", "samples", "edits", "bytes before", "after")
    rows = [_cells(job, done=done) for job in report.jobs]
    yield from aligned(header, rows, right=header[2:])
    files_in, files_out = sum(job.files_in for job in report.jobs), sum(job.files_out for job in report.jobs)
    yield f"{'merged' if done else 'would merge'} {files_in:,} files into {files_out:,}"


def _cells(job: JobReport, *, done: bool) -> tuple[str, ...]:
    # Imported here, so that --help does not wait for it.
    from historian.retrieval.time_range import format_time  # noqa: PLC0415 - as above

    first = format_time(job.first_us)
    period = {"month": first[:7], "day": first[:10]}.get(job.level, f"from {first[:10]}")
    after = f"{job.bytes_out:,}" if done else ""
    counts = (job.files_in, job.files_out, job.rows, job.edits)
    return (period, job.action, *(f"{count:,}" for count in counts), f"{job.bytes_in:,}", after)


def retention_lines(report: RetentionReport, *, done: bool) -> Iterator[str]:
    """What went, or would go."""
    # Imported here, so that --help does not wait for it.
    from historian.retrieval.time_range import format_time  # noqa: PLC0415 - as above

    for month in report.averaged:
        made = "made" if done else "would make"
        yield (
            f"{made} {month.rows:,} averages of {format_time(month.month_us)[:7]}"
            if done
            else (f"would make the averages of {format_time(month.month_us)[:7]}")
        )
    if not report.samples:
        yield "retention: nothing goes"
        return
    span = f"from {format_time(report.first_us or 0)} to {format_time(report.last_us or 0)}"
    what = f"{number_of(report.samples, 'sample')} of {number_of(report.tags, 'tag')}"
    yield (
        f"retention ({' and '.join(report.reasons)}): {what} {span} {'went' if done else 'would go'};"
        " the last sample of each tag stays"
    )
    after = f", {report.bytes_after:,} bytes are in their place" if done else ""
    yield f"  {report.removed:,} files as a whole, {report.rewritten:,} in part, {report.bytes_before:,} bytes{after}"
