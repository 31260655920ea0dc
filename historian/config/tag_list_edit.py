"""Changing cells of a tag list and nothing else: every other character of the file stays as the person wrote it.

A list is read as :mod:`historian.config.csv_table` reads it; what changes is put into the text at the places of its
cells, in the list's own separators, quotes, decimal signs and ends of lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from historian.config.csv_table import Table, read_table
from historian.config.faults import FaultList, Where
from historian.config.row_cells import CellReader
from historian.config.tag_columns import COLUMNS, NUMERIC, REQUIRED
from historian.config.text_file import UnusableFileError, read_text

Cells: TypeAlias = Mapping[str, str]
"""Texts by column, of those columns that a list has."""

_LINE_END: Final = re.compile(r"\r\n|\r|\n")
_DECIMAL_COMMA: Final = re.compile(r";\s*[+-]?\d+,\d")


@dataclass(frozen=True, slots=True)
class ListedTag:
    """A row of a list: the line on which it begins, and its cells, numbers with a decimal point."""

    line: int
    cells: Cells

    @property
    def name(self) -> str:
        """The tag's name."""
        return self.cells["tag"]


@dataclass(frozen=True, slots=True)
class TagList:
    """A tag list as text and as rows.  ``columns`` are those of its header, in their order."""

    path: Path
    text: str
    table: Table
    rows: tuple[ListedTag, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the header, in their order."""
        return tuple(sorted(self.table.places, key=self.table.places.__getitem__))


def read_tag_list(path: Path, faults: FaultList, required: Sequence[str] = REQUIRED) -> TagList | None:
    """The list in ``path``; None after telling why it cannot be read.  Cells are not checked."""
    try:
        text = read_text(path, "a tag list in CSV")
    except UnusableFileError as error:
        faults.add(Where(str(path), error.line), error.got, error.wanted, error.hint)
        return None
    return parse_tag_list(path, text, faults, required)


def parse_tag_list(path: Path, text: str, faults: FaultList, required: Sequence[str] = REQUIRED) -> TagList | None:
    """As :func:`read_tag_list`, of a text."""
    table = read_table(str(path), text, faults, required)
    if table is None:
        return None
    reader = CellReader(table, faults)
    found = [(row.line, reader.read(row)) for row in table.rows]
    present = [column for column in COLUMNS if column in table.places]
    rows = tuple(
        ListedTag(line, {column: texts[column] for column in present})
        for line, cells in found
        if cells is not None and (texts := cells.texts())
    )
    return TagList(path, text, table, rows)


def edited(tag_list: TagList, changes: Mapping[int, Cells], added: Sequence[Cells] = ()) -> str:
    """The text of ``tag_list`` with other cells.

    ``changes`` are new texts by the line of a row and by column, ``added`` are rows for its end.  A column that the
    list has not is added to its header where a text for it is not blank.
    """
    editor = _Editor(tag_list)
    for column in COLUMNS:
        if column not in editor.places and any(cells.get(column) for cells in (*changes.values(), *added)):
            editor.add_column(column)
    return editor.result(changes, added)


class _Editor:
    """Gathers replacements of pieces of the text."""

    def __init__(self, tag_list: TagList) -> None:
        table = tag_list.table
        self._text = tag_list.text
        self._delimiter = table.delimiter
        self._header_line = table.header_line
        self._width = table.width
        self._new_columns: list[str] = []
        self.places = dict(table.places)
        self._cell = re.compile(rf' *(?:"(?:[^"]|"")*"|[^{re.escape(table.delimiter)}\r\n]*)')
        self._starts = [0, *(match.end() for match in _LINE_END.finditer(self._text))]
        self._comma = table.delimiter == ";" and _DECIMAL_COMMA.search(self._text) is not None

    def add_column(self, column: str) -> None:
        """One more column behind all others."""
        self.places[column] = self._width + len(self._new_columns)
        self._new_columns.append(column)

    def result(self, changes: Mapping[int, Cells], added: Sequence[Cells]) -> str:
        """The whole text."""
        pieces, copied = [], 0
        for line in sorted({self._header_line, *changes}):
            start, end = self._starts[line - 1], self._row_end(self._starts[line - 1])
            pieces += [self._text[copied:start], self._row(start, end, self._cells_of(line, changes))]
            copied = end
        pieces.append(self._text[copied:])
        text = "".join(pieces)
        return text + self._rows(text, added) if added else text

    def _cells_of(self, line: int, changes: Mapping[int, Cells]) -> dict[int, str]:
        """New texts by place; those of the header are the columns that are new."""
        if line == self._header_line:
            return {self.places[column]: column for column in self._new_columns}
        return {
            self.places[column]: self._number(column, text)
            for column, text in changes[line].items()
            if column in self.places
        }

    def _number(self, column: str, text: str) -> str:
        return text.replace(".", ",") if self._comma and column in NUMERIC else text

    def _row_end(self, start: int) -> int:
        return self._spans(start)[-1][1]

    def _spans(self, start: int) -> list[tuple[int, int]]:
        """Where each cell of the row at ``start`` begins and ends, with its quotes and spaces."""
        spans = []
        while True:
            match = self._cell.match(self._text, start)
            assert match is not None, "a cell may be empty"  # noqa: S101 - for the type checker
            spans.append(match.span())
            if not self._text.startswith(self._delimiter, match.end()):
                return spans
            start = match.end() + 1

    def _row(self, start: int, end: int, cells: Mapping[int, str]) -> str:
        spans = self._spans(start)
        pieces, copied = [], start
        for place in sorted(place for place in cells if place < len(spans)):
            begin, stop = spans[place]
            pieces += [self._text[copied:begin], self._in_place_of(self._text[begin:stop], cells[place])]
            copied = stop
        pieces.append(self._text[copied:end])
        beyond = {place: text for place, text in cells.items() if place >= len(spans) and text}
        missing = range(len(spans), max(beyond, default=-1) + 1)
        return "".join(pieces) + "".join(self._delimiter + self._quoted(beyond.get(place, "")) for place in missing)

    def _in_place_of(self, old: str, text: str) -> str:
        """``text`` written as the old cell was: with its quotes and the spaces around it."""
        core = old.strip()
        if not core:
            return self._quoted(text)
        before, _, after = old.partition(core)
        return before + self._quoted(text, always=core.startswith('"')) + after

    def _quoted(self, text: str, *, always: bool = False) -> str:
        needed = always or any(sign in text for sign in (self._delimiter, '"', "\r", "\n"))
        return '"' + text.replace('"', '""') + '"' if needed else text

    def _rows(self, text: str, added: Iterable[Cells]) -> str:
        match = _LINE_END.search(text)
        line_end = match[0] if match is not None else "\n"
        width = self._width + len(self._new_columns)
        by_place = {place: column for column, place in self.places.items()}
        lines = [
            self._delimiter.join(
                self._quoted(self._number(column, cells.get(column, ""))) if (column := by_place.get(place)) else ""
                for place in range(width)
            )
            for cells in added
        ]
        begin = "" if text.endswith(("\n", "\r")) else line_end
        return begin + line_end.join(lines) + line_end
