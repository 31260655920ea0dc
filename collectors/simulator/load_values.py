"""What the nodes of the OPC UA load server have now, and answers to reads of them, encoded by numpy.

asyncua decodes a request and encodes its answer node by node, which costs more than a collector does with it.  A read
that was asked before has its answer ready but for the values and the times.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from asyncua import ua
from numpy.typing import NDArray

from collectors.simulator.waves import Waves
from historian.model.samples import FloatArray, IndexArray

FRAME_S: Final = 0.05
NO_FRAME: Final = -1
RANGE: Final = 100.0

DOUBLE: Final = ua.VariantType.Double
MIX: Final = (
    DOUBLE, ua.VariantType.Float, DOUBLE, ua.VariantType.Int32, DOUBLE,
    ua.VariantType.Float, DOUBLE, ua.VariantType.Boolean, DOUBLE, ua.VariantType.Float,
)  # fmt: skip
"""Types of ten nodes after each other, where they are mixed."""

_DTYPES: Final[Mapping[ua.VariantType, str]] = {
    ua.VariantType.Boolean: "?", ua.VariantType.Int32: "<i4", ua.VariantType.Float: "<f4", DOUBLE: "<f8"
}  # fmt: skip

_HAS_VALUE, _HAS_SOURCE_TIME, _HAS_SERVER_TIME = 0x01, 0x04, 0x08
_HEAD_BYTES: Final = 2
"""Before a value stand the mask of the fields that are there and the value's type (OPC 10000-6, 5.2.2.17)."""

_TIME: Final = "<i8"
_NO_DIAGNOSTICS: Final = struct.pack("<i", -1)
_FILETIME_OF_1970: Final = 116_444_736_000_000_000


class Values:
    """The values of ``nodes``, all of them Double, or ``mixed``."""

    def __init__(self, nodes: int, *, mixed: bool = False) -> None:
        self.kinds = [MIX[number % len(MIX)] if mixed else DOUBLE for number in range(nodes)]
        self._is_bool = np.array([kind is ua.VariantType.Boolean for kind in self.kinds], np.bool_)
        self._waves = Waves(nodes)
        self._frame = NO_FRAME
        self._values: FloatArray = np.zeros(nodes)

    def now(self) -> FloatArray:
        """float64[nodes], 0 or 1 where it is a Boolean; others twenty times a second."""
        frame = int(time.monotonic() / FRAME_S)
        if frame != self._frame:
            shares = self._waves.at(frame * FRAME_S)
            self._frame, self._values = frame, np.where(self._is_bool, shares > 0.5, RANGE * shares)
        return self._values

    def variant(self, number: int) -> ua.Variant:
        """The value of one node."""
        kind = self.kinds[number]
        return ua.Variant(np.dtype(_DTYPES[kind]).type(self.now()[number]).item(), kind)


@dataclass(frozen=True, slots=True)
class ReadyAnswer:
    """The results of one read, n DataValues with the status Good, which is not sent.

    ``octets`` uint8[m] of all of them; for each type ``values`` has the nodes, intp, and where their values begin;
    ``times`` intp[n] each: where the times begin.
    """

    count: int
    octets: NDArray[np.uint8]
    values: Sequence[tuple[str, IndexArray, IndexArray]]
    times: Sequence[IndexArray]

    @classmethod
    def of(cls, nodes: Sequence[int], kinds: Sequence[ua.VariantType], wanted: ua.TimestampsToReturn) -> ReadyAnswer:
        """For these ``nodes``, by number; ``kinds`` are those of all."""
        both = ua.TimestampsToReturn.Both
        sent = [(_HAS_SOURCE_TIME, ua.TimestampsToReturn.Source), (_HAS_SERVER_TIME, ua.TimestampsToReturn.Server)]
        masks = [mask for mask, each in sent if wanted in {each, both}]
        dtypes = np.array([_DTYPES[kinds[node]] for node in nodes])
        size = np.array([np.dtype(each).itemsize for each in dtypes.tolist()])
        end = np.cumsum(_HEAD_BYTES + size + len(masks) * np.dtype(_TIME).itemsize)
        at = np.concatenate([[0], end[:-1]])
        octets = np.zeros(end[-1], np.uint8)
        octets[at] = _HAS_VALUE | sum(masks)
        octets[at + 1] = [kinds[node].value for node in nodes]
        number = np.array(nodes, np.intp)
        values = [
            (dtype, number[dtypes == dtype], at[dtypes == dtype] + _HEAD_BYTES)
            for dtype in sorted(set(dtypes.tolist()))
        ]
        behind = at + _HEAD_BYTES + size
        return cls(len(nodes), octets, values, [behind + 8 * place for place in range(len(masks))])

    def encode(self, values: FloatArray, time_us: int) -> bytes:
        """Results and DiagnosticInfos of a ReadResponse, with ``values`` of all nodes at this time since 1970."""
        octets = self.octets.copy()
        for dtype, nodes, places in self.values:
            _column(octets, dtype)[places] = values[nodes]
        for places in self.times:
            _column(octets, _TIME)[places] = 10 * time_us + _FILETIME_OF_1970
        return struct.pack("<i", self.count) + octets.tobytes() + _NO_DIAGNOSTICS


def _column(octets: NDArray[np.uint8], dtype: str) -> NDArray[Any]:
    """What begins at each byte, which need not be aligned."""
    return np.ndarray((len(octets) - np.dtype(dtype).itemsize + 1,), dtype, octets, 0, (1,))
