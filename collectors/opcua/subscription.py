"""One group's subscription: what it has brought, as readings of all lanes in the order in which values changed.

A scan has one value of each lane.  Of several that came for one lane since the last fetch, each goes into a reading of
its own, the oldest first; lanes without a new value keep the one they have, which says that it still holds.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Final

import numpy as np

from collectors.driver import Reading
from collectors.opcua.data_values import DataValues, concatenated
from collectors.opcua.notification import Changes
from collectors.opcua.values import Columns, UInt64Array
from historian.config.settings import OpcUaSource
from historian.errors import SourceUnavailableError
from historian.model.clock import Clock
from historian.model.samples import BoolArray, IndexArray, Int64Array, UInt32Array
from historian.model.status import BAD_DATA_LOST, BAD_TIMEOUT, BAD_WAITING_FOR_INITIAL_DATA, GOOD, is_bad

OVERFLOW: Final = 0x0480
"""The InfoType DataValue and its bit Overflow (OPC 10000-4, 7.39.1): values before this one were lost at the server."""


class GroupSubscription:
    """Implements :class:`collectors.opcua.publishing.Subscriber`.

    ``missing`` uint32[n]: Good for lanes with an item, else why there is none.  ``silent_us``: without any word of the
    server for so long the data have stopped.
    """

    def __init__(
        self, source: OpcUaSource, clock: Clock, missing: UInt32Array, accepts: UInt64Array, silent_us: int
    ) -> None:
        self._source = source
        self._clock = clock
        self._silent_us = silent_us
        self._heard_us = clock.monotonic_us()
        waiting = np.where(missing == GOOD, np.uint32(BAD_WAITING_FOR_INITIAL_DATA), missing)
        self._columns = Columns(waiting, clock.wall_us(), source.timestamps, source.max_skew_us, accepts)
        self._expects: BoolArray = missing == GOOD
        self._changes: list[tuple[Changes, int]] = []
        self._waiting = 0
        self._lost = 0
        self._is_complete = asyncio.Event()
        self.is_broken = False
        self.status: int | None = None
        if not self._expects.any():
            self._is_complete.set()

    @property
    def waiting(self) -> int:
        """Values that nobody has fetched yet."""
        return self._waiting

    def heard(self) -> None:
        """The server has told something of it."""
        self._heard_us = self._clock.monotonic_us()

    def take(self, changes: Changes) -> None:
        """Values in the order in which they were reported."""
        known = changes.handle < len(self._expects)
        if not known.all():
            changes = Changes(changes.handle[known], changes.values.take(np.flatnonzero(known)))
        self._changes.append((changes, self._clock.wall_us()))
        self._waiting += len(changes.handle)
        self._expects[changes.handle] = False
        if not self._expects.any():
            self._is_complete.set()

    def lose(self) -> None:
        """A message was lost for good: every lane may have had a value in it, and has to be asked for anew."""
        self.is_broken = True

    def end(self, status: int) -> None:
        """The server has ended it."""
        self.status = status

    async def wait_for_initial(self, limit_s: float) -> None:
        """Return when every lane had its first value, or after so long."""
        try:
            async with asyncio.timeout(limit_s):
                await self._is_complete.wait()
        except TimeoutError:
            return

    def require_alive(self) -> None:
        """Raise SourceUnavailableError when the server has been silent for longer than it promised."""
        silent_us = self._clock.monotonic_us() - self._heard_us
        if silent_us > self._silent_us:
            raise SourceUnavailableError(
                f"cannot read from source {self._source.name!r} at {self._source.url}: its subscription has said "
                f"nothing for {silent_us / 1e6:.1f} s, not even that it is alive",
                BAD_TIMEOUT,
            )

    def fetch(self) -> Reading:
        """All that came since the last time: the newest of every lane, with the readings before it."""
        waiting, self._changes, self._waiting = self._changes, [], 0
        readings: list[Reading] = []
        if waiting:
            lanes = np.concatenate([changes.handle for changes, _ in waiting])
            values = concatenated([changes.values for changes, _ in waiting])
            arrival_us = np.repeat([at_us for _, at_us in waiting], [len(changes.handle) for changes, _ in waiting])
            turn = turns(lanes)
            for number in range(int(turn.max(initial=-1)) + 1):
                rows = np.flatnonzero(turn == number)
                readings += self._put(lanes[rows], values.take(rows), arrival_us[rows])
        newest = readings.pop() if readings else self._columns.reading()
        lost, self._lost = self._lost, 0
        return replace(newest, before=tuple(readings), lost=lost)

    def mark_loss(self) -> Reading:
        """A reading in which every lane that had a value says that data are missing from then on."""
        self._mark(np.flatnonzero(~is_bad(self._columns.status)))
        return self._columns.reading()

    @property
    def unlike(self) -> dict[int, int]:
        """By lane the kind of values that do not fit their tag."""
        return self._columns.unlike

    def _put(self, lanes: IndexArray, values: DataValues, arrival_us: Int64Array) -> list[Reading]:
        """One value for each of some lanes; where others were lost before it, the time in between is marked."""
        readings = []
        overflowed = lanes[(values.status & OVERFLOW) == OVERFLOW]
        self._lost += len(overflowed)
        if len(held := overflowed[~is_bad(self._columns.status[overflowed])]):
            self._mark(held)
            readings.append(self._columns.reading())
        self._columns.fill(lanes, values, arrival_us)
        return [*readings, self._columns.reading()]

    def _mark(self, lanes: IndexArray) -> None:
        self._columns.put_bad(lanes, self._columns.time_us[lanes] + 1, BAD_DATA_LOST)


def turns(lanes: IndexArray) -> Int64Array:
    """int64[m]: how many rows before this one have the same lane; ``lanes`` intp[m] in any order."""
    order = np.argsort(lanes, kind="stable")
    ordered = lanes[order]
    first = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if len(lanes) else np.empty(0, np.intp)
    lengths = np.diff(np.r_[first, len(lanes)])
    turn: Int64Array = np.empty(len(lanes), np.int64)
    turn[order] = np.arange(len(lanes)) - np.repeat(first, lengths)
    return turn
