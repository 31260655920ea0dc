"""Deaths while history is changed: the change is there whole or not at all, and its line in the audit with it."""

from __future__ import annotations

import os
from multiprocessing import get_context

import pytest

from conformance.store_data import SECOND, T0, good, make_samples, make_tags
from conformance.store_suite import audit_rows, stored_rows
from crash.store_scenarios import DIED, die_at
from historian.model.commit import Commit
from historian.model.status import SUBSTITUTED
from storage import steps
from storage.annotation import Annotation
from storage.reader import StoreReader
from storage.store import Store

BEFORE = [good(1, 1, 1.0), good(1, 2, 2.0), good(2, 1, 3.0)]
EDITED = (1, T0 + SECOND, -1.0, SUBSTITUTED)
CAUSE = {"who": "kim", "why": "test", "time_us": T0 + 60 * SECOND}

AFTER = {
    "insert": sorted([*BEFORE[1:], EDITED, good(2, 5, 5.0)]),
    "edit": sorted([*BEFORE[1:], EDITED]),
    "remove": [BEFORE[2]],
}
LINES = {
    "insert": [("samples inserted", "T001"), ("sample replaced", "T000")],
    "edit": [("sample edited", "T000")],
    "remove": [("sample removed", "T000")] * 2,
}


def change(store: Store, what: str) -> None:
    if what == "insert":
        store.insert(make_samples([good(1, 1, -1.0), good(2, 5, 5.0)]), mode="replace", **CAUSE)
    elif what == "edit":
        store.edit(1, T0 + SECOND, -1.0, **CAUSE)
    else:
        store.remove(1, T0, T0 + 10 * SECOND, **CAUSE)


def change_and_die(folder: str, step: str) -> None:
    store = Store.open(folder)
    die_at(step, 0)
    change(store, step.partition(":")[0])
    os._exit(0)


@pytest.mark.parametrize("step", [step for step in steps.STEPS if step.startswith(("insert: ", "edit: ", "remove: "))])
def test_crash_while_changing(step, store_path):
    with Store.open(store_path, create=True) as store:
        store.register_tags(make_tags(2), T0, "test")
        store.commit(Commit(T0, make_samples(BEFORE[:1])), final=True)
        store.flush(force=True)
        store.commit(Commit(T0 + SECOND, make_samples(BEFORE[1:])), final=True)
    process = get_context("spawn").Process(target=change_and_die, args=(store_path, step))
    process.start()
    process.join(30)
    assert process.exitcode == DIED
    what, _, moment = step.partition(": ")
    done = moment == "committed"
    with StoreReader.open(store_path) as reader:
        assert stored_rows(reader.snapshot()) == (AFTER[what] if done else sorted(BEFORE))
        assert changes(reader) == (LINES[what] if done else [])
        with Store.open(store_path) as store:
            if done and what == "edit":
                assert store.edit(1, T0 + SECOND, -1.0, **CAUSE).kind == "unchanged"
            else:
                change(store, what)
        assert stored_rows(reader.snapshot()) == AFTER[what]
        assert changes(reader) == LINES[what]


def changes(reader: StoreReader) -> list[tuple[str, str]]:
    return [line for line in audit_rows(reader.snapshot()) if line[0].startswith("sample")]


def annotate_and_die(folder: str, step: str, number: int | None) -> None:
    store = Store.open(folder)
    die_at(step, 0)
    note(store, number)
    os._exit(0)


def note(store: Store, number: int | None) -> None:
    """Add a note, or remove the one of this number."""
    if number is None:
        store.annotate(Annotation(1, T0, T0 + SECOND, "probe cleaned"), who="kim", time_us=T0)
    else:
        store.remove_annotation(number, who="kim", time_us=T0)


@pytest.mark.parametrize("number", [None, 1], ids=["add", "remove"])
@pytest.mark.parametrize("step", [step for step in steps.STEPS if step.startswith("annotation: ")])
def test_crash_while_annotating(step, number, store_path):
    with Store.open(store_path, create=True) as store:
        store.register_tags(make_tags(1), T0, "test")
        if number is not None:
            note(store, None)
    process = get_context("spawn").Process(target=annotate_and_die, args=(store_path, step, number))
    process.start()
    process.join(30)
    assert process.exitcode == DIED
    done = step.endswith("committed")
    with StoreReader.open(store_path) as reader:
        snapshot = reader.snapshot()
        there = done if number is None else not done
        assert len(snapshot.annotations) == there
        wanted = [] if number is None else ["annotation added"]
        if done:
            wanted.append("annotation added" if number is None else "annotation removed")
        assert [line for line, _ in audit_rows(snapshot) if line.startswith("annotation")] == wanted
