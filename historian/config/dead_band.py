"""Exception reporting and compression of a row, with the defaults that its blank cells take."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Generic, Literal, TypeAlias, TypeVar

from historian.config.deviation import parse_deviation
from historian.config.duration import parse_duration
from historian.config.nearest import shown
from historian.config.row_cells import RowCells
from historian.errors import UnusableValueError
from historian.model.error_bound import ErrorBound
from historian.model.tag import CompressionSettings, ExceptionSettings

OFF: Final = "off"
"""In a cell: none of this, although ``[defaults]`` has one."""

Span: TypeAlias = tuple[float | None, float | None]
SettingsT = TypeVar("SettingsT", bound=ExceptionSettings | CompressionSettings)


class DeadBandReader(Generic[SettingsT]):
    """Reads ``exc_dev exc_min exc_max`` or ``comp_dev comp_min comp_max`` into ``settings``; ``defaults`` by column.

    Most tags of a plant share few settings, so what was read right once is kept and shared.
    """

    def __init__(
        self, kind: Literal["exc", "comp"], settings: Callable[..., SettingsT], defaults: Mapping[str, str]
    ) -> None:
        self._settings = settings
        self._dev, self._min, self._max = (f"{kind}_{part}" for part in ("dev", "min", "max"))
        self._default_dev = defaults.get(self._dev, "")
        self._default_min = defaults.get(self._min, "")
        self._default_max = defaults.get(self._max, "")
        self._known: dict[tuple[str, str, str, Span, bool], SettingsT] = {}

    def read(self, cells: RowCells, span: Span, *, holds: bool) -> SettingsT:
        """The settings of a row.  A default deviation is not for a tag that ``holds`` its value until the next."""
        key = (cells[self._dev], cells[self._min], cells[self._max], span, holds)
        known = self._known.get(key)
        if known is not None:
            return known
        before = cells.faults_so_far()
        settings = self._read(cells, span, holds=holds)
        if cells.faults_so_far() == before:
            self._known[key] = settings
        return settings

    def _read(self, cells: RowCells, span: Span, *, holds: bool) -> SettingsT:
        least = cells[self._min] or self._default_min
        longest = cells[self._max] or self._default_max
        min_us = cells.parsed(self._min, parse_duration, least) or 0
        max_us = cells.parsed(self._max, parse_duration, _unless_off(longest))
        if max_us is not None and max_us <= min_us:
            wanted = f"more than {self._min}, which is {least}" if min_us else "more than 0"
            cells.tell(self._max, shown(longest), wanted, f"'{OFF}' for none")
        return self._settings(self._deviation(cells, span, holds=holds), min_us, max_us)

    def _deviation(self, cells: RowCells, span: Span, *, holds: bool) -> ErrorBound | None:
        text = cells[self._dev]
        if text or holds or not self._default_dev:
            return cells.parsed(self._dev, lambda cell: parse_deviation(cell, *span), _unless_off(text))
        try:
            return parse_deviation(self._default_dev, *span)
        except UnusableValueError as error:
            got = f"a blank cell, which takes {self._default_dev} from [defaults]"
            cells.tell(self._dev, got, error.wanted, f"or '{OFF}' in the cell")
            return None


def _unless_off(text: str) -> str:
    return "" if text.lower() == OFF else text
