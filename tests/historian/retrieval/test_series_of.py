"""What the store gives to everything that computes from samples."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

import historian
from historian.retrieval import series_of
from historian.retrieval.described import TagTexts, select_rows
from historian.retrieval.questions.value_at import MODES
from historian.retrieval.series import Series
from historian.retrieval.series_of import read_blocks, read_instants, read_series
from historian.retrieval.time_range import TimeRange
from storage import ranges
from storage.ranges import RangeReader
from storage.reader import StoreReader
from support.sample_store import BAD, GOOD, SECOND, T0_US, UNCERTAIN, make_store, plant_rows

START = datetime(2026, 11, 22, tzinfo=UTC)


@pytest.fixture
def reader(store_path):
    make_store(store_path, plant_rows(), archived_before_s=40, last_scan_s={"FIC101.PV": 75})
    with StoreReader.open(store_path) as opened:
        yield opened


def seconds(start: int, end: int) -> TimeRange:
    return TimeRange(T0_US + start * SECOND, T0_US + end * SECOND)


def read(reader: StoreReader, tags: list[str], span: TimeRange) -> Series:
    snapshot = reader.snapshot()
    return read_series(RangeReader(), snapshot, select_rows(tags, TagTexts.of(snapshot.tags)), span)


def tag_of(series: Series, place: int) -> slice:
    return slice(*series.starts[place : place + 2].tolist())


def times_s(series: Series, place: int) -> list[int]:
    return ((series.time_us[tag_of(series, place)] - T0_US) // SECOND).tolist()


def test_tags_stand_in_the_order_asked_for_with_what_is_beside_the_range(reader):
    series = read(reader, ["FIC102.PV", "FIC101.PV"], seconds(28, 31))
    assert times_s(series, 0) == [26, 27, 28, 29, 30, 31]
    # FIC101.PV is Bad from 20 to 29: the last before the range, and the last two before it that are not Bad.
    assert times_s(series, 1) == [18, 19, 27, 28, 29, 30, 31]
    assert series.status[tag_of(series, 1)].tolist() == [GOOD, GOOD, BAD, BAD, BAD, GOOD, GOOD]
    assert series.value[tag_of(series, 1)].tolist()[-2:] == [80.0, 81.0]


def test_the_end_of_the_data_is_the_last_answer_of_the_source(reader):
    series = read(reader, ["FIC101.PV", "FIC102.PV"], seconds(0, 5))
    assert ((series.known_us - T0_US) // SECOND).tolist() == [75, 59]


def test_states_and_texts_are_stepped_and_kept_exactly(reader):
    series = read(reader, ["FIC102.PV", "XV101.OPEN", "FQ101.TOTAL", "BATCH.ID"], seconds(5, 6))
    assert series.stepped.tolist() == [False, True, True, True]
    assert series.status[int(series.starts[0]) + 2] == UNCERTAIN
    assert series.exact[int(series.starts[2]) + 2] == 2**53 + 11
    assert series.text[int(series.starts[3]) + 2] == "B-0"


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("samples", [1, 40])
def test_values_at_instants_far_apart_are_those_of_one_reading(store_path, monkeypatch, mode, samples):
    make_store(store_path, plant_rows(), archived_before_s=40)
    times = [START + timedelta(seconds=second) for second in (59.5, -1, 3, 3.5, 19, 25, 25, 31.2, 47, 90)]
    tags = ["XV*", "BATCH.ID", "FIC*"]
    with historian.open(store_path) as h:
        monkeypatch.setattr(ranges, "THINNED", 10**9)
        whole = h.value_at(tags, times, mode)
        monkeypatch.setattr(series_of, "BLOCK_SAMPLES", samples)
        monkeypatch.setattr(series_of, "GAP_SAMPLES", samples)
        monkeypatch.setattr(ranges, "THINNED", 0)
        assert h.value_at(tags, times, mode).to_pylist() == whole.to_pylist()


def test_instants_far_apart_are_read_apart(reader, monkeypatch):
    monkeypatch.setattr(series_of, "GAP_SAMPLES", 3)
    instants = T0_US + np.array([0, 1, 2, 30, 31, 59]) * SECOND
    parts = list(read_instants(RangeReader(), reader.snapshot(), np.arange(5), instants, with_lines=True))
    assert [len(mine) for mine, _ in parts] == [3, 2, 1]
    assert [len(series.time_us) for _, series in parts] == [4 * 5, 4 * 5 + 6, 3 * 5]


def test_a_tag_without_samples_has_no_rows(store_path):
    make_store(store_path, [("FIC101.PV", 0, 1.0, GOOD)])
    with StoreReader.open(store_path) as reader:
        series = read(reader, ["FIC102.PV", "FIC101.PV"], seconds(0, 5))
    assert series.starts.tolist() == [0, 0, 1]
    assert len(series) == 2


def test_blocks_have_the_rows_of_one_reading(reader):
    snapshot = reader.snapshot()
    rows = np.array([3, 0, 4, 1, 2])
    whole = read_series(RangeReader(), snapshot, rows, seconds(10, 50))
    blocks = list(read_blocks(RangeReader(), snapshot, rows, seconds(10, 50), samples=90))
    assert [len(of) for of, _ in blocks] == [2, 2, 1]
    assert np.concatenate([of for of, _ in blocks]).tolist() == rows.tolist()
    assert np.concatenate([series.time_us for _, series in blocks]).tolist() == whole.time_us.tolist()
    assert np.concatenate([series.known_us for _, series in blocks]).tolist() == whole.known_us.tolist()
    texts = [text for _, series in blocks for text in series.text.values()]
    assert texts == list(whole.text.values())
