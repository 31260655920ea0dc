"""DataValues to the columns of a reading: values exactly, statuses bit for bit, times by the source's choice.

What becomes of each kind of Variant is in docs/explanation/opcua.md.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
from asyncua import ua
from numpy.typing import NDArray

from collectors.driver import Reading
from collectors.opcua.data_values import NO_VALUE, NOT_STORABLE, DataValues
from historian.config.settings import TimestampChoice
from historian.model.samples import BoolArray, FloatArray, IndexArray, Int64Array, UInt32Array
from historian.model.status import BAD_OUT_OF_RANGE, BAD_TYPE_MISMATCH, is_bad, status_code
from historian.model.tag import ValueType

UInt64Array: TypeAlias = NDArray[np.uint64]

BAD_NO_VALUE: Final = status_code("BadNoValue")
"""The server says Good and sends no value."""

ALL_KINDS: Final = 2**64 - 1
_BOOLEAN: Final = 1 << 1
_WHOLE: Final = sum(1 << kind for kind in (2, 3, 4, 5, 6, 7, 8, 9, 19))
_FLOATS: Final = 1 << 10 | 1 << 11
_TEXTS: Final = sum(1 << kind for kind in (12, 13, 14, 16, 20, 21))
"""Built-in types by number (OPC 10000-6, 5.1.2), a bit each."""

TIMESTAMPS: Final = {
    "source": ua.TimestampsToReturn.Both,
    "server": ua.TimestampsToReturn.Server,
    "arrival": ua.TimestampsToReturn.Neither,
}
"""What to ask for: with the source's time also the server's, to fall back to."""

class Columns:
    """What is known of the lanes of one group: filled by the answers of one reading, or kept from one to the next.

    ``unlike`` has by lane the kind of values that do not fit their tag.
    """

    def __init__(
        self,
        initial: UInt32Array,
        now_us: int,
        choice: TimestampChoice,
        max_skew_us: int,
        accepts: UInt64Array | None = None,
    ) -> None:
        """``initial`` uint32[n]: the status of lanes until an answer fills them.  ``now_us``: their time.

        ``accepts`` uint64[n]: which kinds of values fit each lane, as :func:`accepted_kinds` has it; all without it.
        """
        self.unlike: dict[int, int] = {}
        self.time_us: Int64Array = np.full(len(initial), now_us, np.int64)
        self.status: UInt32Array = initial.copy()
        self._value: FloatArray = np.full(len(initial), np.nan)
        self._exact: dict[int, int] = {}
        self._text: dict[int, str] = {}
        self._choice = choice
        self._max_skew_us = max_skew_us
        self._accepts = accepts
        self._ahead = 0
        self._filled: BoolArray = np.zeros(len(initial), np.bool_)

    def fill(self, lanes: IndexArray, values: DataValues, arrival_us: int | Int64Array) -> None:
        """Put in one answer: ``values`` of ``lanes`` (intp[m]), complete at ``arrival_us`` (int64[m] or for all)."""
        value, status, has_none = judged(values, None if self._accepts is None else self._accepts[lanes])
        for row in np.flatnonzero((status == BAD_TYPE_MISMATCH) & (values.kind < NOT_STORABLE)).tolist():
            self.unlike[int(lanes[row])] = int(values.kind[row])
        self.time_us[lanes] = self._times(lanes, values, arrival_us)
        self._value[lanes] = value
        self.status[lanes] = status
        self._filled[lanes] = True
        self._forget_extras(lanes)
        # Loops over texts and large whole numbers, which are few.
        self._exact.update((int(lanes[row]), whole) for row, whole in values.exact.items() if not has_none[row])
        self._text.update((int(lanes[row]), text) for row, text in values.text.items() if not has_none[row])

    def put_bad(self, lanes: IndexArray, time_us: Int64Array, status: int) -> None:
        """Take the value of ``lanes`` away, with this (Bad) status."""
        self.time_us[lanes] = time_us
        self._value[lanes] = np.nan
        self.status[lanes] = status
        self._forget_extras(lanes)

    def reading(self) -> Reading:
        """All lanes as they are now; times ahead of our clock are counted in one reading only."""
        ahead, self._ahead = self._ahead, 0
        return Reading(
            self.time_us.copy(), self._value.copy(), self.status.copy(), dict(self._exact), dict(self._text), ahead
        )  # fmt: skip

    def _forget_extras(self, lanes: IndexArray) -> None:
        for extras in (self._exact, self._text):
            if extras:
                for lane in np.intersect1d(lanes, np.fromiter(extras, np.intp, len(extras))).tolist():
                    del extras[lane]

    def _times(self, lanes: IndexArray, values: DataValues, arrival_us: int | Int64Array) -> Int64Array:
        """Source time, or server time, or arrival: the first of them, from the one chosen on, that is plausible."""
        time_us: Int64Array = np.full(len(values), arrival_us, np.int64)
        if self._choice == "arrival":
            # Several values of one lane may have arrived together.
            return np.where(self._filled[lanes], np.maximum(time_us, self.time_us[lanes] + 1), time_us)
        np.copyto(time_us, values.server_us, where=values.server_us > 0)
        if self._choice == "source":
            np.copyto(time_us, values.source_us, where=values.source_us > 0)
        # Only a time in the future is wrong for sure; one in the past may be when the value last changed.
        self._ahead += int(np.count_nonzero(time_us - arrival_us > self._max_skew_us))
        return time_us


def accepted_kinds(value_type: ValueType | None) -> int:
    """Which built-in types fit a tag of this type, as bits 1 << number; all where the server tells the type.

    A number that may not be whole fits no tag of whole numbers, and a text no tag of numbers; how many bits they have
    does not matter.
    """
    match value_type:
        case None:
            return ALL_KINDS
        case ValueType.TEXT:
            return _TEXTS
        case ValueType.BOOL:
            return _BOOLEAN
        case ValueType.FLOAT32 | ValueType.FLOAT64:
            return _BOOLEAN | _WHOLE | _FLOATS
        case _:
            return _BOOLEAN | _WHOLE


def judged(values: DataValues, accepts: UInt64Array | None = None) -> tuple[FloatArray, UInt32Array, BoolArray]:
    """Values and statuses as they are recorded, and bool[n] what has no value then because it is Bad.

    ``accepts`` uint64[n]: which kinds fit, see :func:`accepted_kinds`.
    """
    status = values.status.copy()
    good = ~is_bad(status)
    no_number = ~np.isfinite(values.value)
    if no_number.any():
        no_number[list(values.text)] = False
        status[no_number & good] = BAD_OUT_OF_RANGE
        status[(values.kind == NO_VALUE) & good] = BAD_NO_VALUE
        status[(values.kind == NOT_STORABLE) & good] = BAD_TYPE_MISMATCH
    if accepts is not None:
        fits = (accepts >> values.kind) & np.uint64(1) != 0
        status[~fits & (values.kind != NO_VALUE) & good] = BAD_TYPE_MISMATCH
    bad = is_bad(status)
    value = values.value
    if bad.any():
        value = np.where(bad, np.nan, value)
    return value, status, bad
