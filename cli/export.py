"""``historian export``: samples into a Parquet or CSV file, a slice at a time, so that memory stays bounded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from cli.options import config_option, open_store, read_range, store_option, tz_option
from historian.errors import UnusableValueError, UsageError

if TYPE_CHECKING:
    import pyarrow as pa

    from historian.retrieval.history import Scope

FORMATS: Final = ("parquet", "csv")


@dataclass(frozen=True, slots=True)
class _Result:
    """What is written: its columns, its rows, and how many there will be."""

    schema: pa.Schema
    batches: Iterator[pa.RecordBatch]
    rows: int


@click.command()
@click.option(
    "--tags",
    "patterns",
    multiple=True,
    required=True,
    help="A tag or a pattern such as 'FIC*'; may be given several times.",
)
@click.option("--start", help="First time: 2026-11-22, '2026-11-22 06:00', -8h, today.  [default: the first sample]")
@click.option("--end", help="Time after the last.  [default: now]")
@click.option("--output", type=click.Path(path_type=Path), required=True, help="The file to write, .parquet or .csv.")
@click.option("--format", "format_", type=click.Choice(FORMATS), help="Where the file's name does not say it.")
@click.option("--wide", is_flag=True, help="One row a time, one column a tag; needs --every.")
@click.option("--every", help="Step of a wide export: 1s, 500ms, 1m.")
@tz_option
@store_option
@config_option
def export(
    *,
    patterns: tuple[str, ...], start: str | None, end: str | None, output: Path, format_: str | None, wide: bool,
    every: str | None, zone: tzinfo, store_path: Path | None, config_path: Path,
) -> None:  # fmt: skip
    r"""Write samples into a file: tag, time (UTC), value, value_int, value_text, quality, status, units.

    With --wide one row a time of a regular grid and one column a tag: on the line between two samples for analogue
    tags, the last value for step tags, nothing across Bad intervals and outside of the data.

    \b
    historian export --tags 'FIC*' --start -8h --output flows.parquet
    historian export --tags 'FIC*' --tags TIC205.PV --start today --wide --every 1s --output plant.csv
    """
    chosen = _format(format_, output)
    step_us = _step(every, wide=wide)
    start_us, end_us = read_range(start, end, zone)
    # Imported here, because checking the request first costs nothing.
    from cli.interruptible import run_interruptible  # noqa: PLC0415 - as above
    from historian.retrieval.history import EVER, FIRST_US, open_scope  # noqa: PLC0415 - as above
    from historian.retrieval.time_range import TimeRange  # noqa: PLC0415 - as above

    with open_store(store_path, config_path) as reader:
        # A value on a grid may depend on samples outside of the range.
        span = TimeRange(FIRST_US if start_us is None else start_us, end_us)
        with open_scope(reader, patterns, EVER if wide else span) as scope:
            rows = run_interruptible(
                scope.connection,
                lambda: _write(scope, chosen, output, step_us=step_us, start_us=start_us, end_us=end_us),
            )
            tags = f"{len(scope.tags):,} tag{'' if len(scope.tags) == 1 else 's'}"
            click.echo(f"{rows:,} rows of {tags} in {output}", err=True)


def _format(format_: str | None, output: Path) -> str:
    named = output.suffix.lower().removeprefix(".")
    if format_ is None and named not in FORMATS:
        raise UsageError(
            f"cannot tell the format of {output}: wanted a name that ends in .parquet or .csv, or --format"
        )
    return format_ or named


def _step(every: str | None, *, wide: bool) -> int | None:
    """Microseconds of ``--every``; None for a long export.

    Raises UsageError when the two options do not go together.
    """
    if every is None and not wide:
        return None
    if every is None:
        raise UsageError("cannot export --wide without a step; wanted for instance: --wide --every 1s")
    if not wide:
        raise UsageError("cannot use --every without --wide: a long export has every stored sample at its own time")
    # Imported here, because a long export does not need it.
    from historian.config.duration import parse_duration  # noqa: PLC0415 - as above

    try:
        step_us = parse_duration(every)
    except UnusableValueError as error:
        raise UsageError(f"cannot use --every: {error}") from error
    if step_us <= 0:
        raise UsageError(f"cannot use --every: got {every}, wanted a duration longer than 0")
    return step_us


def _write(
    scope: Scope, format_: str, output: Path, *, step_us: int | None, start_us: int | None, end_us: int
) -> int:  # fmt: skip
    """Write the file; the number of its rows."""
    # Imported here, because checking the request first costs nothing.
    from cli.output import WRITERS  # noqa: PLC0415 - as above
    from cli.output_file import open_output  # noqa: PLC0415 - as above
    from cli.progress import counted  # noqa: PLC0415 - as above

    result = _long(scope) if step_us is None else _wide(scope, step_us, start_us, end_us)
    if not result.rows:
        raise UsageError(
            "cannot export: there are no samples of these tags in this time; see when there are with: "
            'historian sql "select tag, min(time), max(time) from samples group by tag"'
        )
    with counted(result.batches, result.rows, "writing") as batches, open_output(output) as file:
        return WRITERS[format_](result.schema, batches, file)


def _long(scope: Scope) -> _Result:
    # Imported here, because the other form does not need it.
    from historian.retrieval.history import LONG_SCHEMA  # noqa: PLC0415 - as above
    from historian.retrieval.long_form import count_samples, make_slices, read_slices  # noqa: PLC0415 - as above

    counts = count_samples(scope)
    return _Result(LONG_SCHEMA, read_slices(scope, make_slices(counts)), sum(count.rows for count in counts))


def _wide(scope: Scope, step_us: int, start_us: int | None, end_us: int) -> _Result:
    # Imported here, because the other form does not need it.
    from historian.retrieval.wide import grid_over, read_wide, wide_schema  # noqa: PLC0415 - as above
    from historian.retrieval.wide_columns import wide_columns  # noqa: PLC0415 - as above

    columns = wide_columns(scope.metadata)
    grid = grid_over(scope, step_us, start_us, end_us)
    return _Result(wide_schema(columns), read_wide(scope, columns, grid), grid.rows)
