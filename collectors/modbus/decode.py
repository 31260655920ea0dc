"""From the registers and bits of one reading to values, for all lanes at once.

Between the answers on the wire and the pipeline.  Lanes of the same kind and byte order are decoded together: one
gather of their registers, one view of the bytes as the type.  No value is made up: NaN and infinities, impossible
decimal digits and text that is not UTF-8 are Bad.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from historian.config.modbus_address import ModbusPoint
from historian.model.samples import EXACT_LIMIT, FloatArray, IndexArray, UInt32Array
from historian.model.status import BAD_CONFIGURATION_ERROR, BAD_DECODING_ERROR, BAD_OUT_OF_RANGE, GOOD

UNREAD: Final = -1
"""Position of a lane that is in no request."""

_NUMBERS: Final[dict[str, str]] = {
    "int16": ">i2", "uint16": ">u2", "int32": ">i4", "uint32": ">u4", "int64": ">i8", "uint64": ">u8",
    "float32": ">f4", "float64": ">f8",
}  # fmt: skip
"""How the bytes of a value are understood once they are in network order."""

_BCD: Final[dict[str, str]] = {"bcd16": ">u2", "bcd32": ">u4"}


class Decoded(NamedTuple):
    """Lanes decoded: ``value`` float64[n] (NaN for text and Bad), ``status`` uint32[n]; ``exact``, ``text`` by lane."""

    value: FloatArray
    status: UInt32Array
    exact: dict[int, int]
    text: dict[int, str]


class _Part(NamedTuple):
    """One batch decoded; ``exact`` and ``text`` by row of the batch."""

    value: FloatArray
    status: UInt32Array | int = GOOD
    exact: Mapping[int, int] = {}
    text: Mapping[int, str] = {}


Registers = NDArray[np.uint16]
"""Big-endian, one row a lane, the words of a value from the most significant on."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Lanes that are decoded together.

    ``cells`` intp[k, w]: for each lane its places in the buffer of registers (or of bits, where ``kind`` is "coil").
    ``swapped``: the bytes of each register are the wrong way round.  ``bits`` uint16[k]: which bit, for kind "bit".
    """

    kind: str
    lanes: IndexArray
    cells: IndexArray
    swapped: bool
    bits: NDArray[np.uint16]


def batches(points: Sequence[ModbusPoint], positions: IndexArray) -> tuple[Batch, ...]:
    """Sort the lanes into batches.  ``positions`` intp[n]: the first cell of each lane in its buffer, or UNREAD."""
    members: dict[tuple[str, str, int], list[int]] = {}
    for lane, point in enumerate(points):
        if positions[lane] != UNREAD:
            members.setdefault((_kind(point), point.byte_order, point.length), []).append(lane)
    return tuple(_batch(key[0], [points[lane] for lane in lanes], lanes, positions) for key, lanes in members.items())


def _kind(point: ModbusPoint) -> str:
    if not point.is_register:
        return "coil"
    return "bit" if point.bit is not None else point.kind


def _batch(kind: str, points: Sequence[ModbusPoint], lanes: Sequence[int], positions: IndexArray) -> Batch:
    order = points[0].byte_order
    words = np.arange(points[0].length, dtype=np.intp)
    if order in ("CDAB", "DCBA") and kind != "string":
        words = words[::-1]
    numbers = np.array(lanes, np.intp)
    bits = np.array([point.bit or 0 for point in points], np.uint16)
    return Batch(kind, numbers, positions[numbers][:, None] + words, order in ("BADC", "DCBA"), bits)


def decode(parts: Sequence[Batch], lanes: int, registers: bytes | bytearray, bits: NDArray[np.uint8]) -> Decoded:
    """Decode ``lanes`` lanes from ``registers`` (two bytes each, as on the wire) and ``bits`` (0 or 1 each).

    Lanes in no batch are Bad (BadConfigurationError): no request can carry them.
    """
    wire = np.frombuffer(registers, ">u2")
    swapped = wire.byteswap() if any(batch.swapped for batch in parts) else wire
    result = Decoded(np.full(lanes, np.nan), np.full(lanes, BAD_CONFIGURATION_ERROR, np.uint32), {}, {})
    for batch in parts:
        if batch.kind == "coil":
            part = _Part(bits[batch.cells[:, 0]].astype(np.float64))
        else:
            part = _decode_registers(batch, (swapped if batch.swapped else wire)[batch.cells])
        result.value[batch.lanes] = part.value
        result.status[batch.lanes] = part.status
        result.exact.update((int(batch.lanes[row]), whole) for row, whole in part.exact.items())
        result.text.update((int(batch.lanes[row]), text) for row, text in part.text.items())
    return result


def _decode_registers(batch: Batch, registers: Registers) -> _Part:
    if batch.kind == "bit":
        return _Part((registers[:, 0] >> batch.bits & 1).astype(np.float64))
    return _DECODERS[batch.kind](batch.kind, registers)


def _bool(_: str, registers: Registers) -> _Part:
    return _Part((registers[:, 0] != 0).astype(np.float64))


def _whole(kind: str, registers: Registers) -> _Part:
    return _Part(registers.view(_NUMBERS[kind])[:, 0].astype(np.float64))


def _whole64(kind: str, registers: Registers) -> _Part:
    """64-bit integers: those that a double rounds are also kept as they are."""
    whole = registers.view(_NUMBERS[kind])[:, 0]
    large = whole > EXACT_LIMIT
    if kind == "int64":
        large |= whole < -EXACT_LIMIT
    # A loop over the few beyond 2^53: they become Python integers anyway.
    beyond = {int(row): int(whole[row]) for row in np.flatnonzero(large)}
    exact = {row: value for row, value in beyond.items() if int(float(value)) != value}
    return _Part(whole.astype(np.float64), exact=exact)


def _float(kind: str, registers: Registers) -> _Part:
    with np.errstate(invalid="ignore"):  # widening a signalling NaN sets the flag; it becomes Bad below
        value = registers.view(_NUMBERS[kind])[:, 0].astype(np.float64)
    finite = np.isfinite(value)
    value[~finite] = np.nan
    return _Part(value, np.where(finite, GOOD, BAD_OUT_OF_RANGE).astype(np.uint32))


def _bcd(kind: str, registers: Registers) -> _Part:
    """Four or eight decimal digits of four bits each; a digit above 9 is Bad, not a number."""
    packed = registers.view(_BCD[kind])[:, 0].astype(np.uint32)
    places = np.arange(4 * registers.shape[1], dtype=np.uint32)
    digits = packed[:, None] >> (4 * places) & 0xF
    valid = (digits <= 9).all(axis=1)
    value = digits.astype(np.float64) @ (10.0**places)
    value[~valid] = np.nan
    return _Part(value, np.where(valid, GOOD, BAD_DECODING_ERROR).astype(np.uint32))


def _text(_: str, registers: Registers) -> _Part:
    """UTF-8 (so ASCII too) up to the first NUL, behind which devices leave what was there before.

    A loop over the lanes: texts have no common shape that numpy could work on.
    """
    status = np.zeros(len(registers), np.uint32)
    text: dict[int, str] = {}
    for row, cells in enumerate(registers):
        try:
            text[row] = cells.tobytes().split(b"\0", 1)[0].decode("utf-8")
        except UnicodeDecodeError:
            status[row] = BAD_DECODING_ERROR
    return _Part(np.full(len(registers), np.nan), status, text=text)


_DECODERS: Final[dict[str, Callable[[str, Registers], _Part]]] = {
    "bool": _bool, "int16": _whole, "uint16": _whole, "int32": _whole, "uint32": _whole, "int64": _whole64,
    "uint64": _whole64, "float32": _float, "float64": _float, "bcd16": _bcd, "bcd32": _bcd, "string": _text,
}  # fmt: skip
