"""What keeps an archive small and quick over the years: compaction, retention, and the end of retired files.

:class:`storage.store.Store` has one; one thing is done at a time.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import AbstractContextManager, closing
from dataclasses import replace
from pathlib import Path
from typing import Final

from historian.config.settings import CompactionSettings, RetentionSettings
from historian.errors import CorruptionError, StoreFullError, StoreNotFoundError, StoreVersionError
from storage import averages, catalogue, health, names, schema, steps
from storage.compaction import Compactor, ConflictError
from storage.compaction_report import CompactionReport
from storage.compaction_write import ArchiveWriter, remove_retired
from storage.database import connect_reader, explained, transaction
from storage.files import ArchiveFolder
from storage.intents import Intents
from storage.pace import Pace, StoppedError
from storage.retention import Retainer, RetentionReport

GRACE_US: Final = 600_000_000
"""So long after a file was retired it is removed: readers that found it before may still be reading."""

COMPACTION: Final = "compaction"
"""Name of compaction's figures among the health figures."""


def plan_at(
    folder: Path, time_us: int, compaction: CompactionSettings, retention: RetentionSettings
) -> tuple[CompactionReport, RetentionReport]:
    """What compaction and retention would do at ``time_us`` with the store in ``folder``; takes no lock.

    Raises StoreNotFoundError, StoreVersionError for a store of an older version, CorruptionError.
    """
    database = folder.absolute() / names.DATABASE
    if not database.exists():
        raise StoreNotFoundError(f"cannot open the store {folder}: there is none; start collecting, which makes it")
    with explained(database, f"read the store {folder}"), closing(connect_reader(database)) as connection:
        if schema.check(connection, database) < schema.EDITS_SINCE:
            raise StoreVersionError(
                f"cannot plan for the store {folder}: it has an older format; any command that writes to it, and "
                "historian collect, bring it up to date"
            )
        turn = threading.RLock()
        intents = Intents(connection, database, ArchiveFolder(folder.absolute() / names.ARCHIVE), turn)
        upkeep = Upkeep(connection, database, turn, intents)
        plan = upkeep.plan(time_us, compaction, everything=True)
        return plan, upkeep.retain(time_us, retention, dry_run=True, share=1.0)


class Upkeep:
    """Looks after one store.  ``turn`` gives its holder the connection; it is held for short transactions only."""

    def __init__(
        self, connection: sqlite3.Connection, database: Path, turn: AbstractContextManager[object], intents: Intents
    ) -> None:
        self._connection = connection
        self._database = database
        self._turn = turn
        self._intents = intents
        self._pace = Pace()
        self._closed = False
        self._wanted = threading.Event()
        self._noted = False
        self._one_at_a_time = threading.Lock()

    def compact(
        self, time_us: int, settings: CompactionSettings, *, everything: bool, share: float
    ) -> CompactionReport:
        """See :meth:`storage.store.Store.compact`."""
        with self._one_at_a_time:
            started = time.perf_counter()
            report = self._compactor(share).run(time_us, settings, everything=everything)
            report = replace(report, removed=len(self.remove_retired(time_us)))
            if report.jobs or report.errors or not self._noted:
                self._note(report.as_figures(time_us, time.perf_counter() - started))
        return report

    def _note(self, figures: dict[str, object]) -> None:
        with self._turn, transaction(self._connection, self._database, "note what compaction did"):
            health.replace(self._connection, {COMPACTION: figures})
        self._noted = True

    def plan(self, time_us: int, settings: CompactionSettings, *, everything: bool) -> CompactionReport:
        """See :meth:`storage.store.Store.plan_compaction`."""
        return self._compactor(1.0).plan(time_us, settings, everything=everything)

    def retain(self, time_us: int, settings: RetentionSettings, *, dry_run: bool, share: float) -> RetentionReport:
        """See :meth:`storage.store.Store.retain`."""
        with self._one_at_a_time:
            writer = ArchiveWriter(self._intents.folder, step="retention")
            retainer = Retainer(
                self._connection, self._database, self._turn, self._intents, writer, self._new_pace(share)
            )
            try:
                return retainer.run(time_us, settings, dry_run=dry_run)
            except (ConflictError, CorruptionError, StoreFullError) as error:
                return RetentionReport(errors=(str(error),))
            except StoppedError:
                return RetentionReport(errors=("the store was closed before old samples had gone; nothing has gone",))

    def _new_pace(self, share: float) -> Pace:
        self._pace = Pace(share)
        if self._closed:
            self._pace.stop()
        return self._pace

    def _compactor(self, share: float) -> Compactor:
        writer = ArchiveWriter(self._intents.folder)
        return Compactor(self._connection, self._database, self._turn, self._intents, writer, self._new_pace(share))

    def remove_retired(self, time_us: int) -> tuple[str, ...]:
        """Remove the files that were retired long enough before ``time_us``; their paths."""
        with self._turn, explained(self._database, "read the catalogue"):
            old = catalogue.retired(self._connection, time_us - GRACE_US)
        with explained(self._intents.folder.root, "remove retired files of the archive"):
            gone = remove_retired(self._intents.folder, old)
        if gone:
            steps.reached("retired files: removed")
            with self._turn, transaction(self._connection, self._database, "forget retired files"):
                catalogue.forget(self._connection, [number for number, _ in gone])
            steps.reached("retired files: forgotten")
        return tuple(path for _, path in [*gone, *self._remove_retired_averages(time_us)])

    def _remove_retired_averages(self, time_us: int) -> list[tuple[int, str]]:
        with self._turn, explained(self._database, "read the catalogue"):
            old = averages.retired(self._connection, time_us - GRACE_US)
        with explained(self._intents.folder.root, "remove retired averages"):
            gone = remove_retired(self._intents.folder, old)
        if gone:
            with self._turn, transaction(self._connection, self._database, "forget retired averages"):
                averages.forget(self._connection, [number for number, _ in gone])
        return gone

    def ask(self) -> None:
        """Let who waits in :meth:`wait` do everything that can be done, now."""
        self._wanted.set()

    def wait(self, seconds: float) -> bool | None:
        """Wait until it is time to look again: True when somebody asked for it, None when the store closes."""
        asked = self._wanted.wait(seconds)
        if self._closed:
            return None
        self._wanted.clear()
        return asked

    def close(self) -> None:
        """Let what is under way end at its next step, and begin nothing more; returns when it has ended."""
        self._closed = True
        self._pace.stop()
        self._wanted.set()
        with self._one_at_a_time:
            return
