"""One Modbus TCP connection that can only read: everything that is known here about pymodbus.

Between the driver, which knows blocks and lanes, and pymodbus, which does the framing and the transactions.  What this
adds to pymodbus: a lost connection fails the pending request at once, answers are checked against the request that they
belong to (transaction, unit, function, length), registers stay bytes instead of becoming a list of integers, and the
reason of a failed connection is not lost.  Reading is all that :class:`ReadRequest` can say.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import struct
from enum import IntEnum
from typing import Final, NamedTuple

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ConnectionException, ModbusException
from pymodbus.pdu import DecodePDU, ModbusPDU

from historian.config.settings import ModbusSource
from historian.errors import SourceUnavailableError
from historian.model.clock import US_PER_S, Clock
from historian.model.status import (
    BAD_COMMUNICATION_ERROR,
    BAD_CONFIGURATION_ERROR,
    BAD_DECODING_ERROR,
    BAD_DEVICE_FAILURE,
    BAD_NO_COMMUNICATION,
    BAD_OUT_OF_SERVICE,
    BAD_TIMEOUT,
    GOOD,
)

if logging.getLogger("pymodbus").level == logging.NOTSET:
    # The library logs a warning for what it also tells us; everything it knows reaches the caller as an error instead.
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)

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

_EXCEPTION_BIT: Final = 0x80


class Function(IntEnum):
    """The four functions that read data, and no others."""

    READ_COILS = 1
    READ_DISCRETE_INPUTS = 2
    READ_HOLDING_REGISTERS = 3
    READ_INPUT_REGISTERS = 4


class ReadRequest(ModbusPDU):
    """A request to read ``count`` bits or registers from ``address`` on.

    ``Function(...)`` refuses every code that is not a read, so that no request that writes can be made.
    """

    def __init__(self, function: Function, address: int, count: int, unit: int) -> None:
        super().__init__(dev_id=unit, address=address, count=count)
        self.function_code = int(Function(function))

    def encode(self) -> bytes:
        """Address and quantity, as all four functions have them."""
        return struct.pack(">HH", self.address, self.count)


class RawAnswer(ModbusPDU):
    """An answer as it came: the function code, and the bytes behind it."""

    payload = b""


class AnswerDecoder(DecodePDU):
    """Takes every frame for an answer and never fails: an exception here would end in asyncio's log, not with us."""

    def __init__(self) -> None:
        super().__init__(False)

    def decode(self, frame: bytes) -> RawAnswer:
        """Function code and payload; the checks need the request and come later."""
        answer = RawAnswer()
        answer.function_code = frame[0]
        answer.payload = frame[1:]
        return answer


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


class ModbusConnection:
    """A connection to one device, one request at a time, in the order in which they are asked for."""

    def __init__(self, source: ModbusSource, clock: Clock) -> None:
        self._source = source
        self._clock = clock
        self._client: AsyncModbusTcpClient | None = None
        self._turn = asyncio.Lock()

    async def open(self) -> None:
        """Connect anew, whatever there was.  Raises SourceUnavailableError with the system's reason."""
        await self.close()
        timeout_s = self._source.timeout_us / US_PER_S
        client = self._client = self._new_client(timeout_s)
        try:
            # Not client.connect(): it turns every error into False, and a person needs to know which it was.
            await asyncio.wait_for(client.ctx.call_create(), timeout_s)
        except TimeoutError:
            raise self._unavailable("connect to", f"no answer within {timeout_s:g} s", BAD_TIMEOUT) from None
        except (OSError, UnicodeError) as error:
            raise self._unavailable("connect to", _reason(error), BAD_NO_COMMUNICATION) from error
        finally:
            if not client.connected:
                await self._drop(client)

    def _new_client(self, timeout_s: float) -> AsyncModbusTcpClient:
        """A client for one connection that neither repeats requests nor connects again by itself."""
        client = AsyncModbusTcpClient(
            self._source.host, port=self._source.port, timeout=timeout_s, retries=0, reconnect_delay=0,
            trace_connect=lambda connected: None if connected else _fail_request(client),
        )  # fmt: skip
        client.ctx.framer.decoder = AnswerDecoder()
        return client

    async def ask(self, function: Function, address: int, count: int) -> Answer:
        """Read ``count`` registers or bits.

        A refusal or rubbish is an Answer with a Bad status.  Raises SourceUnavailableError when there is no connection
        or no answer in time; the connection is closed then, so that an answer that comes late is nobody's.
        """
        request = ReadRequest(function, address, count, self._source.unit)
        async with self._turn:
            sent_us, started_us = self._clock.wall_us(), self._clock.monotonic_us()
            answer = await self._exchange(request)
            took_us = self._clock.monotonic_us() - started_us
            time_us = (sent_us + self._clock.wall_us()) // 2
        return check_answer(request, answer, time_us)._replace(took_us=took_us)

    async def close(self) -> None:
        """Drop the connection; a request that waits fails.  Never raises."""
        if self._client is not None:
            await self._drop(self._client)

    async def _exchange(self, request: ReadRequest) -> ModbusPDU:
        client = self._client
        if client is None or not client.connected:
            raise self._unavailable("read", "there is no connection", BAD_NO_COMMUNICATION)
        try:
            return await client.ctx.execute(False, request)
        except ConnectionException:
            await self._drop(client)
            raise self._unavailable("read", "the connection was lost", BAD_NO_COMMUNICATION) from None
        except ModbusException:
            await self._drop(client)
            reason = f"no answer within {self._source.timeout_us / US_PER_S:g} s"
            raise self._unavailable("read", reason, BAD_TIMEOUT) from None

    async def _drop(self, client: AsyncModbusTcpClient) -> None:
        """Close one client, which may no longer be the current one."""
        if self._client is client:
            self._client = None
        transport = client.ctx.transport
        client.close()
        _fail_request(client)
        if isinstance(transport, asyncio.WriteTransport):
            transport.abort()
        await asyncio.sleep(0)  # one turn of the loop, in which asyncio closes the socket

    def _unavailable(self, action: str, reason: str, status: int) -> SourceUnavailableError:
        source = self._source
        return SourceUnavailableError(
            f"cannot {action} source {source.name!r} at {source.host}:{source.port}, unit {source.unit}: {reason};"
            " wanted a Modbus TCP device there, check that it is switched on and reachable",
            status,
        )


def _fail_request(client: AsyncModbusTcpClient) -> None:
    """Fail the request that waits for an answer; pymodbus leaves it to its time-out when the connection is lost."""
    answer = client.ctx.response_future
    if not answer.done():
        answer.set_exception(ConnectionException("connection lost"))
        answer.exception()  # so that asyncio does not complain where no request was waiting


def _reason(error: OSError | UnicodeError) -> str:
    """Why connecting failed, in words; asyncio's own text only repeats the address."""
    if isinstance(error, ConnectionRefusedError):
        return "the connection was refused"
    if isinstance(error, UnicodeError):
        return "the host name is not one"
    if isinstance(error, socket.gaierror):
        return f"the host name cannot be resolved ({error.strerror})"
    return os.strerror(error.errno) if error.errno else str(error)


def check_answer(request: ReadRequest, answer: ModbusPDU, time_us: int = 0) -> Answer:
    """The answer's data if it is one to this request and as long as it must be, else its Bad status.

    pymodbus lets pass: a transaction number 0, any unit when 0 was asked, other functions, and wrong lengths.
    """
    same = (answer.transaction_id, answer.dev_id) == (request.transaction_id, request.dev_id)
    if not same or not isinstance(answer, RawAnswer):
        return Answer(b"", BAD_COMMUNICATION_ERROR, time_us=time_us)
    if answer.function_code == request.function_code:
        data = _exact_data(request, answer.payload)
        return Answer(b"", BAD_DECODING_ERROR, time_us=time_us) if data is None else Answer(data, time_us=time_us)
    if answer.function_code == request.function_code | _EXCEPTION_BIT and len(answer.payload) == 1:
        code = answer.payload[0]
        return Answer(b"", EXCEPTION_STATUS.get(code, OTHER_EXCEPTION_STATUS), code, time_us)
    return Answer(b"", BAD_COMMUNICATION_ERROR, time_us=time_us)


def _exact_data(request: ReadRequest, payload: bytes) -> bytes | None:
    """What follows the byte count, if both are as the request wants them."""
    is_bits = request.function_code <= Function.READ_DISCRETE_INPUTS
    wanted = (request.count + 7) // 8 if is_bits else 2 * request.count
    return payload[1:] if len(payload) == wanted + 1 and payload[0] == wanted else None
