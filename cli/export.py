"""``historian export``: samples and answers into a file or a folder of files, a slice at a time."""

from __future__ import annotations

from datetime import tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from cli.options import config_option, open_store, read_range, store_option, tz_option
from historian.errors import UnusableValueError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pyarrow as pa

    from historian.retrieval.exports.form import Form
    from historian.retrieval.exports.request import ExportRequest, Key
    from historian.retrieval.questions.step_text import Step
    from storage.reader import StoreReader

FORMATS: Final = ("parquet", "csv", "arrow")

NOTHING: Final = (
    "cannot export: there are no samples of these tags in this time; see when there are with: "
    'historian sql "select tag, min(time), max(time) from samples group by tag"'
)


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
@click.option("--output", type=click.Path(path_type=Path), required=True, help="The file to write, or the folder.")
@click.option("--format", "format_", type=click.Choice(FORMATS), help="Where the name does not say it.")
@click.option("--every", help="A row each step instead of each sample: 1s, 15m, '1 day', '1 month'.")
@click.option("--interpolated", is_flag=True, help="With --every: the value at the beginning of each step.")
@click.option(
    "--aggregate",
    "aggregates",
    multiple=True,
    metavar="NAME",
    help="With --every: TimeAverage, Maximum ...; repeatable.",
)
@click.option("--wide", is_flag=True, help="With --every: one row a time, one column a tag.")
@click.option("--partition-by", metavar="KEYS", help="Write a folder of files by year, month, day, tag: month,tag.")
@tz_option
@store_option
@config_option
def export(
    *,
    patterns: tuple[str, ...], start: str | None, end: str | None, output: Path, format_: str | None,
    every: str | None, interpolated: bool, aggregates: tuple[str, ...], wide: bool, partition_by: str | None,
    zone: tzinfo, store_path: Path | None, config_path: Path,
) -> None:  # fmt: skip
    r"""Write samples into a file: tag, time (UTC), value, value_int, value_text, quality, status, units.

    With --every a row each step: the value at its beginning (--interpolated) or aggregates of OPC UA over it. With
    --wide one row a time and one column a tag. With --partition-by a folder that pandas, Polars, Spark and DuckDB read
    as one; an interrupted export of a folder goes on where it was.

    \b
    historian export --tags 'FIC*' --start -8h --output flows.parquet
    historian export --tags 'FIC*' --start today --wide --every 1s --output plant.csv
    historian export --tags '*' --aggregate TimeAverage --aggregate Maximum --every 1m --output minutes.parquet
    historian export --tags '*' --partition-by month,tag --output lake
    """
    keys = _keys(partition_by)
    chosen = _format(format_, output, folder=bool(keys))
    step = _step(every, wide=wide, interpolated=interpolated, aggregates=aggregates)
    start_us, end_us = read_range(start, end, zone)
    with open_store(store_path, config_path) as reader:
        # Imported here, because checking the request first costs nothing.
        from historian.retrieval.exports.request import ExportRequest  # noqa: PLC0415 - as above
        from historian.retrieval.functions.reading import Readings  # noqa: PLC0415 - as above

        snapshot = reader.snapshot()
        reading = Readings(str(zone)).of(snapshot)
        rows = reading.rows(list(patterns))
        request = ExportRequest(reading, reader.tag_versions, rows, start_us, end_us, step, aggregates, wide)
        question = _question(patterns, (start, end), every, request, reader) | {"time_zone": str(zone)}
        if keys:
            # Imported here, because a single file does not need it.
            from cli.export_folder import write_folder  # noqa: PLC0415 - as above

            written = write_folder(request, keys, output, chosen, question)
        else:
            written = f"{_write_file(request, output, chosen, question):,} rows"
    count = f"{len(rows):,} tag{'' if len(rows) == 1 else 's'}"
    click.echo(f"{written} of {count} in {output}", err=True)


def _keys(text: str | None) -> tuple[Key, ...]:
    """The keys of ``--partition-by``.  Raises UsageError for others."""
    if text is None:
        return ()
    # Imported here, because most exports are one file.
    from historian.retrieval.exports.request import KEYS  # noqa: PLC0415 - as above

    words = [word.strip() for word in text.split(",")]
    keys = tuple(key for word in words for key in KEYS if key == word)
    if len(keys) < len(words) or len(set(keys)) < len(keys) or len(set(keys) - {"tag"}) > 1:
        raise UsageError(f"cannot use --partition-by: got {text!r}, wanted year, month, day or tag, or month,tag")
    return keys


def _format(format_: str | None, output: Path, *, folder: bool) -> str:
    named = output.suffix.lower().removeprefix(".")
    if folder and named in FORMATS and not output.is_dir():
        raise UsageError(
            f"cannot export into {output}: --partition-by makes a folder of files; wanted the name of one, such as"
            f" --output {output.stem} --format {named}"
        )
    if folder:
        return format_ or "parquet"
    if format_ is None and named not in FORMATS:
        raise UsageError(
            f"cannot tell the format of {output}: wanted a name that ends in .parquet, .csv or .arrow, or --format"
        )
    return format_ or named


def _step(every: str | None, *, wide: bool, interpolated: bool, aggregates: tuple[str, ...]) -> Step | None:
    """The step of ``--every``; None for an export of samples.  Raises UsageError for options that do not fit."""
    if every is None:
        asked = [("--wide", wide), ("--interpolated", interpolated), ("--aggregate", bool(aggregates))]
        for option, is_set in asked:
            if is_set:
                raise UsageError(f"cannot export {option} without a step; wanted for instance: {option} --every 1s")
        return None
    if aggregates and interpolated:
        raise UsageError("cannot export --interpolated and --aggregate at once; wanted one of them")
    if not (wide or interpolated or aggregates):
        raise UsageError("cannot use --every without --interpolated, --aggregate or --wide; wanted one of them with it")
    # Imported here, because an export of samples does not need it.
    from historian.retrieval.questions.step_text import parse_step  # noqa: PLC0415 - as above

    try:
        return parse_step(every)
    except UnusableValueError as error:
        raise UsageError(f"cannot use --every: {error}") from error


def _question(
    patterns: tuple[str, ...], range_: tuple[str | None, str | None], every: str | None, request: ExportRequest,
    reader: StoreReader,
) -> dict[str, Any]:  # fmt: skip
    """What was asked, for those who find the files."""
    return {
        "store": str(reader.folder), "tags": list(patterns), "start": range_[0], "end": range_[1], "every": every,
        "aggregates": list(request.aggregates), "wide": request.wide,
    }  # fmt: skip


def _write_file(request: ExportRequest, output: Path, format_: str, question: dict[str, Any]) -> int:
    time_ = request.time()
    if time_ is None:
        raise UsageError(NOTHING)
    form = request.form(request.rows, time_)
    # Imported here, because checking the request first costs nothing.
    from cli.progress import counted  # noqa: PLC0415 - as above

    with counted(form.batches(), form.rows_about(), "writing") as batches:
        written = write_batches(form, batches, output, format_, question)
    if not written:
        output.unlink(missing_ok=True)
        raise UsageError(NOTHING)
    return written


def write_batches(
    form: Form, batches: Iterator[pa.RecordBatch], output: Path, format_: str, question: Mapping[str, Any],
    *, without: Sequence[str] = (),
) -> int:  # fmt: skip
    """Write the rows of a form into a file, which appears when it is whole; how many.  ``without`` these columns."""
    # Imported here, because checking the request first costs nothing.
    from cli.output import WRITERS  # noqa: PLC0415 - as above
    from cli.output_file import open_output  # noqa: PLC0415 - as above
    from historian.retrieval.exports.about import told  # noqa: PLC0415 - as above

    schema = told(form.schema, form.reading, form.rows, question)
    for name in without:
        schema = schema.remove(schema.get_field_index(name))
    with open_output(output) as file:
        return WRITERS[format_](schema, (batch.select(schema.names) for batch in batches), file)
