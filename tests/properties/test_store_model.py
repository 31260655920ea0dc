"""The store against a plain dict: whatever is done in whatever order, both hold the same samples.

Commits of a collector, late samples, bulk inserts, edits, removals; flushes, joined batches, compaction; and deaths of
all of them at each of their steps.

A crash is the object dropped without closing; the next start opens the folder again and recovers.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from conformance.store_data import SECOND, T0, Row, make_current, make_samples, make_tags
from conformance.store_suite import newest_rows, stored_rows
from historian.config.settings import CompactionSettings
from historian.model.commit import Commit, CurrentSamples
from historian.model.status import BAD_SHUTDOWN, GOOD, SUBSTITUTED
from storage import buffer_join, catalogue, import_chunk, steps
from storage.edits import Cause
from storage.import_chunk import ImportNotes, Outcome
from storage.reader import StoreReader
from storage.store import Store
from support.examples import examples

TAGS = 4

values = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(2**52, 2**63 - 1).map(lambda number: 2 * number + 1),  # odd, so that a double rounds them
    st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=5),
    st.none(),
)

modes = st.sampled_from(["no-replace", "replace", "insert"])

change_steps = st.sampled_from([step for step in steps.STEPS if step.startswith(("insert: ", "edit: ", "remove: "))])

history = st.lists(st.tuples(st.integers(1, TAGS), st.integers(0, 40), values), min_size=1, max_size=6)
"""Tag, seconds before now, value."""

CAUSE = {"who": "test", "why": "as a test"}

import_steps = st.sampled_from([step for step in steps.STEPS if step.startswith("import: ")])

compaction_steps = st.sampled_from(
    [step for step in steps.STEPS if step.startswith(("compaction: ", "retired files: "))]
)

DAY = 86_400 * SECOND

flush_steps = st.sampled_from([step for step in steps.STEPS if step.startswith(("flush: ", "join: "))])


class CrashError(BaseException):
    """The process ends here."""


@contextlib.contextmanager
def stopped_at(step: str):
    """Whoever reaches this step goes no further."""

    def reached(name: str) -> None:
        if name == step:
            raise CrashError

    original, steps.reached = steps.reached, reached
    try:
        yield
    finally:
        steps.reached = original


def marked(row: Row) -> Row:
    """As a person's."""
    return (*row[:3], row[3] | SUBSTITUTED)


def same(one: Row, other: Row) -> bool:
    """No difference in value or status; -0.0 is 0.0."""
    return one == other


class StoreMachine(RuleBasedStateMachine):
    """Each tag's samples come in the order of time, as from a collector; groups 0 and 1 hold two tags each."""

    def __init__(self) -> None:
        super().__init__()
        self.path = Path(tempfile.mkdtemp(prefix="store-model-")) / "store"
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(buffer_join, "JOIN_BATCHES", 2)
        self.patch.setattr(import_chunk, "ARCHIVE_ROWS", 3)
        self.compactions = 0
        self.stored: list[Row] = []
        self.edited: dict[tuple[int, int], Row | None] = {}
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

    def visible(self) -> dict[tuple[int, int], Row]:
        """Every sample there is: what the collector brought, and what people made of it."""
        rows = {row[:2]: row for row in [*self.stored, *(row for rows in self.held.values() for row in rows)]}
        rows |= {key: row for key, row in self.edited.items() if row is not None}
        return {key: row for key, row in rows.items() if self.edited.get(key, row) is not None}

    def change(self, key: tuple[int, int], row: Row | None) -> None:
        """What is to be seen of a tag and time; a tag that nobody collects has its newest of that as current one."""
        self.edited[key] = row
        tag = key[0]
        if tag in self.live:
            return
        known = self.newest.get(tag)
        if row is not None:
            if known is None or row[1] >= known[1]:
                self.newest[tag] = row
        elif known is not None and known[:2] == key:
            del self.newest[tag]
            others = [other for other in self.visible().values() if other[0] == tag]
            if others:
                self.newest[tag] = max(others, key=lambda other: other[1])

    @rule(rows=history, mode=modes)
    def insert(self, rows, mode: str) -> None:
        """Samples of some time ago, among them some that are there already."""
        self.insert_rows([self.past_row(*row) for row in rows], mode)

    def past_row(self, tag: int, seconds: int, value) -> Row:
        return (tag, self.now_us - seconds * SECOND, value, 0x80310000 if value is None else GOOD)

    def insert_rows(self, rows: list[Row], mode: str) -> None:
        report = self.store.insert(make_samples(rows), mode=mode, time_us=self.now_us, **CAUSE)
        self.now_us += SECOND
        assert report.inserted + report.replaced + report.duplicates == len(rows)
        assert report.replaced == self.expect_insert(rows, mode)

    def expect_insert(self, rows: list[Row], mode: str) -> int:
        ordered = reversed(rows) if mode == "replace" else rows
        firsts: dict[tuple[int, int], Row] = {}
        for row in ordered:
            firsts.setdefault(row[:2], row)
        before, replaced = self.visible(), 0
        for key, row in firsts.items():
            if key not in before:
                self.change(key, row)
            elif mode == "replace" and not same(row, before[key]) and not same(marked(row), before[key]):
                self.change(key, marked(row))
                replaced += 1
        return replaced

    @rule(rows=history, replace=st.booleans())
    def import_chunk(self, rows, replace: bool) -> None:
        """Each tag and time once, by tag and time; from three fresh ones on they become a file at once."""
        chosen = self.chunk_of(rows)
        fresh = sum(row[:2] not in self.visible() for row in chosen)
        outcome = self.insert_chunk(chosen, replace=replace)
        assert outcome.fresh == fresh
        replaced = self.expect_insert(chosen, "replace" if replace else "no-replace")
        assert not replace or len(outcome.differing) == replaced

    def chunk_of(self, rows) -> list[Row]:
        found = {row[:2]: row for row in (self.past_row(*each) for each in rows)}
        return [found[key] for key in sorted(found)]

    def insert_chunk(self, rows: list[Row], *, replace: bool) -> Outcome:
        cause = Cause("test", "as a test", self.now_us)
        self.now_us += SECOND
        return self.store.insert_chunk(make_samples(rows), cause, replace=replace, settle=lambda _: ImportNotes())

    @rule(step=import_steps, rows=history)
    def crash_while_importing(self, step: str, rows) -> None:
        """Doing it again afterwards, as an import does, leaves each sample once."""
        chosen = self.chunk_of(rows)
        is_in = step == "import: committed"
        with stopped_at(step), contextlib.suppress(CrashError):
            self.insert_chunk(chosen, replace=False)
            is_in = True  # few samples make no file, and do not come by most of the steps
        if is_in:
            self.expect_insert(chosen, "no-replace")
        self.crash()
        self.insert_chunk(chosen, replace=False)
        self.expect_insert(chosen, "no-replace")

    @rule(data=st.data(), value=values)
    def edit(self, data, value) -> None:
        there = sorted(self.visible())
        if not there:
            return
        key = data.draw(st.sampled_from(there))
        new = marked((*key, value, 0x80310000 if value is None else GOOD))
        self.store.edit(*new[:3], new[3] & ~SUBSTITUTED, time_us=self.now_us, **CAUSE)
        self.now_us += SECOND
        if not same(new, self.visible()[key]):
            self.change(key, new)

    @rule(tag=st.integers(1, TAGS), start=st.integers(0, 40), length=st.integers(1, 15))
    def remove(self, tag: int, start: int, length: int) -> None:
        start_us = self.now_us - start * SECOND
        end_us = start_us + length * SECOND
        report = self.store.remove(tag, start_us, end_us, time_us=self.now_us, **CAUSE)
        self.now_us += SECOND
        gone = [key for key in self.visible() if key[0] == tag and start_us <= key[1] < end_us]
        assert report.removed == len(gone)
        for key in gone:
            self.change(key, None)

    @rule(step=change_steps, rows=history)
    def crash_while_changing(self, step: str, rows) -> None:
        """Before the commit nothing was done, after it everything, and doing it again changes nothing more."""
        inserted = [self.past_row(*row) for row in rows]
        tag, at_us = inserted[0][:2]
        known = self.visible().get((tag, at_us))
        if known is None and not step.startswith("insert: "):
            return
        with stopped_at(step), contextlib.suppress(CrashError):
            if step.startswith("insert: "):
                self.store.insert(make_samples(inserted), mode="no-replace", time_us=self.now_us, **CAUSE)
            elif step.startswith("edit: "):
                self.store.edit(tag, at_us, -7.5, time_us=self.now_us, **CAUSE)
            else:
                self.store.remove(tag, at_us, at_us + 1, time_us=self.now_us, **CAUSE)
        if step == "insert: committed":
            self.expect_insert(inserted, "no-replace")
        elif step == "edit: committed":
            self.change((tag, at_us), marked((tag, at_us, -7.5, GOOD)))
        elif step == "remove: committed":
            self.change((tag, at_us), None)
        self.crash()

    @rule(force=st.booleans())
    def flush(self, force: bool) -> None:
        self.store.flush(force=force)

    @rule(step=flush_steps)
    def crash_while_flushing(self, step: str) -> None:
        with stopped_at(step), contextlib.suppress(CrashError):
            self.store.flush(force=step.startswith("flush: "))
        self.crash()

    @rule()
    def compact(self) -> None:
        """Everything becomes files of months; files that are replaced go with the next compaction."""
        report = self.store.compact(self.compaction_us(), CompactionSettings(), everything=True)
        assert report.errors == ()

    def compaction_us(self) -> int:
        """Each a day later than the one before, and long after all samples."""
        self.compactions += 1
        return self.now_us + (60 + self.compactions) * DAY

    @rule(step=compaction_steps)
    def crash_while_compacting(self, step: str) -> None:
        with stopped_at(step), contextlib.suppress(CrashError):
            self.store.compact(self.compaction_us(), CompactionSettings(), everything=True)
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
        visible = self.visible()
        assert stored_rows(snapshot) == sorted(visible.values(), key=lambda row: row[:2])
        assert newest_rows(snapshot) == self.expected_newest()

    def expected_newest(self) -> dict[int, Row]:
        """As collected, or as somebody edited that sample since; none while the newest of a live tag is removed."""
        rows = {tag: self.edited.get(row[:2], row) for tag, row in self.newest.items()}
        return {tag: row for tag, row in rows.items() if row is not None}

    @invariant()
    def files_are_those_of_the_catalogue(self) -> None:
        if hasattr(self, "reader"):
            on_disk = {str(path) for path in (self.path / "archive").rglob("*-*.parquet*")}
            retired = self.reader.inspect(lambda link: catalogue.retired(link, 2**62))
            # A retired one waits for its readers; where the process died while these were removed it may have gone.
            waiting = {str(self.path / "archive" / path) for _, path in retired}
            files = {file.path for file in self.reader.snapshot().files}
            assert files <= on_disk <= files | waiting

    def teardown(self) -> None:
        if hasattr(self, "reader"):
            self.reader.close()
            self.store.close()
        shutil.rmtree(self.path.parent)
        self.patch.undo()


TestStoreModel = StoreMachine.TestCase
TestStoreModel.settings = settings(max_examples=examples(12), stateful_step_count=20)
