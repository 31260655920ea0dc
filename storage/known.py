"""What the store knows as the newest sample of each tag, for those who change history.

A tag that is being collected has its newest sample from the collector, which nothing here changes.  For any other tag
(imported, or nobody collects now) the newest sample that is stored is the current one.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

import numpy as np

from historian.model.commit import CurrentSamples
from historian.model.samples import BoolArray, Int32Array, Int64Array, Samples
from storage import current


@dataclass(frozen=True, slots=True)
class Known:
    """``idle``: the newest samples of tags that nobody collects, by tag_id.  ``live``: those of the running groups."""

    idle: CurrentSamples
    live: CurrentSamples

    def is_ahead(self, tag_id: Int32Array, time_us: Int64Array) -> BoolArray:
        """bool[n]: later than the newest sample of its tag, which is being collected."""
        if not len(self.live.samples):
            return np.zeros(len(tag_id), np.bool_)  # a bulk insert has millions to subtract one from
        return self._is_after(tag_id, time_us - 1)

    def is_unsettled(self, tag_id: Int32Array, time_us: Int64Array) -> BoolArray:
        """bool[n]: the newest sample of its tag, which is being collected, or later.

        An edit of these stays one: the collector says what the newest is, and may yet bring one of a later time.
        """
        return self._is_after(tag_id, time_us)

    def _is_after(self, tag_id: Int32Array, time_us: Int64Array) -> BoolArray:
        tags = self.live.samples.tag_id
        if not len(tags):
            return np.zeros(len(tag_id), np.bool_)
        places = np.minimum(np.searchsorted(tags, tag_id), len(tags) - 1)
        after: BoolArray = (tags[places] == tag_id) & (time_us >= self.live.samples.time_us[places])
        return after

    def idle_time_us(self, tag_id: int) -> int | None:
        """Time of the newest sample of a tag that nobody collects; None without one, and for a tag being collected."""
        rows = np.flatnonzero(self.idle.samples.tag_id == tag_id)
        if not len(rows) or tag_id in self.live.samples.tag_id:
            return None
        return int(self.idle.samples.time_us[rows[0]])

    def learn(self, connection: sqlite3.Connection, added: Samples) -> None:
        """Samples were added or changed: the newest of a tag that nobody collects become its current ones."""
        added = added.take(np.flatnonzero(~np.isin(added.tag_id, self.live.samples.tag_id)))
        order = np.lexsort((added.time_us, added.tag_id))
        is_last = np.append(added.tag_id[order][1:] != added.tag_id[order][:-1], [True])[: len(order)]
        newest = added.take(order[is_last])
        newest = newest.take(np.flatnonzero(self._is_news(newest)))
        if len(newest):
            chosen = current.newest(current.merge([self.idle, _as_current(newest)]))
            current.replace(connection, [(current.NO_GROUP, current.encode(chosen))])

    def _is_news(self, newest: Samples) -> BoolArray:
        """bool[n]: not older than what is known of its tag."""
        tags = self.idle.samples.tag_id
        if not len(tags):
            return np.ones(len(newest), np.bool_)
        places = np.minimum(np.searchsorted(tags, newest.tag_id), len(tags) - 1)
        news: BoolArray = (tags[places] != newest.tag_id) | (newest.time_us >= self.idle.samples.time_us[places])
        return news

    def forget(self, connection: sqlite3.Connection, tag_id: int, newest: Samples) -> None:
        """The newest samples of an idle tag were removed; ``newest`` is the one before them, or empty."""
        kept = current.take(self.idle, np.flatnonzero(self.idle.samples.tag_id != tag_id))
        chosen = current.newest(current.merge([kept, _as_current(newest)]))
        current.replace(connection, [(current.NO_GROUP, current.encode(chosen))])


def _as_current(samples: Samples) -> CurrentSamples:
    count = len(samples)
    return CurrentSamples(samples, np.ones(count, np.bool_), np.zeros(count, np.bool_), np.zeros(count, np.int64))


def read(connection: sqlite3.Connection) -> Known:
    """As of the connection's transaction."""
    groups = [(number, current.decode(number, blob)) for number, blob in current.read(connection)]
    idle = current.merge([group for number, group in groups if number == current.NO_GROUP])
    live = current.newest(current.merge([group for number, group in groups if number != current.NO_GROUP]))
    return Known(idle, live)
