"""A tag: one measured point, with everything its configuration says about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from historian.model.error_bound import ErrorBound


class ValueType(StrEnum):
    """What kind of value a tag has; kept exactly through collecting, storing and retrieving."""

    BOOL = "bool"
    INT16 = "int16"
    UINT16 = "uint16"
    INT32 = "int32"
    UINT32 = "uint32"
    INT64 = "int64"
    UINT64 = "uint64"
    FLOAT32 = "float32"
    FLOAT64 = "float64"
    TEXT = "text"

    @property
    def is_discrete(self) -> bool:
        """True where no value lies between two neighbouring ones, so that the value holds until the next sample."""
        return self in (ValueType.BOOL, ValueType.TEXT)


@dataclass(frozen=True, slots=True)
class ExceptionSettings:
    """Exception reporting of a tag.  ``deviation`` None: every scan is reported (step tags: every change)."""

    deviation: ErrorBound | None = None
    min_us: int = 0
    max_us: int | None = None


class CompressionMethod(StrEnum):
    """Where a line between stored samples ends; both keep the same bound.

    LOOK_AHEAD: at the last sample that may end it, which takes knowing the samples after it.  DOOR: before the first
    one that may not.
    """

    LOOK_AHEAD = "lookahead"
    DOOR = "door"


@dataclass(frozen=True, slots=True)
class CompressionSettings:
    """Swinging-door compression of a tag.  ``deviation`` None: every reported sample is stored."""

    deviation: ErrorBound | None = None
    min_us: int = 0
    max_us: int | None = None
    method: CompressionMethod = CompressionMethod.LOOK_AHEAD


@dataclass(frozen=True, slots=True)
class Tag:
    """One point of a source.

    ``address`` is the text of the configuration; the collector of the source's protocol has parsed and checked it
    before (``historian.config``).  ``type_text`` is the type as configured, with what only the protocol needs to know
    (``float32:CDAB``, ``string:16``, ``bcd16``; empty for the default of the address); ``value_type`` is what it means
    for everyone else, None until an OPC UA server has told it.  ``scale`` and ``offset``
    give engineering units: raw * scale + offset.  ``enumeration`` maps codes to texts.
    """

    name: str
    source: str
    address: str
    scan_class: str
    value_type: ValueType | None = None
    units: str = ""
    description: str = ""
    scale: float | None = None
    offset: float | None = None
    low: float | None = None
    high: float | None = None
    step: bool | None = None
    exception: ExceptionSettings = ExceptionSettings()
    compression: CompressionSettings = CompressionSettings()
    enumeration: Mapping[int, str] | None = None
    type_text: str = ""

    @property
    def is_step(self) -> bool:
        """True when the value holds until the next sample: as configured, else by its type.  Text always does."""
        if self.value_type is ValueType.TEXT:
            return True
        if self.step is not None:
            return self.step
        return self.enumeration is not None or (self.value_type is not None and self.value_type.is_discrete)
