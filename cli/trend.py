"""``historian trend``: tags over time, in the terminal or as a picture."""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from datetime import tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from cli.options import config_option, open_store, read_range, store_option, tz_option
from historian.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from historian.model.samples import IndexArray
    from historian.retrieval.functions.reading import Reading
    from historian.retrieval.time_range import TimeRange
    from historian.retrieval.trend_lines import TrendLine

DEFAULT_START: Final = "-1h"
ENDINGS: Final = (".png", ".svg")
PICTURE: Final = (1000, 420)
TERMINAL: Final = (100, 24)
MOST_TAGS: Final = 12
MOSTLY: Final = 0.9
"""A span of which this part has data is drawn as it is."""


@click.command()
@click.argument("tags", nargs=-1, required=True, metavar="TAG...")
@click.option(
    "--start", help="First time: 2026-11-22, '2026-11-22 06:00', -8h, today.  [default: -1h, or the first sample since]"
)
@click.option("--end", help="Time after the last.  [default: now]")
@click.option(
    "--width", type=click.IntRange(min=20, max=10_000), help="Columns of the terminal, or pixels of the picture."
)
@click.option(
    "--height", type=click.IntRange(min=8, max=10_000), help="Lines of the terminal, or pixels of the picture."
)
@click.option(
    "--output", type=click.Path(path_type=Path), help="Write a picture: a file's name that ends in .png or .svg."
)
@tz_option
@store_option
@config_option
def trend(
    *,
    tags: tuple[str, ...], start: str | None, end: str | None, width: int | None, height: int | None,
    output: Path | None, zone: tzinfo, store_path: Path | None, config_path: Path,
) -> None:  # fmt: skip
    r"""Draw tags over time; TAG is a name or a pattern such as 'TIC2*'.

    Step tags are drawn as steps, and where the data is Bad there is a gap.

    \b
    historian trend FIC101.PV
    historian trend 'TIC205.*' --start -8h --output tic205.png
    """
    if output is not None and output.suffix.lower() not in ENDINGS:
        raise UsageError(f"cannot write the picture {output}: wanted a name that ends in .png or .svg")
    start_us, end_us = read_range(start, end, zone, first=DEFAULT_START)
    # Imported here, because checking the request first costs nothing.
    from historian.retrieval.functions.reading import Readings  # noqa: PLC0415 - as above
    from historian.retrieval.time_range import TimeRange  # noqa: PLC0415 - as above

    span = TimeRange(start_us if start_us is not None else 0, end_us)
    with open_store(store_path, config_path) as reader:
        reading = Readings(str(zone)).of(reader.snapshot())
        rows = reading.rows(list(tags))
        _refuse_undrawable(reading.tag_rows(rows))
        size = _size(width, height, output)
        columns = size[0] if output is not None else size[0] * 2
        lines = _lines(reading, rows, span, columns)
        if start is None and end is None and (fitted := _fitted(lines, span)) != span:
            span, lines = fitted, _lines(reading, rows, fitted, columns)
    if output is None:
        _show(lines, span, zone, size)
    else:
        _write(lines, span, zone, size, output)


def _refuse_undrawable(tags: Sequence[Mapping[str, Any]]) -> None:
    if len(tags) > MOST_TAGS:
        raise UsageError(
            f"cannot draw {len(tags)} tags at once: wanted at most {MOST_TAGS}; name fewer, or a narrower pattern"
        )
    texts = [tag["tag"] for tag in tags if tag["value_type"] == "text"]
    if texts:
        raise UsageError(
            f"cannot draw {texts[0]}: its values are texts; see them with: "  # noqa: S608 - a text for people
            f"historian sql \"select time, value_text from samples where tag = '{texts[0]}'\""
        )


def _size(width: int | None, height: int | None, output: Path | None) -> tuple[int, int]:
    if output is not None:
        return width or PICTURE[0], max(height or PICTURE[1], 120)
    terminal = shutil.get_terminal_size(TERMINAL)
    return width or terminal.columns, height or min(terminal.lines - 2, TERMINAL[1])


def _lines(reading: Reading, rows: IndexArray, span: TimeRange, columns: int) -> list[TrendLine]:
    # Imported here, because checking the request first costs nothing.
    from historian.retrieval.time_range import format_time  # noqa: PLC0415 - as above
    from historian.retrieval.trend_lines import read_trend  # noqa: PLC0415 - as above

    lines = read_trend(reading, rows, span, columns)
    if not any(line.pieces for line in lines):
        raise UsageError(
            f"cannot draw {', '.join(line.tag for line in lines)}: no good data from {format_time(span.start_us)} to "
            f"{format_time(span.end_us)}; choose another time with --start and --end, "
            "or see what there is with: historian status"
        )
    return lines


def _fitted(lines: list[TrendLine], span: TimeRange) -> TimeRange:
    """Of a span that nobody asked for, the part that has data, unless that is nearly all of it."""
    first_us = min(int(piece.time_us[0]) for line in lines for piece in line.pieces)
    last_us = max(int(piece.time_us[-1]) for line in lines for piece in line.pieces)
    if first_us == last_us or last_us - first_us > MOSTLY * (span.end_us - span.start_us):
        return span
    return replace(span, start_us=first_us, end_us=last_us + 1)


def _show(lines: list[TrendLine], span: TimeRange, zone: tzinfo, size: tuple[int, int]) -> None:
    # Imported here, because a picture does not need it.
    from cli.trend_text import render  # noqa: PLC0415 - as above

    click.echo(render(lines, span, zone, *size, coloured=sys.stdout.isatty()))


def _write(lines: list[TrendLine], span: TimeRange, zone: tzinfo, size: tuple[int, int], output: Path) -> None:
    # Imported here, because the terminal does not need it.
    from cli.output_file import open_output  # noqa: PLC0415 - as above
    from cli.scene import write_scene  # noqa: PLC0415 - as above
    from cli.trend_picture import draw  # noqa: PLC0415 - as above

    scene = draw(lines, span, zone, *size)
    with open_output(output) as file:
        write_scene(scene, output, file)
    click.echo(f"{len(lines)} tag{'' if len(lines) == 1 else 's'} in {output}", err=True)
