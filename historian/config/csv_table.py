"""Tag lists as spreadsheets write them: rows of CSV with the line on which each begins.

Understood beside plain CSV: the semicolon and the decimal comma of spreadsheets in many countries, tabs, any ends of
lines, quoted cells over several lines, blank lines, lines that begin with ``#``, empty columns at the end, and a first
line ``sep=;``.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from historian.config.faults import FaultList, Where
from historian.config.nearest import nearest, one_of, shown
from historian.config.tag_columns import COLUMNS, REQUIRED

_SEPARATOR_LINE: Final = re.compile(r"sep=(.)\s*", re.IGNORECASE)
_LINE_ENDS: Final = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True, slots=True)
class Row:
    """One row: the line on which it begins, and its cells without the spaces around them."""

    line: int
    cells: list[str]


@dataclass(frozen=True, slots=True)
class Table:
    """A tag list whose header can be used.

    ``places`` tells where each column is, ``header_line`` where the header begins; ``rows`` come as they are read.
    """

    file: str
    places: dict[str, int]
    width: int
    delimiter: str
    rows: Iterator[Row]
    header_line: int = 1


def read_table(file: str, text: str, faults: FaultList, required: Sequence[str] = REQUIRED) -> Table | None:
    """The table in ``text``; None when its header is missing or wrong, after telling so."""
    lines = _LINE_ENDS.split(text)
    delimiter = _delimiter(lines)
    rows = _rows(file, lines, delimiter, faults)
    header = next(rows, None)
    if header is None:
        faults.add(Where(file, 1), "no header", f"a first line with the columns {','.join(COLUMNS)}")
        return None
    places = _places(file, header, faults, required)
    if places is None:
        return None
    return Table(file, places, len(header.cells), delimiter, rows, header.line)


def _delimiter(lines: list[str]) -> str:
    """Comma, semicolon or tab, whichever the header has most of; column names have none of them."""
    match = _SEPARATOR_LINE.fullmatch(lines[0])
    if match:
        lines[0] = ""
        return match[1]
    header = next((line for line in lines if line.strip() and not line.lstrip(' "').startswith("#")), "")
    return max(",;\t", key=header.count)


def _rows(file: str, lines: list[str], delimiter: str, faults: FaultList) -> Iterator[Row]:
    """Rows that hold something; a row that is no CSV is told and left out."""
    feeder = _Feeder(lines)
    reader = csv.reader(feeder, delimiter=delimiter, strict=True, skipinitialspace=True)
    while True:
        line = reader.line_num + 1
        feeder.inside_row = False
        try:
            cells = [cell.strip() for cell in next(reader)]
        except StopIteration:
            return
        except csv.Error as error:
            faults.add(Where(file, line), *_csv_fault(error))
            continue
        if any(cells) and not cells[0].startswith("#"):
            yield Row(line, cells)


class _Feeder:
    """Lines for the CSV reader, comments blanked: a quote in a comment must not swallow the lines below it.

    A line that begins with ``#`` inside a quoted cell is no comment; ``inside_row`` is False when a row begins.
    """

    def __init__(self, lines: list[str]) -> None:
        self._lines = iter(lines)
        self.inside_row = False

    def __iter__(self) -> _Feeder:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        if not self.inside_row and line.lstrip().startswith("#"):
            line = ""
        self.inside_row = True
        return line + "\n"


def _csv_fault(error: csv.Error) -> tuple[str, str, str]:
    if "end of data" in str(error) or "field larger" in str(error):
        return "a quote that is never closed", 'a " at the end of the cell as well', 'write "" for a " inside a cell'
    return "text behind a closing quote", "a quoted cell to end with its quote", 'write "" for a " inside a cell'


def _places(file: str, header: Row, faults: FaultList, required: Sequence[str]) -> dict[str, int] | None:
    """Where each column stands; None when one is missing that no misspelt one can stand for."""
    places: dict[str, int] = {}
    names = [word.lower() for word in header.cells]
    for number, name in enumerate(names):
        if name in places:
            faults.add(
                Where(file, header.line, name), f"the column once more, as number {number + 1}", "each column once"
            )
        elif name in COLUMNS:
            places[name] = number
        elif name:
            meant = nearest(name, [column for column in COLUMNS if column not in names and column not in places])
            hint = f"did you mean '{meant}'?" if meant else ""
            faults.add(Where(file, header.line), f"the column {shown(header.cells[number])}", one_of(COLUMNS), hint)
            if meant:
                places[meant] = number  # so that the cells below it are checked all the same
    missing = [name for name in required if name not in places]
    if missing:
        faults.add(Where(file, header.line), f"no column {' and '.join(missing)}", f"at least {', '.join(required)}")
        return None
    return places
