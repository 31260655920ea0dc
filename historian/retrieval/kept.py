"""A DuckDB connection that outlives a query, so that a warm query costs its own time and not that of making views.

Making one takes some 40 ms.  What the store gives is the same object as before while it has not changed
(:class:`storage.reader.StoreReader`), which is how one sees what must be registered anew: while a process collects, the
recent and the newest samples; after a flush there are other files, which a locked connection may not read, and a new
connection is made.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from historian.errors import QueryError
from historian.retrieval.connection import connect, register
from historian.retrieval.functions.bind import Answered
from historian.retrieval.functions.reading import Readings
from historian.retrieval.views import judged_status, register_changes
from storage.reader import StoreSnapshot


class KeptConnection:
    """Lends a connection over a snapshot; keeps it for the next query.  May be used from several threads."""

    def __init__(self, time_zone: str, readings: Readings) -> None:
        self._time_zone = time_zone
        self._readings = readings
        self._turn = threading.Lock()
        self._kept: tuple[duckdb.DuckDBPyConnection, Answered, str] | None = None

    @contextmanager
    def lend(self, snapshot: StoreSnapshot) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection as :func:`historian.retrieval.connection.connect` makes, for one query at a time.

        A thread that comes while another asks gets one of its own, which is closed behind it.  Raises what making a
        connection raises.
        """
        if not self._turn.acquire(blocking=False):
            connection, _ = self._make(snapshot)
            try:
                yield connection
            finally:
                connection.close()
            return
        try:
            yield self._over(snapshot)
        except QueryError:
            raise
        except BaseException:
            # DuckDB may have failed inside, or a file of the archive has gone: not to be relied on any more.
            self._forget()
            raise
        finally:
            self._turn.release()

    def _over(self, snapshot: StoreSnapshot) -> duckdb.DuckDBPyConnection:
        judged = judged_status(snapshot.health, time.time_ns() // 1000)
        if self._kept is not None and _reads_the_same(self._kept[1].snapshot, snapshot):
            connection, answered, judged_before = self._kept
            # Forgotten until all of it is in place, so that nothing half-way is ever asked.
            self._kept = None
            if answered.snapshot is not snapshot or judged != judged_before:
                register_changes(connection, answered.snapshot, snapshot, judged, register)
                answered.snapshot = snapshot
        else:
            self._forget()
            connection, answered = self._make(snapshot)
        self._kept = (connection, answered, judged)
        return connection

    def _make(self, snapshot: StoreSnapshot) -> tuple[duckdb.DuckDBPyConnection, Answered]:
        answered = Answered(snapshot, self._time_zone, readings=self._readings)
        return connect(snapshot, time_zone=self._time_zone, answered=answered), answered

    def close(self) -> None:
        """Let go of the connection; may be called twice."""
        with self._turn:
            self._forget()

    def _forget(self) -> None:
        if self._kept is not None:
            connection, self._kept = self._kept[0], None
            connection.close()


def _reads_the_same(before: StoreSnapshot, now: StoreSnapshot) -> bool:
    """The views' texts, and the files that may be read, hold for both."""
    return (
        before.files is now.files
        and before.tags is now.tags
        and before.edits is now.edits
        and before.averages == now.averages
        and bool(len(before.recent)) == bool(len(now.recent))
    )
