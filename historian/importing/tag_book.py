"""The tags of an import by number: those the store or the configuration knows, and those a file brings.

A number here is a *series*: the place of the tag among those that the files named so far, so that work on samples is
work on arrays.  The store's identifiers come when the first samples are written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Final

import numpy as np

from historian.model.samples import BoolArray, FloatArray, Int32Array
from historian.model.tag import Tag, ValueType

SOURCE: Final = "import"
"""Source of tags that a file brought."""

NO_ID: Final = 0


class Kind(IntEnum):
    """How the values of a tag are read."""

    UNKNOWN = 0
    NUMBER = 1
    WHOLE = 2
    BOOLEAN = 3
    TEXT = 4


_KINDS: Final = {
    ValueType.BOOL: Kind.BOOLEAN,
    ValueType.TEXT: Kind.TEXT,
    ValueType.FLOAT32: Kind.NUMBER,
    ValueType.FLOAT64: Kind.NUMBER,
}

_BITS: Final = {
    ValueType.INT16: (-(2.0**15), 2.0**15 - 1),
    ValueType.UINT16: (0.0, 2.0**16 - 1),
    ValueType.INT32: (-(2.0**31), 2.0**31 - 1),
    ValueType.UINT32: (0.0, 2.0**32 - 1),
    ValueType.INT64: (-(2.0**63), 2.0**63),
    ValueType.UINT64: (0.0, 2.0**64),
}
"""Smallest and largest value of whole types, as doubles."""


@dataclass(frozen=True, slots=True)
class KnownTag:
    """A tag before the import.  ``tag_id`` NO_ID: it is configured, but the store has never heard of it."""

    tag: Tag
    tag_id: int = NO_ID


def kind_of(tag: Tag) -> Kind:
    """How values of this tag are read.  A scaled whole number is no whole number any more."""
    if tag.value_type is None:
        return Kind.UNKNOWN
    scaled = tag.scale is not None or tag.offset is not None
    kind = _KINDS.get(tag.value_type, Kind.NUMBER if scaled else Kind.WHOLE)
    return Kind.WHOLE if kind is Kind.BOOLEAN and tag.enumeration is not None else kind


class TagBook:
    """All tags that the files of one command named so far."""

    def __init__(self, find: Callable[[str], KnownTag | None]) -> None:
        self._find = find
        self._series: dict[str, int] = {}
        self.names: list[str] = []
        self.tags: list[Tag] = []
        self._ids: list[int] = []
        self._was_known: list[bool] = []
        self._widened: dict[int, ValueType] = {}
        self._arrays: _Arrays | None = None

    def __len__(self) -> int:
        return len(self.names)

    def series(self, name: str) -> int:
        """The number of a tag by its name; it is given one if it has none."""
        number = self._series.get(name)
        return self._add(name) if number is None else number

    def _add(self, name: str) -> int:
        known = self._find(name)
        number = self._series[name] = len(self.names)
        self.names.append(name)
        self.tags.append(known.tag if known is not None else Tag(name, SOURCE, "", ""))
        self._ids.append(known.tag_id if known is not None else NO_ID)
        self._was_known.append(known is not None)
        self._arrays = None
        return number

    def series_of(self, names: Iterable[str | None]) -> Int32Array:
        """The numbers of several tags; -1 for no name."""
        return np.array([-1 if name is None or not name else self.series(name) for name in names], np.int32)

    def set_type(self, series: int, value_type: ValueType) -> None:
        """Say what type a tag has that had none, or a wider one than it had."""
        if self.tags[series].value_type is not None and self._ids[series] != NO_ID:
            self._widened[series] = value_type
        self.tags[series] = replace(self.tags[series], value_type=value_type)
        self._arrays = None

    def may_widen(self, series: int) -> bool:
        """True for a tag that only files know: what was whole so far may have a fraction from now on."""
        return self.tags[series].source == SOURCE

    def is_new(self, series: int) -> bool:
        """True for a tag that neither the store nor the configuration knew."""
        return not self._was_known[series]

    @property
    def kind(self) -> Int32Array:
        """:class:`Kind` of each series."""
        return self._columns().kind

    @property
    def limits(self) -> tuple[FloatArray, FloatArray]:
        """Smallest and largest value that the type of each series holds."""
        arrays = self._columns()
        return arrays.smallest, arrays.largest

    @property
    def span(self) -> tuple[FloatArray, FloatArray]:
        """Configured low and high of each series, infinite where there is none."""
        arrays = self._columns()
        return arrays.low, arrays.high

    @property
    def enumerated(self) -> BoolArray:
        """bool: the series has an enumeration."""
        return self._columns().enumerated

    @property
    def ids(self) -> Int32Array:
        """The store's identifier of each series, NO_ID where it has none."""
        return np.array(self._ids, np.int32)

    def unregistered(self) -> list[Tag]:
        """The tags that the store has to be told of."""
        return [tag for tag, tag_id in zip(self.tags, self._ids, strict=True) if tag_id == NO_ID]

    def register(self, ids: Mapping[str, int]) -> None:
        """Take over the store's identifiers."""
        for name, tag_id in ids.items():
            self._ids[self._series[name]] = tag_id

    def take_widened(self) -> dict[int, ValueType]:
        """The types that changed since the last call, by the store's identifier."""
        widened = {self._ids[series]: value_type for series, value_type in self._widened.items()}
        self._widened = {}
        return widened

    def _columns(self) -> _Arrays:
        if self._arrays is None:
            self._arrays = _Arrays.of(self.tags)
        return self._arrays


@dataclass(frozen=True, slots=True)
class _Arrays:
    kind: Int32Array
    smallest: FloatArray
    largest: FloatArray
    low: FloatArray
    high: FloatArray
    enumerated: BoolArray

    @classmethod
    def of(cls, tags: list[Tag]) -> _Arrays:
        limits = [_BITS.get(tag.value_type or ValueType.FLOAT64, (-np.inf, np.inf)) for tag in tags]
        return cls(
            np.array([kind_of(tag) for tag in tags], np.int32),
            np.array([limit[0] for limit in limits]),
            np.array([limit[1] for limit in limits]),
            np.array([-np.inf if tag.low is None else tag.low for tag in tags]),
            np.array([np.inf if tag.high is None else tag.high for tag in tags]),
            np.array([tag.enumeration is not None for tag in tags], np.bool_),
        )
