"""Compaction and retention beside collecting: a thread of its own, in small steps, at the lowest priority there is."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from cli.bound_watch import BoundWatch, look_safely
from historian.config.settings import Configuration
from historian.errors import HistorianError
from historian.model.clock import US_PER_S
from storage.pace import lower_priority
from storage.store import Store

LOOK_S: Final = 60.0
"""Between two looks at what is due, which cost a millisecond."""

FIRST_LOOK_S: Final = 10.0
"""The start has enough to do."""

RETENTION_US: Final = 3600 * US_PER_S
"""Retention changes once a day; it is looked at this often."""


class UpkeepWorker:
    """Keeps the archive of a store that is being collected into small.  ``now_us`` tells the time."""

    def __init__(
        self, store: Store, configuration: Configuration, now_us: Callable[[], int], say: Callable[[str], None]
    ) -> None:
        self._store = store
        self._configuration = configuration
        self._now_us = now_us
        self._say = say
        self._error = ""
        self._bound = BoundWatch(store, configuration.shadow, say)
        self._bound_error = ""
        self._retention_due_us = 0
        # Not a daemon: what it has begun to write is taken back in order when it is stopped.
        self._thread = threading.Thread(target=self._run, name="upkeep")

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """End what is under way at its next step, within a second or so; may be called twice."""
        self._store.end_upkeep()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        lower_priority()
        asked = self._store.wait_for_upkeep(FIRST_LOOK_S)
        while asked is not None:
            self.look(asked=asked)
            asked = self._store.wait_for_upkeep(LOOK_S)

    def look(self, *, asked: bool) -> None:
        """Do what is due; ``asked``: everything, now.  Whatever fails, collecting goes on and it is tried again."""
        settings = self._configuration.compaction
        now_us = self._now_us()
        try:
            if settings.enabled or asked:
                report = self._store.compact(now_us, settings, everything=asked, share=settings.share)
                self._note(report.errors)
            retention = self._configuration.retention
            if retention.is_on and (asked or now_us >= self._retention_due_us):
                self._retention_due_us = now_us + RETENTION_US
                self._note(self._store.retain(now_us, retention, share=settings.share).errors)
        except HistorianError as error:
            self._note((str(error),))
        self._look_at_bound(now_us, asked=asked)

    def _look_at_bound(self, now_us: int, *, asked: bool) -> None:
        error = look_safely(self._bound, now_us, asked=asked)
        if error and error != self._bound_error:
            self._say(f"raw samples could not be compared with stored ones, this is tried again: {error}")
        self._bound_error = error

    def _note(self, errors: tuple[str, ...]) -> None:
        """Say each trouble once."""
        if errors and errors[-1] != self._error:
            self._error = errors[-1]
            self._say(f"the archive could not be compacted, this is tried again: {errors[-1]}")
