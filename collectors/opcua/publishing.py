"""Publishing: requests that lie at the server until it has something to say, for all subscriptions of a session.

Answers are taken in the order in which they come.  A message that is missing is asked for again; one that the server
has no more is a loss, which the subscription marks.  While more values wait here than :data:`MOST_WAITING`, no request
is sent: then the server's own queues fill, and it says so by the overflow bit of a status.
"""

from __future__ import annotations

import asyncio
import struct
from typing import Final, Protocol

from asyncua.ua.uaerrors import UaStatusCodeError

from collectors.opcua.connection import Connection
from collectors.opcua.data_values import Decoder
from collectors.opcua.failures import log
from collectors.opcua.notification import Changes, Notification, decode_publish
from historian.errors import SourceUnavailableError
from historian.model.status import BAD_NO_COMMUNICATION, status_code, status_name

AT_THE_SERVER: Final = 3
"""Publish requests waiting there: one that is answered must not leave it without another."""

MOST_WAITING: Final = 1_000_000
"""Values that may wait to be fetched, about 40 MB."""

MOST_MISSING: Final = 100
"""Messages in a row that are asked for again; of more missing ones nobody knows what they were."""

LAST_SEQUENCE: Final = 2**32 - 1

_TOO_MANY: Final = status_code("BadTooManyPublishRequests")
_NO_SUBSCRIPTION: Final = status_code("BadNoSubscription")
_ASK_AGAIN: Final = frozenset(map(status_code, ("BadTimeout", "BadRequestTimeout", "BadRequestInterrupted")))


class Subscriber(Protocol):
    """One subscription, as the publisher knows it."""

    @property
    def waiting(self) -> int:
        """Values that nobody has fetched yet."""

    def heard(self) -> None:
        """The server has told something of it, be it that nothing has changed."""

    def take(self, changes: Changes) -> None:
        """Values in the order in which they were reported."""

    def lose(self) -> None:
        """A message was lost for good."""

    def end(self, status: int) -> None:
        """The server has ended it."""


class Publisher:
    """The publish requests of one session.  ``failure`` is why it has ended, if it did by itself."""

    def __init__(self, connection: Connection) -> None:
        self.failure: Exception | None = None
        self._connection = connection
        self._subscribers: dict[int, Subscriber] = {}
        self._expected: dict[int, int] = {}
        self._acknowledged: list[tuple[int, int]] = []
        self._answers: asyncio.Queue[asyncio.Task[bytes]] = asyncio.Queue()
        self._sent: set[asyncio.Task[bytes]] = set()
        self._most = AT_THE_SERVER
        self._forgiven = 0
        self._decoder = Decoder()
        self._task: asyncio.Task[None] | None = None

    def add(self, number: int, subscriber: Subscriber) -> None:
        """From now on ``subscriber`` is told what comes for subscription ``number``."""
        self._subscribers[number] = subscriber
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="OPC UA publishing")
        self.ask()

    async def restart(self) -> None:
        """Go on after the connection was lost and is there again, where it was: what is missing is asked for."""
        await self.stop()
        self._sent.clear()
        self._answers = asyncio.Queue()
        self.failure = None
        self._task = asyncio.create_task(self._run(), name="OPC UA publishing")
        for subscriber in self._subscribers.values():
            subscriber.heard()
        self.ask()

    def remove(self, number: int) -> None:
        """Let go of a subscription that is no more."""
        self._subscribers.pop(number, None)
        self._expected.pop(number, None)
        # With the last one of a session the requests that wait for it are sent back, by a slow server also those that
        # follow.  Where there is no subscription left in truth, all are sent back, and that is soon found.
        self._forgiven = len(self._sent) + AT_THE_SERVER

    def ask(self) -> None:
        """Send as many requests as are missing at the server, unless too much waits here."""
        if self.failure is not None or not self._subscribers:
            return
        if sum(each.waiting for each in self._subscribers.values()) > MOST_WAITING:
            return
        while len(self._sent) < self._most:
            acknowledged, self._acknowledged = self._acknowledged, []
            task = asyncio.create_task(self._connection.publish(_parameters(acknowledged)), name="OPC UA publish")
            self._sent.add(task)
            task.add_done_callback(self._answers.put_nowait)

    async def stop(self) -> None:
        """End, with all that is under way."""
        tasks = [*self._sent, *([self._task] if self._task else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self) -> None:
        try:
            while self.failure is None:
                answered = await self._answers.get()
                self._sent.discard(answered)
                await self._take(answered)
                self.ask()
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - last line of defence: whoever reads next is told
            self.failure = error

    async def _take(self, answered: asyncio.Task[bytes]) -> None:
        try:
            notification = decode_publish(answered.result(), self._decoder)
        except UaStatusCodeError as error:
            self._take_refusal(error)
            return
        subscriber = self._subscribers.get(notification.subscription)
        if subscriber is None:
            return  # of one that was deleted just now
        subscriber.heard()
        await self._catch_up(notification, subscriber)
        self._deliver(notification, subscriber)
        if not notification.is_keep_alive:
            self._acknowledged.append((notification.subscription, notification.sequence))

    def _take_refusal(self, error: UaStatusCodeError) -> None:
        if error.code == _TOO_MANY and self._most > 1:
            self._most -= 1
        elif error.code == _NO_SUBSCRIPTION and self._forgiven:
            self._forgiven -= 1
        elif error.code not in _ASK_AGAIN:
            raise error

    async def _catch_up(self, notification: Notification, subscriber: Subscriber) -> None:
        """Ask for the messages that are missing before this one."""
        number = notification.subscription
        expected = self._expected.get(number, notification.sequence)
        # Of a keep-alive it is the number of the next message (OPC 10000-4, 5.14.1.1).  Numbers go round, without 0.
        self._expected[number] = notification.sequence if notification.is_keep_alive else _next(notification.sequence)
        missing = range(expected, notification.sequence)
        if len(missing) > MOST_MISSING or notification.sequence < expected:
            subscriber.lose()
            return
        for sequence in missing:
            log.debug("subscription %d: asking again for message %d", number, sequence)
            message = await self._connection.republish(number, sequence, self._decoder)
            if message is None:
                subscriber.lose()
            else:
                self._deliver(message, subscriber)
                self._acknowledged.append((number, sequence))

    @staticmethod
    def _deliver(notification: Notification, subscriber: Subscriber) -> None:
        for changes in notification.changes:
            subscriber.take(changes)
        if notification.status is not None:
            subscriber.end(notification.status)


def _next(sequence: int) -> int:
    return sequence + 1 if sequence < LAST_SEQUENCE else 1


def _parameters(acknowledged: list[tuple[int, int]]) -> bytes:
    """PublishParameters as they are encoded."""
    numbers = [number for pair in acknowledged for number in pair]
    return struct.pack(f"<i{len(numbers)}I", len(acknowledged), *numbers)


def ended(name: str, status: int) -> SourceUnavailableError:
    """The server has ended a subscription of source ``name``."""
    text = f"cannot go on reading source {name!r}: the server has ended the subscription ({status_name(status)})"
    return SourceUnavailableError(text, BAD_NO_COMMUNICATION)


