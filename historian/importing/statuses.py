"""Columns of statuses to OPC UA StatusCodes: names, numbers, good/uncertain/bad, and the quality byte of OPC DA.

The mapping from OPC DA is that of OPC 10000-8, A.3.2.3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from historian.importing.arrow import numbers, plain, there
from historian.importing.options import StatusCodes
from historian.model.samples import BoolArray, UInt32Array
from historian.model.status import BAD, GOOD, UNCERTAIN, status_code
from historian.model.status_codes import NAMES

DA_LARGEST: Final = 0xFF
_DA_NAMES: Final = {
    0x00: "Bad",
    0x04: "BadConfigurationError",
    0x08: "BadNotConnected",
    0x0C: "BadDeviceFailure",
    0x10: "BadSensorFailure",
    0x14: "BadOutOfService",  # last known value
    0x18: "BadNoCommunication",
    0x1C: "BadOutOfService",
    0x20: "BadWaitingForInitialData",
    0x40: "Uncertain",
    0x44: "UncertainLastUsableValue",
    0x50: "UncertainSensorNotAccurate",
    0x54: "UncertainEngineeringUnitsExceeded",
    0x58: "UncertainSubNormal",
    0xC0: "Good",
    0xD8: "GoodLocalOverride",
}
"""By quality and sub-status, the upper six of its eight bits; one that is not here counts as its quality alone."""

_SEVERITIES: Final = {"Good": GOOD, "Uncertain": UNCERTAIN, "Bad": BAD}
_BY_LOWER: Final = {**{name.lower(): code for code, name in NAMES.items()}, "": GOOD}


def _da_table() -> UInt32Array:
    by_quality = {0: "Bad", 1: "Uncertain", 2: "Bad", 3: "Good"}
    names = [_DA_NAMES.get(byte & 0xFC, by_quality[byte >> 6]) for byte in range(DA_LARGEST + 1)]
    return np.array([_SEVERITIES[name] if name in _SEVERITIES else status_code(name) for name in names], np.uint32)


DA_TABLE: Final[UInt32Array] = _da_table()


@dataclass(frozen=True, slots=True)
class Statuses:
    """``code`` uint32[n]; ``unreadable`` bool[n]: neither a name nor a number of a status."""

    code: UInt32Array
    unreadable: BoolArray


class StatusReader:
    """Reads the statuses of one file.

    ``codes`` None: numbers are OPC DA qualities in a column called quality (``is_quality``) or when the first batch
    with any but 0 has one from 1 to 255, which is no StatusCode.
    """

    def __init__(self, codes: StatusCodes | None, *, is_quality: bool) -> None:
        self.codes: StatusCodes | None = codes or ("opc-da" if is_quality else None)

    def read(self, values: pa.Array) -> Statuses:
        """The statuses of one batch; null is Good."""
        values = plain(values)
        if pa.types.is_integer(values.type):
            return self._of_numbers(values)
        if pa.types.is_floating(values.type):
            return self._of_numbers(values.cast(pa.int64(), safe=False))
        if pa.types.is_boolean(values.type):
            return Statuses(
                np.where(numbers(values, np.bool_) | ~there(values), GOOD, BAD).astype(np.uint32),
                ~there(values) & False,
            )
        return self._of_texts(values.cast(pa.string()))

    def _of_numbers(self, values: pa.Array) -> Statuses:
        known = there(values)
        number = np.where(known, numbers(values.cast(pa.int64(), safe=False), np.int64), -1)
        code, unreadable = self._codes(number)
        code[~known], unreadable[~known] = GOOD, False
        return Statuses(code, unreadable)

    def _codes(self, number: np.ndarray[tuple[int], np.dtype[np.int64]]) -> tuple[UInt32Array, BoolArray]:
        if self.codes is None and (number > 0).any():
            self.codes = "opc-da" if ((number > 0) & (number <= DA_LARGEST)).any() else "opc-ua"
        if self.codes == "opc-da":
            quality = number & DA_LARGEST  # the upper byte is the vendor's
            return DA_TABLE[quality], (number < 0) | (number > 0xFFFF)
        # A StatusCode that some program kept in a signed column has its top bit as the sign.
        unreadable = (number < -(1 << 31)) | (number >= 1 << 32)
        return (number & 0xFFFF_FFFF).astype(np.uint32), unreadable

    def _of_texts(self, texts: pa.Array) -> Statuses:
        """Each text that differs once: there are few."""
        codes = pc.utf8_trim_whitespace(texts).dictionary_encode()
        if not len(codes.dictionary):
            return Statuses(np.zeros(len(texts), np.uint32), np.zeros(len(texts), np.bool_))
        words = codes.dictionary.to_pylist()
        parsed = [_number(word) for word in words]
        code, unreadable = self._codes(
            np.array([-(1 << 40) if number is None else number for number in parsed], np.int64)
        )
        for place, word in enumerate(words):
            if word.lower() in _BY_LOWER:
                code[place], unreadable[place] = _BY_LOWER[word.lower()], False
        index, known = numbers(codes.indices.fill_null(0), np.int32), there(texts)
        return Statuses(np.where(known, code[index], np.uint32(GOOD)), unreadable[index] & known)


def _number(word: str) -> int | None:
    """``0x80310000``, ``2150694912``, ``192.0``, and an unknown code as this program writes it: ``Bad(0x8FFF0000)``."""
    inner = word[word.index("(") + 1 : -1] if word.endswith(")") and "(" in word else word
    try:
        return int(inner, 0) if not inner.replace(".", "", 1).isdigit() else int(float(inner))
    except ValueError:
        return None
