"""The text of a state is the one that the tag's enumeration had at the time of the sample (semantics: Samples)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from historian.model.commit import Commit
from historian.model.tag import Tag, ValueType
from historian.retrieval.connection import connect
from historian.retrieval.query import ask
from storage.reader import StoreReader
from storage.store import Store
from support.sample_store import BAD, GOOD, SECOND, T0_US, Row, current_of, samples_of

STEP = Tag("BATCH.STEP", "boiler", "hr:9", "fast", ValueType.INT16, enumeration={0: "idle", 1: "fill"})
HUGE = 2**62 + 1


class Plant:
    """A store whose tags change now and then."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        Store.open(folder, create=True).close()

    def configure(self, second: float, *tags: Tag) -> None:
        with closing(Store.open(self._folder)) as store:
            store.register_tags(tags, T0_US + round(second * SECOND), "test")

    def store(self, *rows: Row, archive: bool = False) -> None:
        with closing(Store.open(self._folder)) as store:
            ids = {row["tag"]: row["tag_id"] for row in self._tags()}
            store.commit(Commit(T0_US, samples_of(rows, ids), {0: current_of(rows, ids, {})}), final=True)
            if archive:
                store.flush(force=True)

    def _tags(self) -> list[dict[str, object]]:
        with StoreReader.open(self._folder) as reader:
            return list(reader.snapshot().tags.to_pylist())

    def ask(self, query: str) -> list[tuple[object, ...]]:
        with StoreReader.open(self._folder) as reader:
            connection = connect(reader.snapshot())
        try:
            return [tuple(row.values()) for row in ask(connection, query).table().to_pylist()]
        finally:
            connection.close()

    def texts(self) -> list[object]:
        """The texts of all samples in the order of their times."""
        return [text for (text,) in self.ask("select value_text from samples order by time")]


@pytest.fixture
def plant(store_path: Path) -> Iterator[Plant]:
    return Plant(store_path)


def test_the_set_that_was_valid_then_names_the_code(plant):
    plant.configure(10, STEP)
    plant.configure(20, replace(STEP, enumeration={0: "idle", 1: "charge", 2: "heat"}))
    plant.configure(30, replace(STEP, enumeration=None))
    plant.configure(40, replace(STEP, enumeration={1: "last"}))
    times = (9, 10, 19, 20, 25, 30, 39, 40)
    plant.store(*[("BATCH.STEP", second, 1, GOOD) for second in times])
    # Before the tag was known its first set holds: imported history is older than the configuration.
    assert plant.texts() == ["fill", "fill", "fill", "charge", "charge", None, None, "last"]


def test_other_changes_do_not_change_the_texts(plant):
    plant.configure(0, STEP)
    plant.configure(10, replace(STEP, description="step of the batch"))
    plant.store(("BATCH.STEP", 5, 0, GOOD), ("BATCH.STEP", 15, 1, GOOD), archive=True)
    assert plant.texts() == ["idle", "fill"]


def test_a_code_without_a_text_has_none(plant):
    plant.configure(0, STEP)
    plant.store(("BATCH.STEP", 1, 7, GOOD), ("BATCH.STEP", 2, 0.5, GOOD), ("BATCH.STEP", 3, None, BAD))
    assert plant.texts() == [None, None, None]


def test_the_newest_sample_has_its_text(plant):
    plant.configure(0, STEP)
    plant.store(("BATCH.STEP", 1, 1, GOOD))
    assert plant.ask("select tag, value, value_text from snapshot") == [("BATCH.STEP", 1.0, "fill")]


def test_codes_that_no_double_holds(plant):
    plant.configure(0, replace(STEP, value_type=ValueType.INT64, enumeration={HUGE: "huge", HUGE - 1: "near"}))
    plant.store(("BATCH.STEP", 1, HUGE, GOOD))
    assert plant.texts() == ["huge"]


def test_another_type_never_reinterprets_what_is_stored(plant):
    plant.configure(0, STEP)
    plant.store(("BATCH.STEP", 1, 1, GOOD))
    plant.configure(10, replace(STEP, value_type=ValueType.TEXT, enumeration=None))
    plant.store(("BATCH.STEP", 11, "fill", GOOD), archive=True)
    found = plant.ask("select value, value_int, value_text from samples order by time")
    assert found == [(1.0, None, "fill"), (None, None, "fill")]


def test_tags_without_an_enumeration_are_left_as_they_are(plant):
    text = Tag("BATCH.ID", "boiler", "hr:20", "fast", ValueType.TEXT)
    plain = Tag("FI1", "boiler", "hr:30", "fast", ValueType.FLOAT32)
    plant.configure(0, STEP, text, plain)
    plant.store(("BATCH.ID", 1, "B-1", GOOD), ("FI1", 1, 1.0, GOOD), ("BATCH.STEP", 1, 1, GOOD))
    assert plant.ask("select tag, value_text from samples order by tag") == [
        ("BATCH.ID", "B-1"), ("BATCH.STEP", "fill"), ("FI1", None)
    ]  # fmt: skip


def test_the_texts_are_not_worked_out_unless_they_are_asked_for(plant):
    plant.configure(0, STEP)
    plant.store(("BATCH.STEP", 1, 1, GOOD))
    [(_, plan)] = plant.ask("explain select tag, value from samples")
    assert "states" not in plan


def test_the_view_of_tags_shows_the_enumeration_alone(plant):
    plant.configure(0, STEP)
    assert "states" not in [name for name, *_ in plant.ask("describe tags")]
