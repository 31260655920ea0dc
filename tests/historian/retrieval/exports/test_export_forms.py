"""Exports in slices: every row once and in order, however small the slices are."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from historian.retrieval.exports import form as forms
from historian.retrieval.exports.form import Form, by_tag
from historian.retrieval.exports.grid import GridForm, WideForm
from historian.retrieval.exports.long import LongForm
from historian.retrieval.exports.span import data_span, steps_over
from historian.retrieval.functions.reading import Reading, Readings
from historian.retrieval.history import open_scope, samples_in
from historian.retrieval.questions.step_text import parse_step
from historian.retrieval.time_range import TimeRange
from storage.reader import StoreReader
from support.sample_store import GOOD, SECOND, T0_US, make_store, plant_rows

EVER = TimeRange(T0_US - SECOND, T0_US + 3600 * SECOND)


@pytest.fixture
def reader(store_path):
    make_store(store_path, plant_rows(), archived_before_s=25)
    with StoreReader.open(store_path) as reader:
        yield reader


@pytest.fixture
def reading(reader) -> Reading:
    return Readings("UTC").of(reader.snapshot())


def rows_of(form: Form) -> list[dict[str, object]]:
    return pa.Table.from_batches(list(form.batches()), form.schema).to_pylist()


@pytest.mark.parametrize("cost", [7, 100, 10_000])
def test_samples_come_once_and_in_order(reader, reading, monkeypatch, cost):
    monkeypatch.setattr(forms, "SLICE_COST", cost)
    form = LongForm(reading, reading.rows(["XV*", "FIC*", "*"]), EVER, reader.tag_versions)
    with open_scope(reader, ["XV*", "FIC*", "*"]) as scope:
        assert rows_of(form) == samples_in(scope).table().to_pylist()
    assert len(list(form.parts())) >= 300 / (2 * cost)


@pytest.mark.parametrize("kind", [GridForm, WideForm])
def test_a_grid_does_not_depend_on_the_slices(reading, monkeypatch, kind):
    rows = reading.rows("*")
    known = data_span(reading, rows)
    assert known is not None
    steps = steps_over(reading, known, parse_step("700ms"), None, T0_US + 50 * SECOND)
    assert steps is not None
    whole = rows_of(kind(reading, rows, steps))
    monkeypatch.setattr(forms, "SLICE_COST", 13)
    assert rows_of(kind(reading, rows, steps)) == whole
    # From half a second before the first sample, where a multiple of 0.7 s lies, for 50.5 s: 73 times.
    assert len(whole) == (73 if kind is WideForm else 73 * 5)


def test_a_step_begins_on_a_round_time_and_ends_with_what_is_known(store_path):
    make_store(store_path, [("FIC101.PV", 3.2, 1.0, GOOD)], last_scan_s={"FIC101.PV": 9.0})
    with StoreReader.open(store_path) as reader:
        reading = Readings("Europe/Berlin").of(reader.snapshot())
        known = data_span(reading, reading.rows("FIC101.PV"))
        assert known is not None
        seconds = steps_over(reading, known, parse_step("1s"), None, T0_US + 3600 * SECOND)
        assert seconds is not None
        assert (seconds.start_us - T0_US).tolist() == [second * SECOND for second in range(3, 10)]
        months = steps_over(reading, known, parse_step("1 month"), None, T0_US + 3600 * SECOND)
        assert months is not None
        # The month began at midnight in Berlin, an hour before that in UTC.
        assert np.datetime_as_string(months.start_us.astype("M8[us]"), unit="m").tolist() == ["2026-10-31T23:00"]
        assert steps_over(reading, known, parse_step("1s"), None, T0_US) is None


def test_no_samples_no_span(store_path):
    make_store(store_path, [])
    with StoreReader.open(store_path) as reader:
        reading = Readings("UTC").of(reader.snapshot())
        assert data_span(reading, reading.rows("FIC101.PV")) is None


def test_tags_go_together_until_they_are_a_slice(monkeypatch):
    monkeypatch.setattr(forms, "SLICE_COST", 10)
    parts = list(by_tag(np.arange(4), np.array([5.0, 4.0, 30.0, 1.0]), 30))
    assert [(part.rows.tolist(), part.first, part.end) for part in parts] == [
        ([0, 1], 0, 30), ([2], 0, 10), ([2], 10, 20), ([2], 20, 30), ([3], 0, 30),
    ]  # fmt: skip
