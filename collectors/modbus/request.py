"""What can be asked of a Modbus device, and what an answer says.

The one place that makes requests: :class:`ReadRequest` can say nothing but "read".  Framing and transport are others'
work (:mod:`collectors.modbus.framing`, :mod:`collectors.modbus.link`).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NamedTuple

from historian.model.status import (
    BAD_COMMUNICATION_ERROR,
    BAD_CONFIGURATION_ERROR,
    BAD_DECODING_ERROR,
    BAD_DEVICE_FAILURE,
    BAD_NO_COMMUNICATION,
    BAD_OUT_OF_SERVICE,
    GOOD,
)

EXCEPTION_STATUS: Final[dict[int, int]] = {
    1: BAD_CONFIGURATION_ERROR,  # illegal function: the device has no such table
    2: BAD_CONFIGURATION_ERROR,  # illegal data address
    3: BAD_CONFIGURATION_ERROR,  # illegal data value: for a read, the quantity
    4: BAD_DEVICE_FAILURE,  # server device failure
    5: BAD_OUT_OF_SERVICE,  # acknowledge: it works on something that takes long
    6: BAD_OUT_OF_SERVICE,  # server device busy
    8: BAD_DEVICE_FAILURE,  # memory parity error
    10: BAD_NO_COMMUNICATION,  # gateway path unavailable
    11: BAD_NO_COMMUNICATION,  # gateway target device failed to respond
}
"""Status of the lanes of a request that was answered with an exception (Modbus Application Protocol 1.1b3, 7)."""

OTHER_EXCEPTION_STATUS: Final = BAD_DEVICE_FAILURE

UNREACHABLE: Final = frozenset((10, 11))
"""Exceptions by which a gateway says that the device behind it is not to be had."""

EXCEPTION_BIT: Final = 0x80


class Function(IntEnum):
    """The four functions that read data, and no others."""

    READ_COILS = 1
    READ_DISCRETE_INPUTS = 2
    READ_HOLDING_REGISTERS = 3
    READ_INPUT_REGISTERS = 4


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """A request to read ``count`` bits or registers from ``address`` on.

    ``Function(...)`` refuses every code that is not a read, so that no request that writes can be made.
    """

    function: int
    address: int
    count: int
    unit: int

    def __post_init__(self) -> None:
        Function(self.function)

    @property
    def pdu(self) -> bytes:
        """Function, address and quantity, as all four functions have them."""
        return struct.pack(">BHH", self.function, self.address, self.count)

    @property
    def data_bytes(self) -> int:
        """How many bytes of data its answer has."""
        is_bits = self.function <= Function.READ_DISCRETE_INPUTS
        return (self.count + 7) // 8 if is_bits else 2 * self.count


class Answer(NamedTuple):
    """What a request brought: ``data`` when ``status`` is Good; ``exception`` is the device's code, 0 without one.

    ``data`` is registers in network order, or bits packed from the least significant on.  ``time_us`` is the moment
    half-way between request and answer, microseconds since 1970 UTC; ``took_us`` is what lay between.
    """

    data: bytes
    status: int = GOOD
    exception: int = 0
    time_us: int = 0
    took_us: int = 0


def answer_of(request: ReadRequest, pdu: bytes) -> Answer:
    """What a PDU (function code and what follows) says: data, if they are as the request wants them, else a status."""
    function = pdu[0] if pdu else 0
    if function == request.function:
        wanted = request.data_bytes
        if len(pdu) == wanted + 2 and pdu[1] == wanted:
            return Answer(pdu[2:])
        return Answer(b"", BAD_DECODING_ERROR)
    if function == request.function | EXCEPTION_BIT and len(pdu) == 2:
        return Answer(b"", EXCEPTION_STATUS.get(pdu[1], OTHER_EXCEPTION_STATUS), pdu[1])
    return Answer(b"", BAD_COMMUNICATION_ERROR)
