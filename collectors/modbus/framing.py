"""The three ways in which Modbus puts requests and answers on a wire: TCP, RTU and ASCII.

Between :mod:`collectors.modbus.link`, which has bytes as they come, and :mod:`collectors.modbus.request`.  Whatever is
in the received bytes beside the answer that is waited for (late, doubled, foreign or torn frames, noise, an echo of the
request) is thrown away here and counted.

Sources: Modbus Messaging on TCP/IP Implementation Guide 1.0b, 3.1.3; Modbus over Serial Line 1.02, 2.5.1 and 2.5.2.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import Final, Protocol

from collectors.modbus.request import EXCEPTION_BIT, ReadRequest

HEADER: Final = struct.Struct(">HHHB")
HEADER_BYTES: Final = 7
LONGEST_PDU: Final = 253
MOST_WAITING_BYTES: Final = 4096
"""What is kept of a stream without frames in it, for the end of an answer that has begun."""


class FramingError(Exception):
    """What came cannot be divided into frames any more; the text says what it was."""


class Framing(Protocol):
    """One way of framing, for one connection.  ``strays`` counts frames that answered nothing that was waited for."""

    strays: int
    is_numbered: bool
    """Whether answers carry the number of their request, so that several may be under way and late ones are known."""

    def encode(self, request: ReadRequest, transaction: int) -> bytes:
        """The frame of a request."""

    def match(self, received: bytearray, waiting: Mapping[int, ReadRequest]) -> Iterator[tuple[int, bytes]]:
        """Take the answers to ``waiting`` requests out of what was received: transaction and PDU.

        What belongs to no request is taken out as well; the beginning of a frame stays.  Raises FramingError.
        """


class TcpFraming:
    """Modbus TCP: a header with transaction number, length and unit.  Also in datagrams and through TLS."""

    is_numbered = True

    def __init__(self) -> None:
        self.strays = 0

    def encode(self, request: ReadRequest, transaction: int) -> bytes:
        """Header and PDU."""
        pdu = request.pdu
        return HEADER.pack(transaction, 0, len(pdu) + 1, request.unit) + pdu

    def match(self, received: bytearray, waiting: Mapping[int, ReadRequest]) -> Iterator[tuple[int, bytes]]:
        """Whole frames in their order; those of other transactions or units are strays."""
        while len(received) >= HEADER_BYTES:
            transaction, protocol, length, unit = HEADER.unpack_from(received)
            if protocol or not 2 <= length <= LONGEST_PDU + 1:
                raise FramingError(f"the bytes {bytes(received[:8]).hex(' ')}, which are no header of Modbus TCP")
            if len(received) < length + 6:
                return
            pdu = bytes(received[HEADER_BYTES : length + 6])
            del received[: length + 6]
            request = waiting.get(transaction)
            if request is None or request.unit != unit:
                self.strays += 1
            else:
                yield transaction, pdu


class _Unnumbered:
    """What RTU and ASCII share: one request at a time, whose answer is known by unit, function and length alone."""

    is_numbered = False

    def __init__(self) -> None:
        self.strays = 0
        self._sent = b""

    def encode(self, request: ReadRequest, transaction: int) -> bytes:  # noqa: ARG002 - has no place in the frame
        """Unit and PDU with a check behind them; kept, because some adapters give back what is sent."""
        self._sent = self._frame(bytes([request.unit]) + request.pdu)
        return self._sent

    def match(self, received: bytearray, waiting: Mapping[int, ReadRequest]) -> Iterator[tuple[int, bytes]]:
        """The one answer, once it is whole."""
        if self._sent and received.startswith(self._sent):
            del received[: len(self._sent)]
            self._sent = b""
        for transaction, request in tuple(waiting.items()):
            if (pdu := self._find(received, request)) is not None:
                self._sent = b""
                yield transaction, pdu
        if len(received) > MOST_WAITING_BYTES:
            del received[:-MOST_WAITING_BYTES]

    def _frame(self, message: bytes) -> bytes:
        raise NotImplementedError

    def _find(self, received: bytearray, request: ReadRequest) -> bytes | None:
        raise NotImplementedError


class RtuFraming(_Unnumbered):
    """Modbus RTU: unit, PDU and a CRC.  There is no mark where a frame begins: the one that is wanted is looked for."""

    def _frame(self, message: bytes) -> bytes:
        return message + crc(message)

    def _find(self, received: bytearray, request: ReadRequest) -> bytes | None:
        """The first place at which a whole answer lies.  Unit, function, length and CRC are 40 bits that must fit."""
        answer = bytes([request.unit, request.function, request.data_bytes])
        refusal = bytes([request.unit, request.function | EXCEPTION_BIT])
        found = [
            (start, length)
            for head, length in ((answer, request.data_bytes + 5), (refusal, 5))
            if (start := _first_frame(received, head, length)) >= 0
        ]
        if not found:
            return None
        start, length = min(found)
        self.strays += start > 0
        pdu = bytes(received[start + 1 : start + length - 2])
        del received[: start + length]
        return pdu


def _first_frame(received: bytearray, head: bytes, length: int) -> int:
    """Where a frame of ``length`` bytes with the right CRC begins with ``head``; -1 when there is none."""
    start = received.find(head)
    while 0 <= start <= len(received) - length:
        end = start + length - 2
        if received[end : end + 2] == crc(received[start:end]):
            return start
        start = received.find(head, start + 1)
    return -1


class AsciiFraming(_Unnumbered):
    """Modbus ASCII: a colon, hexadecimal digits with an LRC in the end, and a new line."""

    def _frame(self, message: bytes) -> bytes:
        return b":" + (message + lrc(message)).hex().upper().encode() + b"\r\n"

    def _find(self, received: bytearray, request: ReadRequest) -> bytes | None:
        while (end := received.find(b"\r\n")) >= 0:
            line = bytes(received[:end])
            del received[: end + 2]
            message = _of_digits(line.rpartition(b":")[2])
            if message is not None and _answers(message, request):
                return message[1:-1]
            self.strays += 1
        return None


def _of_digits(digits: bytes) -> bytes | None:
    """The message with its LRC; None where it is none."""
    try:
        message = bytes.fromhex(digits.decode("ascii"))
    except ValueError:
        return None
    return message if len(message) >= 4 and lrc(message[:-1]) == message[-1:] else None


def _answers(message: bytes, request: ReadRequest) -> bool:
    """Whether unit, function and length are those of an answer or a refusal of the request."""
    head, length = message[:3], len(message)
    is_answer = head == bytes([request.unit, request.function, request.data_bytes])
    if is_answer and length == request.data_bytes + 4:
        return True
    return head[:2] == bytes([request.unit, request.function | EXCEPTION_BIT]) and length == 4


def _crc_table() -> tuple[int, ...]:
    """CRC-16 of each byte: polynomial 0x8005, reflected."""
    table = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)
        table.append(value)
    return tuple(table)


_CRC_TABLE: Final = _crc_table()


def crc(message: bytes | bytearray) -> bytes:
    """The CRC-16 of Modbus RTU, as it is sent: low byte first."""
    value = 0xFFFF
    # A loop over at most 253 bytes: each step needs the one before.
    for byte in message:
        value = value >> 8 ^ _CRC_TABLE[(value ^ byte) & 0xFF]
    return bytes((value & 0xFF, value >> 8))


def lrc(message: bytes) -> bytes:
    """The longitudinal check of Modbus ASCII: what makes the sum of all bytes zero."""
    return bytes([-sum(message) & 0xFF])
