"""One connection: sends requests and finds their answers, whatever the framing and the transport are.

Between :mod:`collectors.modbus.bus`, which decides whose turn it is, and :mod:`collectors.modbus.framing`.  A lost
connection fails what waits at once; answers that come too late find nobody waiting and are thrown away.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import Final, NamedTuple, cast

from collectors.modbus.framing import AsciiFraming, Framing, FramingError, RtuFraming, TcpFraming
from collectors.modbus.request import ReadRequest
from collectors.modbus.transport import AnyProtocol, Endpoint, open_transport, reason_of
from historian.config.settings import ModbusTls
from historian.model.clock import US_PER_S, Clock
from historian.model.status import BAD_COMMUNICATION_ERROR, BAD_NO_COMMUNICATION, BAD_TIMEOUT

FRAMINGS: Final[dict[str, Callable[[], Framing]]] = {"tcp": TcpFraming, "rtu": RtuFraming, "ascii": AsciiFraming}

LAST_TRANSACTION: Final = 0xFFFF

CONNECTION_LOST: Final = "the connection was lost"


class LinkError(Exception):
    """There is no connection, or no answer: the reason in words, and the status of what was asked for."""

    def __init__(self, reason: str, status: int) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status


class NoAnswerError(LinkError):
    """The connection is there, and the unit does not answer, or not in time."""


class Received(NamedTuple):
    """An answer as it came: function code and what follows, and the time half way between request and answer.

    ``time_us`` is microseconds since 1970 UTC by the clock as it is behind the answer: it may have been set meanwhile.
    """

    pdu: bytes
    time_us: int


class Link(AnyProtocol):
    """A connection to ``endpoint``; open it once, and make another after it was closed or lost."""

    def __init__(self, endpoint: Endpoint, tls: ModbusTls | None, clock: Clock) -> None:
        self._endpoint = endpoint
        self._tls = tls
        self._clock = clock
        self._framing = FRAMINGS[endpoint.framing]()
        self._transport: asyncio.BaseTransport | None = None
        self._received = bytearray()
        self._waiting: dict[int, ReadRequest] = {}
        self._answers: dict[int, asyncio.Future[tuple[bytes, int, int]]] = {}
        self._transaction = 0
        self._lost = ""
        self.bytes_received = 0

    @property
    def is_open(self) -> bool:
        """Whether requests can be sent."""
        return self._transport is not None and not self._transport.is_closing()

    @property
    def is_numbered(self) -> bool:
        """Whether answers carry the number of their request."""
        return self._framing.is_numbered

    @property
    def has_leftover(self) -> bool:
        """Whether there is something that nobody asked for."""
        return bool(self._received)

    def another(self) -> Link:
        """A connection to the same endpoint, not open."""
        return Link(self._endpoint, self._tls, self._clock)

    async def open(self, timeout_us: int) -> None:
        """Connect.  Raises LinkError with the system's reason."""
        try:
            async with asyncio.timeout(timeout_us / US_PER_S):
                transport = await open_transport(self._endpoint, self._tls, self)
        except TimeoutError:
            raise LinkError(f"no answer within {timeout_us / US_PER_S:g} s", BAD_TIMEOUT) from None
        except (OSError, UnicodeError) as error:
            raise LinkError(reason_of(error), BAD_NO_COMMUNICATION) from error
        self._transport = transport

    async def exchange(self, request: ReadRequest, timeout_us: int) -> Received:
        """Send a request and wait for its answer.  Raises LinkError, NoAnswerError when the time is over."""
        transport = self._transport
        if transport is None or transport.is_closing():
            raise LinkError(self._lost or CONNECTION_LOST, BAD_NO_COMMUNICATION)
        loop = asyncio.get_running_loop()
        transaction = self._next_transaction()
        answer = self._answers[transaction] = loop.create_future()
        self._waiting[transaction] = request
        strays = self._framing.strays
        timer = loop.call_later(timeout_us / US_PER_S, _give_up, answer)
        try:
            sent_us = self._clock.monotonic_us()
            self._send(self._framing.encode(request, transaction))
            pdu, received_us, wall_us = await answer
        except TimeoutError:
            raise NoAnswerError(self._silence(timeout_us, strays), BAD_TIMEOUT) from None
        finally:
            timer.cancel()
            self._waiting.pop(transaction, None)
            self._answers.pop(transaction, None)
        return Received(pdu, wall_us - (received_us - sent_us) // 2)

    async def settle(self, quiet_us: int, limit_us: int) -> None:
        """Wait until nothing has come for ``quiet_us``, ``limit_us`` at the most, and throw away what did come."""
        seen, waited_us = -1, 0
        while seen != self.bytes_received and waited_us < limit_us:
            seen = self.bytes_received
            await asyncio.sleep(quiet_us / US_PER_S)
            waited_us += quiet_us
        self._received.clear()

    def close(self) -> None:
        """Drop the connection; what waits fails.  Never raises."""
        transport, self._transport = self._transport, None
        if transport is not None:
            cast("asyncio.WriteTransport", transport).abort()
        self._fail("the connection was closed", BAD_NO_COMMUNICATION)

    def _send(self, frame: bytes) -> None:
        # Not by the transport's class: that of datagrams was no DatagramTransport before Python 3.12.
        if self._endpoint.transport == "udp":
            cast("asyncio.DatagramTransport", self._transport).sendto(frame)
        else:
            cast("asyncio.WriteTransport", self._transport).write(frame)

    def _next_transaction(self) -> int:
        self._transaction = self._transaction % LAST_TRANSACTION + 1
        return self._transaction

    def _silence(self, timeout_us: int, strays: int) -> str:
        """Why there is no answer, with what came instead."""
        reason = f"no answer within {timeout_us / US_PER_S:g} s"
        others = self._framing.strays - strays
        if others:
            return f"{reason}; {others} that came {'was' if others == 1 else 'were'} none to this request"
        return f"{reason}; {len(self._received)} bytes of something came" if self._received else reason

    def _fail(self, reason: str, status: int) -> None:
        """Everything that waits gets no answer any more."""
        self._lost = reason
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(LinkError(reason, status))
                answer.exception()  # so that asyncio does not complain when who waited is gone

    def _deliver(self) -> None:
        try:
            for transaction, pdu in self._framing.match(self._received, self._waiting):
                del self._waiting[transaction]
                answer = self._answers[transaction]
                if not answer.done():
                    answer.set_result((pdu, self._clock.monotonic_us(), self._clock.wall_us()))
        except FramingError as error:
            self._fail(f"it sent {error}", BAD_COMMUNICATION_ERROR)
            self.close()

    # -- what asyncio calls --------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:  # noqa: D102 - asyncio's own, as are the next
        self.bytes_received += len(data)
        self._received += data
        self._deliver()

    def datagram_received(self, data: bytes, addr: object) -> None:  # noqa: ARG002, D102 - as above
        # Each datagram is a frame of its own: the rest of another must not be taken for the beginning of this one.
        self._received[:] = data
        self.bytes_received += len(data)
        self._deliver()
        self._received.clear()

    def error_received(self, exc: Exception) -> None:  # noqa: D102 - as above
        reason = reason_of(exc) if isinstance(exc, OSError) else str(exc)
        self._fail(reason, BAD_NO_COMMUNICATION)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: D102 - as above
        self._transport = None
        # A device tells only after TLS is agreed on that it does not want us.
        self._fail(reason_of(exc) if isinstance(exc, ssl.SSLError) else CONNECTION_LOST, BAD_NO_COMMUNICATION)


def _give_up(answer: asyncio.Future[tuple[bytes, int, int]]) -> None:
    if not answer.done():
        answer.set_exception(TimeoutError())
