"""Status of a sample: the OPC UA StatusCode, all 32 bits (OPC 10000-4, 7.39).

Severity is the top two bits: Good 00, Uncertain 01, Bad 10.  A Bad sample has no value.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from historian.model.samples import BoolArray, UInt32Array
from historian.model.status_codes import NAMES

GOOD: Final = 0x00000000
GOOD_NO_DATA: Final = 0x00A50000
UNCERTAIN: Final = 0x40000000
UNCERTAIN_LAST_USABLE_VALUE: Final = 0x40900000
UNCERTAIN_DATA_SUB_NORMAL: Final = 0x40A40000
BAD: Final = 0x80000000
BAD_INTERNAL_ERROR: Final = 0x80020000
BAD_COMMUNICATION_ERROR: Final = 0x80050000
BAD_TIMEOUT: Final = 0x800A0000
BAD_SHUTDOWN: Final = 0x800C0000
BAD_NO_COMMUNICATION: Final = 0x80310000
BAD_WAITING_FOR_INITIAL_DATA: Final = 0x80320000
BAD_NO_DATA: Final = 0x809B0000
BAD_DATA_LOST: Final = 0x809D0000
BAD_BOUND_NOT_FOUND: Final = 0x80D70000
BAD_NODE_ID_UNKNOWN: Final = 0x80340000
BAD_OUT_OF_RANGE: Final = 0x803C0000
BAD_CONFIGURATION_ERROR: Final = 0x80890000
BAD_DEVICE_FAILURE: Final = 0x808B0000
BAD_OUT_OF_SERVICE: Final = 0x808D0000
BAD_RESOURCE_UNAVAILABLE: Final = 0x80040000
BAD_TYPE_MISMATCH: Final = 0x80740000
BAD_DECODING_ERROR: Final = 0x80070000

SUBSTITUTED: Final = 0x0408
"""In the low bits of a sample that a person put in the place of another, or where there was none: the InfoType
DataValue (OPC 10000-4, 7.39.1) and the bit ExtraData, a raw value that hides other data (OPC 10000-11, 6.3.3)."""

CALCULATED: Final = 0x0401
INTERPOLATED: Final = 0x0402
PARTIAL: Final = 0x0404
MULTIPLE_VALUES: Final = 0x0410
"""In the low bits of an answer, beside the InfoType DataValue: how it came about (OPC 10000-11, 6.3.3).  A raw sample
has none of them, partial means that data begin or end inside its interval."""

_NAME_BITS: Final = 0xFFFF0000
_SEVERITY_BITS: Final = 0xC0000000
_CODES: Final = {name: code for code, name in NAMES.items()}


class Severity(IntEnum):
    """The top two bits of a StatusCode."""

    GOOD = 0
    UNCERTAIN = 1
    BAD = 2

    @property
    def label(self) -> str:
        """As users see it: Good, Uncertain or Bad."""
        return self.name.capitalize()


def severity(code: int) -> Severity:
    """Severity of one code; the reserved pattern 11 counts as Bad (OPC 10000-4, 7.39.1)."""
    return Severity(min(code >> 30, 2))


def is_bad(codes: UInt32Array) -> BoolArray:
    """True where the status is Bad (or reserved, which counts as Bad)."""
    return codes >= BAD


def is_good(codes: UInt32Array) -> BoolArray:
    """True where the severity is Good."""
    return codes < UNCERTAIN


def status_name(code: int) -> str:
    """``Good``, ``BadNoCommunication`` ...; an unknown code as its severity and number, ``Bad(0x8FFF0000)``."""
    name = NAMES.get(code & _NAME_BITS)
    return name if name is not None else f"{severity(code).label}(0x{code:08X})"


def status_code(name: str) -> int:
    """The code of a name.  Raises KeyError for an unknown one."""
    return _CODES[name]
