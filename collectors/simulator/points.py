"""The instruments of the simulated plant: one row each, from which servers, registers, nodes and tag lists are made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

BOILER: Final = "boiler"
MIXER: Final = "mixer"
NODE: Final = "node"

VALVE: Final = {0: "closed", 1: "open"}
PUMP: Final = {0: "stopped", 1: "running"}
SWITCH: Final = {0: "normal", 1: "alarm"}
FLAME: Final = {0: "out", 1: "burning"}
FEED_MODE: Final = {0: "manual", 1: "automatic", 2: "cascade"}
BATCH_STATE: Final = {0: "idle", 1: "filling", 2: "heating", 3: "reacting", 4: "draining"}


@dataclass(frozen=True, slots=True)
class Point:
    """One instrument: where it is read, what it is, and how its transmitter spoils the true value.

    ``type_`` is the type on the wire, in the notation of the tag lists.  ``scale`` gives engineering units from the
    number on the wire.  ``noise`` is the standard deviation in engineering units; ``bits`` is the converter's width
    over ``low`` to ``high``.  ``exc_dev`` and ``comp_dev`` are what an engineer would configure, as text.
    """

    name: str
    source: str
    address: str
    type_: str
    units: str
    description: str
    low: float | None = None
    high: float | None = None
    scale: float | None = None
    noise: float = 0.0
    bits: int | None = None
    exc_dev: str = ""
    comp_dev: str = ""
    scan_class: str = "fast"
    step: bool = False
    enumeration: Mapping[int, str] | None = None

    @property
    def resolution(self) -> float | None:
        """Smallest difference that the instrument shows, in engineering units; None where the value is exact."""
        if self.bits is not None and self.low is not None and self.high is not None:
            return (self.high - self.low) / ((1 << self.bits) - 1)
        return self.scale


def _analog(
    name: str,
    place: str,
    type_: str,
    units: str,
    description: str,
    *,
    span: tuple[float, float],
    noise: float = 0.0,
    bits: int | None = None,
    comp_dev: str = "0.5%",
    scale: float | None = None,
    scan_class: str = "fast",
) -> Point:
    return Point(
        name,
        *_location(name, place),
        type_,
        units,
        description,
        *span,
        scale,
        noise,
        bits,
        "0.1%",
        comp_dev,
        scan_class,
    )


def _state(name: str, place: str, type_: str, description: str, enumeration: Mapping[int, str]) -> Point:
    location = _location(name, place)
    return Point(name, *location, type_, "", description, step=type_ != "bool", enumeration=enumeration)


def _held(
    name: str,
    place: str,
    type_: str,
    units: str,
    description: str,
    *,
    span: tuple[float, float] | None = None,
    scale: float | None = None,
    scan_class: str = "fast",
) -> Point:
    """A point that holds until it changes: a set point, a counter, a text."""
    low, high = span or (None, None)
    location = _location(name, place)
    return Point(name, *location, type_, units, description, low, high, scale, scan_class=scan_class, step=True)


def _location(name: str, place: str) -> tuple[str, str]:
    """Source and address: ``place`` is a register or a bit of the boiler, or NODE for a node named like the tag."""
    return (MIXER, f"ns=2;s={name}") if place == NODE else (BOILER, place)


_SWAPPED: Final = "float32:CDAB"
_SLOW: Final = "slow"

_BOILER_POINTS: Final = (
    _analog("FIC101.PV", "hr:100", _SWAPPED, "m3/h", "feed water flow", span=(0, 120), noise=0.20, bits=14),
    _analog("FIC101.SP", "hr:102", _SWAPPED, "m3/h", "feed water flow, set point from LIC102", span=(0, 120), bits=14),
    _analog("FIC101.OUT", "hr:104", _SWAPPED, "%", "feed water valve, controller output", span=(0, 100), bits=12),
    _analog("LIC102.PV", "hr:110", _SWAPPED, "%", "drum level", span=(0, 100), noise=0.04, bits=14, comp_dev="0.15"),
    _held("LIC102.SP", "hr:112", _SWAPPED, "%", "drum level, set point", span=(0, 100)),
    _analog("LIC102.OUT", "hr:114", _SWAPPED, "%", "drum level, controller output", span=(0, 100), bits=12),
    _analog("PIC103.PV", "ir:0", "uint16", "bar", "steam pressure", span=(0, 40.95), noise=0.015, scale=0.01),
    _held("PIC103.SP", "hr:120", "int16", "bar", "steam pressure, set point", span=(0, 40), scale=0.1),
    _analog("PIC103.OUT", "hr:121", "int16", "%", "fuel valve, controller output", span=(0, 100), scale=0.1),
    _analog("FI104.PV", "ir:1", "uint16", "t/h", "steam flow", span=(0, 81.90), noise=0.12, scale=0.02),
    _analog(
        "TI105.PV", "ir:2", "int16", "degC", "feed temperature", span=(0, 200), scale=0.1, noise=0.08, scan_class=_SLOW
    ),
    _analog(
        "TI106.PV",
        "ir:3",
        "int16",
        "degC",
        "flue gas temperature",
        span=(0, 400),
        scale=0.1,
        noise=0.15,
        scan_class=_SLOW,
    ),
    _analog("II107.PV", "ir:4", "uint16", "A", "feed pump motor current", span=(0, 102.35), noise=0.15, scale=0.05),
    _analog("AI108.PV", "ir:6", "float32", "%", "flue gas oxygen", span=(0, 21), noise=0.02, bits=12),
    _analog("AI109.PV", "ir:200", "float32", "mS/cm", "drum water conductivity", span=(0, 10), noise=0.01, bits=12),
    _state("P101.RUN", "coil:0", "bool", "feed pump A", PUMP),
    _state("P102.RUN", "coil:1", "bool", "feed pump B", PUMP),
    _state("XV101.OPEN", "coil:3", "bool", "feed water shut-off valve", VALVE),
    _state("XV102.OPEN", "coil:4", "bool", "blowdown valve", VALVE),
    _state("LSH102.ACT", "di:0", "bool", "drum level high", SWITCH),
    _state("LSL102.ACT", "di:1", "bool", "drum level low", SWITCH),
    _state("BS110.FLAME", "di:2", "bool", "burner flame", FLAME),
    _state("UA113.ACT", "hr:131.3", "bool", "boiler, common alarm", SWITCH),
    _state("FIC101.MODE", "hr:130", "uint16", "feed water flow, controller mode", FEED_MODE),
    _held("FQ101.TOT", "ir:30", "uint16", "L", "feed counter, rolls over at 10000", span=(0, 9_999), scan_class=_SLOW),
    _held("FQ111.TOT", "ir:32", "bcd32:CDAB", "m3", "fuel gas counter", scale=0.1, scan_class=_SLOW),
    _held("EQ112.TOT", "hr:200", "uint64", "Wh", "steam energy counter", scan_class=_SLOW),
    _held("FUEL.NAME", "hr:140", "string:12", "", "fuel in use", scan_class=_SLOW),
)

_MIXER_POINTS: Final = (
    _analog(
        "TIC205.PV", NODE, "float32", "degC", "reactor temperature", span=(0, 300), noise=0.05, bits=16, comp_dev="0.1%"
    ),
    _analog("TIC205.SP", NODE, "float32", "degC", "reactor temperature, set point", span=(0, 300), comp_dev="0.1"),
    _analog("TIC205.OUT", NODE, "float32", "%", "jacket valves, controller output", span=(0, 100), bits=12),
    _analog("TI206.PV", NODE, "float32", "degC", "jacket temperature", span=(0, 200), noise=0.10, bits=14),
    _analog("LI203.PV", NODE, "float32", "%", "reactor level", span=(0, 100), noise=0.06, bits=12),
    _analog("PI204.PV", NODE, "float64", "bar", "reactor pressure", span=(0, 6), noise=0.004, bits=14),
    _analog("FI201.PV", NODE, "float32", "m3/h", "charge flow", span=(0, 40), noise=0.05, bits=12),
    _analog("SIC207.PV", NODE, "float32", "1/min", "stirrer speed", span=(0, 400), noise=0.5, bits=12),
    _held("SIC207.SP", NODE, "float32", "1/min", "stirrer speed, set point", span=(0, 400)),
    _analog("AI208.PV", NODE, "float32", "pH", "reactor acidity", span=(0, 14), noise=0.01, bits=12, comp_dev="0.04"),
    _state("M207.RUN", NODE, "bool", "stirrer motor", PUMP),
    _state("XV201.OPEN", NODE, "bool", "charge valve", VALVE),
    _state("XV202.OPEN", NODE, "bool", "drain valve", VALVE),
    _held("WQ209.TOT", NODE, "uint64", "kg", "material charged, counter"),
    _state("BATCH.STATE", NODE, "int32", "step of the recipe", BATCH_STATE),
    _held("BATCH.ID", NODE, "text", "", "running batch"),
    _held("BATCH.COUNT", NODE, "uint32", "", "batches finished", scan_class=_SLOW),
)

POINTS: Final[tuple[Point, ...]] = (*_BOILER_POINTS, *_MIXER_POINTS)
"""All instruments, in the order of the tag list."""


def points_of(source: str) -> tuple[Point, ...]:
    """The instruments of one source."""
    return tuple(point for point in POINTS if point.source == source)
