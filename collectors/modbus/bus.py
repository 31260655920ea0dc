"""One connection and everybody who reads through it: whose turn it is, and what to do about units that do not answer.

Between :mod:`collectors.modbus.connection`, of which each source has one, and :mod:`collectors.modbus.link`.  Sources
with the same address share a bus: units behind a gateway, or on one serial line.  They take turns request by request,
so that a source with many requests does not hold up the others.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Final

from collectors.modbus.dead_time import DeadTime
from collectors.modbus.link import Link, LinkError, NoAnswerError, Received
from collectors.modbus.request import UNREACHABLE, Answer, ReadRequest, answer_of
from collectors.modbus.transport import Endpoint
from collectors.modbus.unit import UNREACHABLE_LIMIT, Unit
from historian.config.settings import ModbusSource, ModbusTls, SerialEndpoint
from historian.model.clock import US_PER_S, Clock
from historian.model.status import BAD_NO_COMMUNICATION

QUIET_US: Final = 30_000
"""After a time-out on a line whose answers have no number: silence of this length ends what may still be coming."""

MOST_QUIET_US: Final = 300_000
"""So long at the most is waited for silence; a line that babbles on is tried all the same."""

LATELY_US: Final = 5 * US_PER_S
"""Somebody who answered so lately is there, even if its source is just about to connect again."""

IN_VAIN: Final = 3
"""Requests in a row that nobody answers until the connection is made anew: it may hang, and not the units behind it."""

SILENT_CHARACTERS: Final = 3.5
LEAST_SILENCE_US: Final = 1_750
"""Silence between two RTU frames, and the least of it above 19,200 baud (Modbus over Serial Line 1.02, 2.5.1.1)."""


@dataclass(slots=True, eq=False)
class Member:
    """One source on a bus, and its requests that wait for their turn or are under way."""

    source: ModbusSource
    unit: Unit
    queue: deque[asyncio.Future[None]] = field(default_factory=deque)
    under_way: int = 0

    @property
    def has_room(self) -> bool:
        """Whether its device takes one more request."""
        return self.under_way < self.source.in_flight


class Bus:
    """The connection to ``endpoint``, open as long as it has members."""

    def __init__(self, endpoint: Endpoint, tls: ModbusTls | None, clock: Clock) -> None:
        self._endpoint = endpoint
        self._tls = tls
        self._clock = clock
        self._link: Link | None = None
        self._opening = asyncio.Lock()
        self._members: deque[Member] = deque()
        self._units: dict[int, Unit] = {}
        self._sounding: set[Member] = set()
        self._queued = self._under_way = self._in_vain = 0
        self._last_us = 0
        self._last_unit: Unit | None = None
        self._silence_us = frame_silence_us(endpoint)
        self.dead_time = DeadTime(clock.monotonic_us())
        self._answered_by: tuple[int, int] | None = None

    # -- joining and leaving -------------------------------------------------------------------------------------

    async def join(self, source: ModbusSource) -> Member:
        """Take part, and make the connection if it is not there.

        A unit that did not answer last time is asked once more, when the others have the time for it.  Raises
        LinkError when there is no connection or still no answer.
        """
        member = Member(source, self._units.setdefault(source.unit, Unit(source.unit)))
        self._members.append(member)
        try:
            await self._open(source)
            if member.unit.is_silent:
                await self._sound(member)
        except BaseException:
            self.leave(member)
            raise
        return member

    def leave(self, member: Member) -> None:
        """Take no more part; what waits for a turn fails.  The last one closes the connection."""
        if member not in self._members:
            return
        self._members.remove(member)
        self._queued -= len(member.queue)
        for turn in member.queue:
            if not turn.done():
                turn.set_exception(LinkError("the connection was closed", BAD_NO_COMMUNICATION))
        member.queue.clear()
        if not self._members and self._link is not None:
            self._link.close()
            self._link = None

    async def _open(self, source: ModbusSource) -> None:
        async with self._opening:
            if self._link is not None and self._link.is_open:
                return
            link = self._link = Link(self._endpoint, self._tls, self._clock)
            await link.open(source.timeout_us)
            if pause_us := max((member.source.connect_pause_us for member in self._members), default=0):
                await asyncio.sleep(pause_us / US_PER_S)

    # -- units that do not answer --------------------------------------------------------------------------------

    async def _sound(self, member: Member) -> None:
        """Ask a silent unit again; while others answer, only in their spare time and one at a time."""
        unit, now_us = member.unit, self._clock.monotonic_us()
        others = any(not each.unit.is_silent for each in self._members) or self._another_answered(unit, now_us)
        if others and (self._sounding or not self.dead_time.may_spend(now_us)):
            raise NoAnswerError(self._suspended(unit, now_us), unit.status)
        self._sounding.add(member)
        try:
            if unit.last_request is not None:
                await self.ask(member, unit.last_request)
        finally:
            self._sounding.discard(member)

    def _another_answered(self, unit: Unit, now_us: int) -> bool:
        """Whether another unit answered lately: it may only be away for a moment, to connect again."""
        if self._answered_by is None:
            return False
        number, answered_us = self._answered_by
        return number != unit.number and now_us - answered_us < LATELY_US

    def _suspended(self, unit: Unit, now_us: int) -> str:
        silent_s = (now_us - (unit.silent_since_us or now_us)) / US_PER_S
        wait_s = self.dead_time.earned_in_us(now_us) / US_PER_S
        return (
            f"no answer since {silent_s:.0f} s; others on this connection answer, so that it is asked again"
            f" {f'in {wait_s:.0f} s' if wait_s >= 1 else 'soon'}"
        )

    def _no_answer(self, member: Member, request: ReadRequest, status: int, waited_us: int) -> None:
        """The unit is silent from now on, and what was waited for it is on the account."""
        now_us = self._clock.monotonic_us()
        member.unit.fell_silent(request, status, now_us)
        self.dead_time.spend(waited_us, now_us)
        self._in_vain += 1
        if self._in_vain >= IN_VAIN and self._link is not None:
            self._link.close()
            self._in_vain = 0

    # -- requests ------------------------------------------------------------------------------------------------

    async def ask(self, member: Member, request: ReadRequest) -> Answer:
        """Send a request when it is its turn.  Raises LinkError when there is no connection or no answer in time."""
        await self._take_turn(member)
        try:
            unit = member.unit
            if unit.is_silent and member not in self._sounding:
                raise NoAnswerError("no answer to another request", unit.status)
            return await self._exchange(member, request)
        finally:
            self._last_us = self._clock.monotonic_us()
            self._last_unit = member.unit
            self._give_turn(member)

    async def _exchange(self, member: Member, request: ReadRequest) -> Answer:
        link = self._link
        if link is None:
            raise LinkError("there is no connection", BAD_NO_COMMUNICATION)
        if not link.is_numbered:
            await self._get_in_step(member, link, request)
        started_us = self._clock.monotonic_us()
        received = await self._attempt(member, link, request)
        took_us = self._clock.monotonic_us() - started_us
        self._in_vain = 0
        answer = answer_of(request, received.pdu)
        if answer.exception in UNREACHABLE:
            self._unreachable(member, request, answer, took_us)
        else:
            member.unit.answered()
            self._answered_by = member.unit.number, self._clock.monotonic_us()
        return answer._replace(time_us=received.time_us, took_us=took_us)

    def _unreachable(self, member: Member, request: ReadRequest, answer: Answer, took_us: int) -> None:
        """The gateway does not reach the unit: as good as no answer, once it has said so twice."""
        member.unit.unreachable += 1
        if member.unit.unreachable >= UNREACHABLE_LIMIT:
            self._no_answer(member, request, answer.status, took_us)
            raise NoAnswerError(f"the gateway does not reach it (exception {answer.exception})", answer.status)
        self.dead_time.spend(took_us, self._clock.monotonic_us())

    async def _attempt(self, member: Member, link: Link, request: ReadRequest) -> Received:
        """One request on the wire, after the pause that the line or the device wants."""
        if pause_us := max(member.source.request_pause_us, self._silence_us):
            await self._wait(self._last_us + pause_us - self._clock.monotonic_us())
        sent_us = self._clock.monotonic_us()
        try:
            return await link.exchange(request, member.source.timeout_us)
        except NoAnswerError as error:
            if not link.is_numbered:
                member.unit.missed(request)
                await link.settle(QUIET_US, MOST_QUIET_US)
            self._no_answer(member, request, error.status, self._clock.monotonic_us() - sent_us)
            raise
        except asyncio.CancelledError:
            if not link.is_numbered:
                member.unit.missed(request)
            raise

    async def _get_in_step(self, member: Member, link: Link, request: ReadRequest) -> None:
        """Before a request whose answer has no number: see to it that no older answer can be taken for its own."""
        if link.has_leftover and self._last_unit is not None:
            # An answer that came twice, or noise: nobody can tell what else is under way.
            self._last_unit.missed(request)
            await link.settle(QUIET_US, MOST_QUIET_US)
        if member.unit.is_out_of_step:
            await self._attempt(member, link, member.unit.sounding(request))
            member.unit.in_step()
            self._last_us = self._clock.monotonic_us()

    async def _wait(self, wait_us: int) -> None:
        if wait_us > 0:
            await asyncio.sleep(wait_us / US_PER_S)

    # -- turns ---------------------------------------------------------------------------------------------------

    async def _take_turn(self, member: Member) -> None:
        if not self._queued and member.has_room and self._under_way < self._most_under_way():
            self._under_way += 1
            member.under_way += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        member.queue.append(turn)
        self._queued += 1
        try:
            await turn
        except asyncio.CancelledError:
            if turn in member.queue:
                member.queue.remove(turn)
                self._queued -= 1
            elif not turn.cancelled():
                self._give_turn(member)
            raise

    def _give_turn(self, member: Member) -> None:
        """Done: the next member with a request that waits has its turn."""
        self._under_way -= 1
        member.under_way -= 1
        while self._queued and self._under_way < self._most_under_way() and (following := self._following()):
            turn = following.queue.popleft()
            self._queued -= 1
            if not turn.done():  # else who waited was cancelled, and has not noticed yet
                self._under_way += 1
                following.under_way += 1
                turn.set_result(None)

    def _following(self) -> Member | None:
        """Who is next: the members go round, so that each has as many turns as any other."""
        for _ in range(len(self._members)):
            member = self._members[0]
            self._members.rotate(-1)
            if member.queue and member.has_room:
                return member
        return None

    def _most_under_way(self) -> int:
        """So many requests may be under way on the connection: as many as its most able device takes."""
        if self._link is None or not self._link.is_numbered:
            return 1
        return max((member.source.in_flight for member in self._members), default=1)


def frame_silence_us(endpoint: Endpoint) -> int:
    """The silence that the line wants between two frames; 0 where frames have marks."""
    if isinstance(endpoint, SerialEndpoint) and endpoint.framing == "rtu":
        return int(max(SILENT_CHARACTERS * endpoint.character_us, LEAST_SILENCE_US))
    return 0


class Buses:
    """The buses of one process: sources with the same connection get the same one."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._buses: dict[Hashable, Bus] = {}

    def of(self, source: ModbusSource) -> Bus:
        """The bus of a source."""
        if source.connection not in self._buses:
            self._buses[source.connection] = Bus(source.endpoint, source.tls, self._clock)
        return self._buses[source.connection]
