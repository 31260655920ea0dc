"""When the buffer moves on: to the archive when it is due, and until then many small batches of it become one."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

from historian.config.settings import StoreSettings
from historian.errors import HistorianError
from storage import buffer, state
from storage.buffer_join import JOIN_BATCHES, BatchJoiner
from storage.database import explained
from storage.flush import Flusher, FlushReport

RETRY_US: Final = 10_000_000
"""What failed is due again only so much later, by the time of the commits: trying costs a file's worth of work."""

SETTLE_ROWS: Final = 10_000
"""Fewer samples of a command wait in the buffer for those of others, so that a file is worth making."""


class FlushSchedule:
    """The next thing to be done with one store's buffer; one caller at a time."""

    def __init__(self, flusher: Flusher, settings: StoreSettings) -> None:
        self.flusher = flusher
        self._settings = settings
        self._joiner = BatchJoiner(flusher.connection, flusher.database, flusher.turn)
        self._retry_us: int | None = None

    def run(self, refuse: Callable[[], None], *, force: bool) -> FlushReport | None:
        """See :meth:`storage.store.Store.flush`; ``refuse`` is called before anything is written."""
        is_due = force or self._is_due()
        parts = [] if is_due or self._is_put_off() else self._joiner.due()
        if not is_due and not parts:
            return None
        refuse()
        try:
            report = self.flusher.flush() if is_due else None
            if parts:
                self._joiner.join(parts)
        except HistorianError:
            self._retry_us = self._now_us() + RETRY_US
            raise
        self._retry_us = None
        return report if report and (report.files or report.tags_written) else None

    def settle(self) -> None:
        """See :meth:`storage.store.Store.settle`."""
        with self._turn, explained(self._database, "read the state of the buffer"):
            waiting = buffer.state(self._connection)
        if waiting.rows >= SETTLE_ROWS or waiting.batches >= JOIN_BATCHES:
            self.flusher.flush()
        else:
            self.flusher.write_tags()

    def _is_due(self) -> bool:
        with self._turn, explained(self._database, "read the state of the buffer"):
            waiting = buffer.state(self._connection)
        if waiting.oldest_us is None or self._is_put_off():
            return False
        age_us = self._now_us() - waiting.oldest_us
        return waiting.rows >= self._settings.flush_rows or age_us >= self._settings.flush_us

    def _is_put_off(self) -> bool:
        return self._retry_us is not None and self._now_us() < self._retry_us

    def _now_us(self) -> int:
        """By the clock of whoever commits."""
        with self._turn, explained(self._database, "read the state of the store"):
            return state.read(self._connection).last_commit_us or 0

    @property
    def _turn(self) -> AbstractContextManager[object]:
        return self.flusher.turn

    @property
    def _connection(self) -> sqlite3.Connection:
        return self.flusher.connection

    @property
    def _database(self) -> Path:
        return self.flusher.database
