"""The store against a plain dict: whatever is done in whatever order, both hold the same samples.

A crash is the object dropped without closing; the next start opens the folder again and recovers.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from pathlib import Path

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from conformance.store_data import SECOND, T0, Row, make_current, make_samples, make_tags
from conformance.store_suite import newest_rows, stored_rows
from historian.model.commit import Commit, CurrentSamples
from historian.model.status import BAD_SHUTDOWN, GOOD
from storage import steps
from storage.reader import StoreReader
from storage.store import Store

TAGS = 4

values = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(2**53 + 1, 2**64 - 1).filter(lambda number: int(float(number)) != number),
    st.text(max_size=5).filter(lambda text: "\x00" not in text),
    st.none(),
)

flush_steps = st.sampled_from([step for step in steps.STEPS if step.startswith("flush: ")])


class CrashError(BaseException):
    """The process ends here."""


class StoreMachine(RuleBasedStateMachine):
    """Each tag's samples come in the order of time, as from a collector; groups 0 and 1 hold two tags each."""

    def __init__(self) -> None:
        super().__init__()
        self.path = Path(tempfile.mkdtemp(prefix="store-model-")) / "store"
        self.stored: list[Row] = []
        self.held: dict[int, list[Row]] = {}
        self.newest: dict[int, Row] = {}
        self.live: set[int] = set()
        self.now_us = T0
        self.last_commit_us = T0
        self.run_open = False

    @initialize()
    def create(self) -> None:
        self.store = Store.open(self.path, create=True)
        self.store.register_tags(make_tags(TAGS), T0, "test")
        self.reader = StoreReader.open(self.path)

    def next_row(self, tag: int, value) -> Row:
        self.now_us += SECOND
        return (tag, self.now_us, value, 0x80310000 if value is None else GOOD)

    @rule(group=st.sampled_from([0, 1]), rows=st.lists(st.tuples(st.booleans(), values), max_size=4), data=st.data())
    def scan(self, group: int, rows, data) -> None:
        """New samples of a group: some are stored at once, those from some point on are held."""
        tags = [2 * group + 1, 2 * group + 2]
        stored: list[Row] = [row for tag in tags for row in self.held.pop(tag, [])]
        for is_first, value in rows:
            row = self.next_row(tags[0] if is_first else tags[1], value)
            self.newest[row[0]] = row
            if data.draw(st.booleans()) and row[0] not in self.held:
                stored.append(row)
            else:
                self.held.setdefault(row[0], []).append(row)
        self.commit([group], stored)

    def commit(self, groups: list[int], stored: list[Row], *, final: bool = False) -> None:
        current = {group: self.current_of([2 * group + 1, 2 * group + 2]) for group in groups}
        self.store.commit(Commit(self.now_us, make_samples(stored), current), final=final)
        self.stored += stored
        self.last_commit_us = self.now_us
        self.run_open = not final

    def current_of(self, tags: list[int]) -> CurrentSamples:
        """The newest sample of each tag of a group, and those held back; from now on the run knows of these tags."""
        held = [row for tag in tags for row in self.held.get(tag, [])]
        known = [self.newest[tag] for tag in tags if tag in self.newest and self.newest[tag] not in held]
        rows = [*known, *held]
        self.live.update(row[0] for row in rows)
        return make_current(
            rows, newest=[self.newest[row[0]] == row for row in rows], pending=[row in held for row in rows]
        )

    @rule(force=st.booleans())
    def flush(self, force: bool) -> None:
        self.store.flush(force=force)

    @rule(step=flush_steps)
    def crash_while_flushing(self, step: str) -> None:
        def reached(name: str) -> None:
            if name == step:
                raise CrashError

        original, steps.reached = steps.reached, reached
        try:
            with contextlib.suppress(CrashError):
                self.store.flush(force=True)
        finally:
            steps.reached = original
        self.crash()

    @rule()
    def crash(self) -> None:
        """The object is dropped; only what the operating system would do is done."""
        self.store._connection.close()
        self.store._lock._file.close()
        self.restart()

    @precondition(lambda self: self.run_open)
    @rule()
    def stop(self) -> None:
        """An orderly end: everything held is stored."""
        self.now_us += SECOND
        stored = [row for rows in self.held.values() for row in rows]
        self.held = {}
        self.commit([0, 1], stored, final=True)
        self.live = set()
        self.store.close()
        self.restart()

    def restart(self) -> None:
        self.store = Store.open(self.path)
        self.now_us += 10 * SECOND
        self.store.recover(self.now_us)
        if self.run_open:
            self.expect_recovery()
        self.live = set()
        self.run_open = False

    def expect_recovery(self) -> None:
        self.stored += [row for rows in self.held.values() for row in rows]
        self.held = {}
        for tag in self.live:
            newest = self.newest[tag]
            end = (tag, max(self.last_commit_us, newest[1] + 1), None, BAD_SHUTDOWN)
            if newest[3] != BAD_SHUTDOWN:
                self.stored.append(end)
                self.newest[tag] = end

    @invariant()
    def holds_the_same(self) -> None:
        if not hasattr(self, "reader"):
            return
        snapshot = self.reader.snapshot()
        expected = [*self.stored, *(row for rows in self.held.values() for row in rows)]
        assert stored_rows(snapshot) == sorted(expected, key=lambda row: row[:2])
        assert newest_rows(snapshot) == self.newest
        assert self.store.statistics().samples == len(self.stored)

    @invariant()
    def files_are_those_of_the_catalogue(self) -> None:
        if hasattr(self, "reader"):
            on_disk = {str(path) for path in (self.path / "archive").rglob("*-*.parquet*")}
            assert on_disk == {file.path for file in self.reader.snapshot().files}

    def teardown(self) -> None:
        if hasattr(self, "reader"):
            self.reader.close()
            self.store.close()
        shutil.rmtree(self.path.parent)


TestStoreModel = StoreMachine.TestCase
TestStoreModel.settings = settings(max_examples=12, stateful_step_count=20)
