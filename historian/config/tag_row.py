"""One row of a tag list becomes one tag; every wrong cell is told, not only the first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from historian.config.csv_table import Row, Table
from historian.config.dead_band import OFF, DeadBandReader, Span
from historian.config.enumeration import parse_enumeration
from historian.config.faults import FaultList
from historian.config.nearest import did_you_mean, nearest, one_of, shown
from historian.config.number import parse_number
from historian.config.row_cells import CellReader, RowCells
from historian.config.settings import SourceSettings
from historian.config.tag_name import check_tag_name
from historian.config.tag_point import read_point
from historian.model.tag import CompressionMethod, CompressionSettings, ExceptionSettings, Tag, ValueType

_ANY_SPAN: Final[Span] = (0.0, 1.0)
"""Stands for a span that is wrong, once that is told, so that percentages of it are not told as well."""

_YES_NO: Final = {"yes": True, "no": False, "true": True, "false": False}
_NO_MEANING: Final = {
    ValueType.TEXT: ("scale", "offset", "low", "high", "exc_dev", "comp_dev", "enum"),
    ValueType.BOOL: ("scale", "offset"),
}
"""Columns that say nothing about values of a type."""
_INT64_CODES: Final = (-(2**63), 2**63 - 1)
_CODES: Final = {
    ValueType.BOOL: (0, 1), ValueType.INT16: (-(2**15), 2**15 - 1), ValueType.UINT16: (0, 2**16 - 1),
    ValueType.INT32: (-(2**31), 2**31 - 1), ValueType.UINT32: (0, 2**32 - 1),
}  # fmt: skip
"""Lowest and highest code that a value of a type can have."""


@dataclass(frozen=True, slots=True)
class TagContext:
    """What tags refer to.  ``protocols`` and ``scan_classes`` have the names that the configuration declares."""

    protocols: Mapping[str, str]
    sources: Mapping[str, SourceSettings]
    scan_classes: tuple[str, ...]
    defaults: Mapping[str, str]


class TagReader:
    """Reads the rows of one tag list, one at a time."""

    def __init__(self, table: Table, context: TagContext, faults: FaultList) -> None:
        self._cells = CellReader(table, faults)
        self._context = context
        self._faults = faults
        self._exception = DeadBandReader("exc", ExceptionSettings, context.defaults)
        method = CompressionMethod(context.defaults.get("compression", CompressionMethod.LOOK_AHEAD))
        self._compression = DeadBandReader("comp", partial(CompressionSettings, method=method), context.defaults)

    def read(self, row: Row) -> Tag | None:
        """The tag of ``row``; None after telling what is wrong with it."""
        before = len(self._faults)
        cells = self._cells.read(row)
        if cells is None:
            return None
        tag = self._tag(cells)
        if len(self._faults) == before:
            return tag
        self._cells.tell_if_longer(row, cells)
        return None

    def _tag(self, cells: RowCells) -> Tag:
        name, source = cells["tag"], cells["source"]
        _check_name(cells, name)
        _check_known(cells, "source", self._context.protocols)
        _check_known(cells, "scan_class", self._context.scan_classes)
        # Of a misspelt source too, all faults of the row are told at once.
        meant = source if source in self._context.protocols else nearest(source, self._context.protocols) or ""
        value_type = read_point(cells, self._context.protocols.get(meant, ""), self._context.sources.get(meant))
        _check_meaning(cells, value_type)
        span = _read_span(cells)
        enumeration = _read_enumeration(cells, value_type)
        discrete = enumeration is not None or (value_type is not None and value_type.is_discrete)
        step = _read_step(cells, discrete=discrete)
        holds = discrete if step is None else step
        return Tag(
            name, source, cells["address"], cells["scan_class"], value_type, cells["units"], cells["description"],
            _read_scale(cells), cells.parsed("offset", parse_number), *span, step,
            self._exception.read(cells, span, holds=holds),
            self._compression.read(cells, span, holds=holds),
            enumeration, cells["type"],
        )  # fmt: skip


def _check_name(cells: RowCells, name: str) -> None:
    if not name:
        cells.tell("tag", "a blank cell", "a name", "a line that begins with # is left out")
    cells.parsed("tag", check_tag_name)


def _check_known(cells: RowCells, column: str, known: Iterable[str]) -> None:
    # Without any known name the configuration has told its fault already, and every tag would repeat it.
    name = cells[column]
    if name in known or not known:
        return
    cells.tell(column, shown(name) if name else "a blank cell", one_of(known), did_you_mean(name, known))


def _check_meaning(cells: RowCells, value_type: ValueType | None) -> None:
    if value_type in _NO_MEANING:
        for column in _NO_MEANING[value_type]:
            if cells[column] and cells[column].lower() != OFF:
                cells.tell(column, shown(cells[column]), f"a blank cell, the type is {value_type}")


def _read_span(cells: RowCells) -> Span:
    low, high = cells.parsed("low", parse_number), cells.parsed("high", parse_number)
    if low is not None and high is not None and low >= high:
        cells.tell("low", f"low {cells['low']} and high {cells['high']}", "low below high")
        return _ANY_SPAN
    unread = (low is None and cells["low"]) or (high is None and cells["high"])
    return _ANY_SPAN if unread else (low, high)


def _read_scale(cells: RowCells) -> float | None:
    scale = cells.parsed("scale", parse_number)
    if scale == 0:
        cells.tell("scale", shown(cells["scale"]), "a number other than 0", "a blank cell means 1")
    return scale


def _read_enumeration(cells: RowCells, value_type: ValueType | None) -> Mapping[int, str] | None:
    states = cells.parsed("enum", parse_enumeration)
    lowest, highest = _INT64_CODES if value_type is None else _CODES.get(value_type, _INT64_CODES)
    outside = next((code for code in states or () if not lowest <= code <= highest), None)
    if outside is not None:
        wanted = f"codes from {lowest} to {highest}, those of {value_type or ValueType.INT64}"
        cells.tell("enum", f"a text for code {outside}", wanted)
    return states


def _read_step(cells: RowCells, *, discrete: bool) -> bool | None:
    text = cells["step"]
    if not text:
        return None
    step = _YES_NO.get(text.lower())
    if step is None:
        cells.tell("step", shown(text), "yes, no or blank", did_you_mean(text, _YES_NO))
    elif discrete and not step:
        cells.tell(
            "step", shown(text), "yes or blank", "states and texts hold until the next, nothing lies between them"
        )
    return step
