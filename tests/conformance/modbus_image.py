"""The points of the suite as registers and bits of a Modbus device, encoded independently of the code under test."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Final

from conformance.collector_suite import POINTS, Value
from historian.config.modbus_url import parse_modbus_url
from historian.config.settings import ModbusSource
from historian.model.tag import Tag, ValueType

UNIT: Final = 17
TEXT_REGISTERS: Final = 8
UNKNOWN_ADDRESS: Final = 3000

_FORMATS: Final = {
    ValueType.INT16: "h", ValueType.UINT16: "H", ValueType.INT32: "i", ValueType.UINT32: "I", ValueType.INT64: "q",
    ValueType.UINT64: "Q", ValueType.FLOAT32: "f", ValueType.FLOAT64: "d",
}  # fmt: skip
_ORDERS: Final = ("ABCD", "CDAB", "BADC", "DCBA")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a point lies: table, first address, cells, and the type text of its tag."""

    table: str
    address: int
    cells: int
    type_text: str


def _places() -> dict[str, Place]:
    """Numbers and texts fill holding and input registers in turn, with all byte orders; booleans are bits."""
    places: dict[str, Place] = {}
    next_address = {"hr": 100, "ir": 7, "coil": 3, "di": 500}
    for number, (name, point) in enumerate(POINTS.items()):
        if point.value_type is ValueType.BOOL:
            table, cells, text = ("coil", "di")[number % 2], 1, "bool"
        elif point.value_type is ValueType.TEXT:
            table, cells, text = "hr", TEXT_REGISTERS, f"string:{2 * TEXT_REGISTERS}"
        else:
            cells = struct.calcsize(_FORMATS[point.value_type]) // 2
            table, text = ("hr", "ir")[number // 4 % 2], f"{point.value_type}:{_ORDERS[number % 4]}"
        places[name] = Place(table, next_address[table], cells, text)
        next_address[table] += cells
    return places


PLACES: Final = _places()


def encode(name: str, value: Value) -> list[int]:
    """The cells of a point: registers, or 0 and 1."""
    place, kind = PLACES[name], POINTS[name].value_type
    if kind is ValueType.BOOL:
        return [int(value)]
    if isinstance(value, str):
        network = value.encode().ljust(2 * TEXT_REGISTERS, b"\0")
        return list(struct.unpack(f">{TEXT_REGISTERS}H", network))
    letters = struct.pack(">" + _FORMATS[kind], value)
    order = place.type_text.split(":")[1]
    if order in ("BADC", "DCBA"):
        letters = b"".join(letters[at : at + 2][::-1] for at in range(0, len(letters), 2))
    words = list(struct.unpack(f">{place.cells}H", letters))
    return words[::-1] if order in ("CDAB", "DCBA") else words


@dataclass
class Image:
    """What a simulated device holds: ``cells[table][address]``; ``refused`` cells are answered with exception 2."""

    cells: dict[str, dict[int, int]] = field(default_factory=dict)
    refused: set[tuple[str, int]] = field(default_factory=set)

    def restore(self) -> None:
        """The values of POINTS, nothing refused."""
        self.refused.clear()
        for table in ("hr", "ir", "coil", "di"):
            self.cells.setdefault(table, {})
        for name, point in POINTS.items():
            self.set_value(name, point.value)

    def set_value(self, name: str, value: Value) -> None:
        """Change a point."""
        place = PLACES[name]
        self.cells[place.table].update(enumerate(encode(name, value), start=place.address))

    def refuse(self, name: str) -> None:
        """Refuse every request that touches the point."""
        place = PLACES[name]
        self.refused.update((place.table, place.address + offset) for offset in range(place.cells))

    def read(self, table: str, address: int) -> int | None:
        """One cell, or None where the device has none."""
        return None if (table, address) in self.refused else self.cells[table].get(address)


def source(url: str, timeout_s: float) -> ModbusSource:
    """The source of the suite."""
    return ModbusSource("plant", url, parse_modbus_url(url), UNIT, int(timeout_s * 1_000_000))


def tag(name: str) -> Tag:
    """The tag of a point."""
    place = PLACES[name]
    address = f"{place.table}:{place.address}"
    return Tag(name, "plant", address, "fast", POINTS[name].value_type, type_text=place.type_text)


def unknown_tag() -> Tag:
    """A tag of a register that the device does not have."""
    return Tag("unknown", "plant", f"hr:{UNKNOWN_ADDRESS}", "fast", ValueType.INT16, type_text="int16")
