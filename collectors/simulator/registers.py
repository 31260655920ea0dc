"""Values as the 16-bit registers of a device: the writing side, kept apart from what the collector reads with.

Byte orders name the bytes of a 32-bit value as they go over the wire: ABCD high word first (the standard's own order),
CDAB words swapped, BADC bytes swapped within the words, DCBA both.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

_FORMATS: Final = {
    "int16": ">h",
    "uint16": ">H",
    "int32": ">i",
    "uint32": ">I",
    "int64": ">q",
    "uint64": ">Q",
    "float32": ">f",
    "float64": ">d",
}


def to_registers(value: float | str, type_: str) -> list[int]:
    """The registers of ``value``, as ``type_`` of a tag list says (``float32:CDAB``, ``string:12``, ``bcd32``).

    Raises ValueError for a type that has no registers.
    """
    kind, _, rest = type_.partition(":")
    if kind == "string":
        size, _, order = rest.partition(":")
        data = str(value).encode("ascii").ljust(2 * -(-int(size) // 2), b"\0")
    elif kind in ("bcd16", "bcd32"):
        order, digits = rest, int(kind[3:]) // 4
        data = bytes.fromhex(f"{int(value) % 10**digits:0{digits}d}")
    elif kind in _FORMATS:
        order = rest
        data = struct.pack(_FORMATS[kind], value)
    else:
        raise ValueError(f"cannot put {type_!r} into registers, wanted one of {', '.join(_FORMATS)}, bcd or string")
    return _ordered(list(struct.unpack(f">{len(data) // 2}H", data)), order or "ABCD")


def _ordered(words: Sequence[int], order: str) -> list[int]:
    arranged = list(reversed(words)) if order in ("CDAB", "DCBA") else list(words)
    if order in ("BADC", "DCBA"):
        return [(word & 0xFF) << 8 | word >> 8 for word in arranged]
    return arranged


def to_counts(value: float, scale: float | None) -> float:
    """The number on the wire for an engineering value: a whole number of counts where the point is scaled."""
    return value if scale is None else round(value / scale)
