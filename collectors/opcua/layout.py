"""Where the DataValues of one answer lie in its bytes, so that numpy takes them out column by column.

A DataValue (OPC 10000-6, 5.2.2.17) begins with a mask of the fields that follow; a Value among them with its built-in
type.  These two bytes tell its length, but for texts and what is rare.  The places found in one answer are tried on the
next one of the same request, for servers answer in the same form again and again: when both bytes of every value are as
expected, so is its length, and with that the place of the next.

Only a Variant that numpy cannot read goes to the library, never a whole DataValue: asyncua 2.1 takes the two fields of
picoseconds to stand at the end, where the standard has one behind each time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import variant_from_binary
from asyncua.ua.uaerrors import UaError
from numpy.typing import NDArray

from historian.model.samples import IndexArray

UInt16Array: TypeAlias = NDArray[np.uint16]
Octets: TypeAlias = NDArray[np.uint8]

HAS_VALUE: Final = 0x01
HAS_STATUS: Final = 0x02
HAS_SOURCE_TIME: Final = 0x04
HAS_SERVER_TIME: Final = 0x08
HAS_SOURCE_PICOSECONDS: Final = 0x10
HAS_SERVER_PICOSECONDS: Final = 0x20

_FIELDS: Final = (
    (HAS_STATUS, 4),
    (HAS_SOURCE_TIME, 8),
    (HAS_SOURCE_PICOSECONDS, 2),
    (HAS_SERVER_TIME, 8),
    (HAS_SERVER_PICOSECONDS, 2),
)
"""The fields behind the value with their bytes, in the order in which they are sent."""

SCALAR_BYTES: Final = {0: 0, 1: 1, 2: 1, 3: 1, 4: 2, 5: 2, 6: 4, 7: 4, 8: 8, 9: 8, 10: 4, 11: 8, 19: 4}
"""Length of the built-in types that are numbers, by number of the type; 0 is no value, 19 a StatusCode."""

STRING: Final = 12
LENGTH_BYTES: Final = 4
"""Before a text or an array stands its length."""

_VALUE_BYTES: Final = [SCALAR_BYTES.get(kind, -1) for kind in range(0x100)]
"""By the first byte of a Variant: what follows it, -1 where that varies."""

_TAIL_BYTES: Final = [sum(size for bit, size in _FIELDS if mask & bit) for mask in range(0x100)]
"""By mask: what follows the value."""

_MASK_ONLY: Final = 0x00FF
_WHOLE_KEY: Final = 0xFFFF


def place_in_tail(mask: int, field: int) -> int:
    """Where ``field`` (one of the bits of ``mask``) begins, from the first byte behind the value on."""
    before = [bit for bit, _ in _FIELDS]
    return sum(size for bit, size in _FIELDS[: before.index(field)] if mask & bit)


@dataclass(frozen=True, slots=True)
class Layout:
    """The places of n DataValues.

    ``at``, ``tail_at`` intp[n]: the first byte of each, and the first behind its value, from where they all begin.
    ``key`` uint16[n]: its mask, and above that the type of its value (0 without one).  ``end``: the first byte behind
    them all.  ``lead``: bytes before each.  ``groups``: each key with its rows, intp.  ``odd``: by row the values that
    the library has decoded.  ``is_fixed``: the keys alone tell the places.
    """

    at: IndexArray
    tail_at: IndexArray
    key: UInt16Array
    end: int
    lead: int
    groups: tuple[tuple[int, IndexArray], ...]
    odd: Mapping[int, ua.Variant]
    is_fixed: bool

    def fits(self, octets: Octets, start: int, count: int, lead: int) -> bool:
        """Whether the DataValues from ``start`` on (of ``octets`` uint8[m]) lie at these places too."""
        if not self.is_fixed or count != len(self.at) or lead != self.lead or start + self.end >= len(octets):
            return False
        at = self.at + start
        key = octets[at] | octets[at + 1].astype(np.uint16) << 8
        # Without a value the byte behind the mask says nothing.
        wanted = np.where(self.key & HAS_VALUE, np.uint16(_WHOLE_KEY), np.uint16(_MASK_ONLY))
        return bool(((key & wanted) == self.key).all())


def find_layout(body: bytes, start: int, count: int, lead: int = 0) -> Layout:
    """Go through ``count`` DataValues of ``body`` from ``start`` on, with ``lead`` bytes before each.

    Raises what the library raises for bytes that are none: UaError, IndexError, struct.error and others.
    """
    at, tail_at, keys = [0] * count, [0] * count, [0] * count
    odd: dict[int, ua.Variant] = {}
    is_fixed, place = True, start
    # A loop over the values, for each begins where the one before it ends; a fifth of a microsecond a turn.
    for row in range(count):
        place += lead
        at[row] = place - start
        mask = body[place]
        place += 1
        if mask & HAS_VALUE:
            kind = body[place]
            mask_and_kind = mask | kind << 8
            size = _VALUE_BYTES[kind]
            if size < 0:
                is_fixed = False
                place = _behind_text(body, place) if kind == STRING else _behind_odd(body, place, odd, row)
            else:
                place += 1 + size
        else:
            mask_and_kind = mask
        keys[row] = mask_and_kind
        tail_at[row] = place - start
        place += _TAIL_BYTES[mask]
    if place > len(body):
        raise UaError(f"cannot decode an answer: got {len(body)} bytes, wanted at least {place}")
    key = np.array(keys, np.uint16)
    groups = tuple((each, np.flatnonzero(key == each)) for each in sorted(set(keys)))
    return Layout(
        np.array(at, np.intp), np.array(tail_at, np.intp), key, place - start, lead, groups, odd, is_fixed
    )  # fmt: skip


def _behind_text(body: bytes, place: int) -> int:
    """The first byte behind a text whose type stands at ``place``."""
    begin = place + 1 + LENGTH_BYTES
    length = int.from_bytes(body[place + 1 : begin], "little", signed=True)
    if length < -1:
        raise UaError(f"cannot decode a text: got a length of {length} bytes")
    return begin + max(length, 0)


def _behind_odd(body: bytes, place: int, odd: dict[int, ua.Variant], row: int) -> int:
    """The first byte behind a Variant that the library decodes; it goes into ``odd``."""
    buffer = Buffer(body, place)
    odd[row] = variant_from_binary(buffer)
    return buffer.cur_pos
