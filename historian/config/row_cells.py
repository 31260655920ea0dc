"""The cells of one row of a tag list by their columns, and the faults found in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from historian.config.csv_table import Row, Table
from historian.config.faults import FaultList, Where
from historian.config.nearest import shown
from historian.config.tag_columns import COLUMNS, NUMERIC
from historian.errors import UnusableValueError

ParsedT = TypeVar("ParsedT")


class RowCells:
    """One row: ``row[column]`` is a cell's text, blank where the row or the header has none."""

    __slots__ = ("_faults", "_file", "_line", "_texts")

    def __init__(self, file: str, line: int, texts: Mapping[str, str], faults: FaultList) -> None:
        self._file = file
        self._line = line
        self._texts = texts
        self._faults = faults

    def __getitem__(self, column: str) -> str:
        return self._texts[column]

    def texts(self) -> Mapping[str, str]:
        """All cells by column, as :meth:`__getitem__` gives them."""
        return self._texts

    def parsed(self, column: str, parse: Callable[[str], ParsedT], text: str | None = None) -> ParsedT | None:
        """What ``parse`` makes of the cell, or of ``text`` in its place; None when blank, and when wrong, once told."""
        text = self._texts[column] if text is None else text
        if not text:
            return None
        try:
            return parse(text)
        except UnusableValueError as error:
            self.tell(column, error.got, error.wanted, error.hint)
            return None

    def tell(self, column: str, got: str, wanted: str, hint: str = "") -> None:
        """A fault in the cell of ``column``, or in the row when that is empty."""
        self._faults.add(Where(self._file, self._line, column), got, wanted, hint)

    def faults_so_far(self) -> int:
        """How many faults the whole configuration has; the same number twice means that nothing went wrong between."""
        return len(self._faults)


class CellReader:
    """Gives the rows of one table their columns."""

    def __init__(self, table: Table, faults: FaultList) -> None:
        self._table = table
        self._faults = faults
        self._places = [table.places.get(column, table.width) for column in COLUMNS]
        self._unnamed = [number for number in range(table.width) if number not in table.places.values()]

    def read(self, row: Row) -> RowCells | None:
        """The row's cells; None, after telling so, when something stands outside the columns with a name."""
        cells = row.cells + [""] * (self._table.width + 1 - len(row.cells))
        texts = dict(zip(COLUMNS, [cells[place] for place in self._places], strict=True))
        if self._table.delimiter == ";":
            for column in NUMERIC:
                texts[column] = _with_point(texts[column])
        named = RowCells(self._table.file, row.line, texts, self._faults)
        return named if self._fits(row, cells, named) else None

    def tell_if_longer(self, row: Row, named: RowCells) -> None:
        """Blank cells beyond the header do no harm; in a row that is wrong they show that its cells are shifted."""
        width = self._table.width
        if len(row.cells) > width:
            sign = "tab" if self._table.delimiter == "\t" else self._table.delimiter
            hint = f"put a cell that holds a {sign} in quotes"
            named.tell("", f"{len(row.cells)} cells", f"{width} as in the header", hint)

    def _fits(self, row: Row, cells: list[str], named: RowCells) -> bool:
        if any(cells[self._table.width :]):
            self.tell_if_longer(row, named)
            return False
        for number in self._unnamed:
            if cells[number]:
                named.tell(
                    "", f"{shown(cells[number])} in column {number + 1}", "nothing below a header that is unknown"
                )
                return False
        return True


def _with_point(text: str) -> str:
    """``0,5`` of a spreadsheet that separates cells by semicolons is ``0.5``."""
    return text.replace(",", ".") if text.count(",") == 1 and "." not in text else text
