"""The sink of the sources in a worker: the way to the main process.  Implements :class:`collectors.sink.Sink`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from collectors.source_log import log
from collectors.workers.channel import Channel
from collectors.workers.messages import Happened, LateTaken, Noted, TypesTold
from historian.model.clock import Clock
from historian.model.scan import LateValues, Scan
from historian.model.status import BAD_RESOURCE_UNAVAILABLE
from historian.model.tag import ValueType

MOST_WAITING_BYTES: Final = 64 << 20
"""So much may wait for a main process that takes nothing: half an hour of a thousand values a second.  Then collection
pauses, the gap is marked, and it goes on when half of that has been taken."""


class RemoteSink:
    """Sends everything through ``channel``, of the worker ``name``; no more than ``limit_bytes`` wait in it."""

    def __init__(self, channel: Channel, clock: Clock, name: str, limit_bytes: int = MOST_WAITING_BYTES) -> None:
        self._channel = channel
        self._clock = clock
        self._name = name
        self._limit_bytes = limit_bytes
        self._lanes: dict[int, int] = {}
        self._is_paused = False
        self._late_sent = 0
        self._late = LateTaken(0, 0)

    @property
    def has_room(self) -> bool:
        """Whether no more waits than half of what may."""
        return self._channel.waiting_bytes <= self._limit_bytes // 2

    def accept(self, scan: Scan) -> None:
        """Send one scan, unless too much waits already."""
        self._lanes[scan.group] = len(scan)
        if self._is_paused and not self.has_room:
            return
        if self._is_paused:
            self._is_paused = False
            self._say("resumed", "the main process takes samples again: collection goes on")
        self._channel.send(scan)
        if self._channel.waiting_bytes > self._limit_bytes:
            self._pause()

    def _pause(self) -> None:
        """The gap begins in every tag, and the audit tells why."""
        self._is_paused = True
        now_us = self._clock.wall_us()
        for group, count in self._lanes.items():
            self._channel.send(Scan.unanswered(group, count, now_us, BAD_RESOURCE_UNAVAILABLE))
        waiting = f"{self._limit_bytes >> 20} MiB of samples"
        self._say("paused", f"{waiting} wait for the main process: collection pauses meanwhile")

    def _say(self, kind: str, text: str) -> None:
        log.warning("%s: %s", self._name, text)
        self.event(kind, self._name, text)

    def accept_late(self, late: LateValues) -> None:
        """Send values of the past; whoever brings them minds how many wait."""
        self._late_sent += len(late)
        self._channel.send(late)

    @property
    def late_waiting(self) -> int:
        """So many of those are not stored yet, as far as is known here."""
        return self._late.waiting + self._late_sent - self._late.taken

    def note_late(self, late: LateTaken) -> None:
        """The main process tells how far it is with them."""
        self._late = late

    def types_resolved(self, types: Mapping[str, ValueType]) -> None:
        """Send the types a device has told."""
        if types:
            self._channel.send(TypesTold(dict(types)))

    def event(self, kind: str, object_: str, text: str) -> None:
        """Send something for the audit."""
        self._channel.send(Happened(kind, object_, text))

    def remember(self, source: str, key: str, note: str) -> None:
        """Send something that a driver wants to know again after a restart."""
        self._channel.send(Noted(source, key, note))
