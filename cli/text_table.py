"""A result as a table for people: aligned columns, or a line a value where the terminal is too narrow."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from datetime import datetime
from typing import Final

import pyarrow as pa

from cli.output import scalar_text

LONGEST_CELL: Final = 60


def render(table: pa.Table, width: int | None = None) -> str:
    """``table`` as text; where its lines are longer than ``width`` each row is a block of ``name  value`` lines."""
    columns = [[cell(value) for value in column.to_pylist()] for column in table.columns]
    right = [_is_number(field.type) for field in table.schema]
    lines = _aligned(table.column_names, columns, right)
    if width is not None and table.num_rows and max(map(display_width, lines)) > width:
        return _blocks(table.column_names, columns)
    return "\n".join(lines)


def _is_number(type_: pa.DataType) -> bool:
    return bool(pa.types.is_integer(type_) or pa.types.is_floating(type_) or pa.types.is_decimal(type_))


def cell(value: object) -> str:
    """One value as people read it; nothing for NULL."""
    if value is None:
        return ""
    if isinstance(value, float):
        return number(value)
    if isinstance(value, datetime):
        return moment(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int) else _other(value)


def number(value: float) -> str:
    """Ten digits; whole numbers in full as far as a double has them."""
    if value == round(value, 0) and abs(value) < 1e16:
        return f"{value:.1f}"
    return f"{value:.10g}"


def moment(value: datetime) -> str:
    """``2026-11-22 06:00:00.250Z``: milliseconds unless there is more to it, and the offset from UTC."""
    precision = "microseconds" if value.microsecond % 1000 else "milliseconds"
    return value.isoformat(sep=" ", timespec=precision).replace("+00:00", "Z")


def _other(value: object) -> str:
    return scalar_text(value) if isinstance(value, dict | list | bytes | pa.MonthDayNano) else str(value)


def _aligned(names: Sequence[str], columns: Sequence[Sequence[str]], right: Sequence[bool]) -> list[str]:
    cells = [[name, *(_short(value) for value in column)] for name, column in zip(names, columns, strict=True)]
    widths = [max(map(display_width, column)) for column in cells]
    padded = [
        [_pad(value, width, to_right=to_right) for value in column]
        for column, width, to_right in zip(cells, widths, right, strict=True)
    ]
    lines = ["  ".join(row).rstrip() for row in zip(*padded, strict=True)]
    return [lines[0], "  ".join("-" * width for width in widths), *lines[1:]]


def _blocks(names: Sequence[str], columns: Sequence[Sequence[str]]) -> str:
    longest = max(map(display_width, names))
    rows = zip(*columns, strict=True)
    blocks = [
        "\n".join(
            f"{_pad(name, longest, to_right=False)}  {value}".rstrip() for name, value in zip(names, row, strict=True)
        )
        for row in rows
    ]
    return "\n\n".join(blocks)


def _short(text: str) -> str:
    """On one line, and cut where it is long: a plan or a list is better read in another format."""
    flat = text.replace("\n", "⏎")
    return flat if len(flat) <= LONGEST_CELL else flat[: LONGEST_CELL - 1] + "…"


def _pad(text: str, width: int, *, to_right: bool) -> str:
    gap = " " * (width - display_width(text))
    return gap + text if to_right else text + gap


def display_width(text: str) -> int:
    """Columns of a terminal that ``text`` takes: East Asian wide letters take two, combining marks none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(letter) else 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        for letter in text
    )
