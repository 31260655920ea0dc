from __future__ import annotations

import numpy as np
import pytest

from historian.retrieval.functions.reading import Readings
from historian.retrieval.time_range import TimeRange
from historian.retrieval.trend_lines import TrendLine, read_trend
from storage.reader import StoreReader
from support.sample_store import BAD, GOOD, SECOND, T0_US, make_store, plant_rows


def lines(store_path, tags, start_s, end_s, columns) -> list[TrendLine]:
    span = TimeRange(T0_US + start_s * SECOND, T0_US + end_s * SECOND)
    with StoreReader.open(store_path) as reader:
        reading = Readings("UTC").of(reader.snapshot())
        return read_trend(reading, reading.rows(tags), span, columns)


def seconds(times_us) -> list[float]:
    return [round((int(time_us) - T0_US) / SECOND, 3) for time_us in times_us]


def test_a_line_breaks_where_the_data_is_bad(store_path):
    make_store(store_path, plant_rows(), archived_before_s=40)
    (line,) = lines(store_path, ["FIC101.PV"], 0, 60, 1000)
    assert (line.units, line.is_step) == ("m3/h", False)
    assert [(seconds(piece.time_us)[0], seconds(piece.time_us)[-1]) for piece in line.pieces] == [(0, 20), (30, 59)]


def test_the_line_begins_and_ends_at_the_edges_of_the_range(store_path):
    make_store(store_path, [("FIC101.PV", 0, 0.0, GOOD), ("FIC101.PV", 100, 100.0, GOOD)])
    (line,) = lines(store_path, ["FIC101.PV"], 25, 75, 100)
    (piece,) = line.pieces
    assert seconds(piece.time_us) == [25.0, 75.0]
    assert piece.value.tolist() == pytest.approx([25.0, 75.0], abs=1e-5)


def test_a_value_holds_as_long_as_its_source_answered(store_path):
    make_store(store_path, [("XV101.OPEN", 0, 1, GOOD)], last_scan_s={"XV101.OPEN": 40})
    (line,) = lines(store_path, ["XV101.OPEN"], 0, 100, 100)
    assert line.is_step
    assert [seconds(piece.time_us) for piece in line.pieces] == [[0.0, 40.0]]


def test_nothing_good_nothing_drawn(store_path):
    make_store(store_path, [("FIC101.PV", 0, None, BAD), ("FIC101.PV", 10, None, BAD)])
    (line,) = lines(store_path, ["FIC101.PV"], 0, 60, 100)
    assert line.pieces == ()
    assert line.limits is None


def test_few_points_are_drawn_and_no_extreme_is_lost(store_path):
    rng = np.random.default_rng(4)
    rows = [("FIC101.PV", second, float(value), GOOD) for second, value in enumerate(rng.normal(size=5000).round(4))]
    make_store(store_path, rows, archived_before_s=2500)
    (line,) = lines(store_path, ["FIC101.PV"], 0, 5000, 50)
    (piece,) = line.pieces
    assert len(piece.value) <= 4 * 50 + 2
    assert np.all(np.diff(piece.time_us) >= 0)
    for column in range(50):
        wanted = [value for _, second, value, _ in rows if column * 100 <= second < (column + 1) * 100]
        inside = (piece.time_us >= T0_US + column * 100 * SECOND) & (
            piece.time_us < T0_US + (column + 1) * 100 * SECOND
        )
        assert (piece.value[inside].min(), piece.value[inside].max()) == (min(wanted), max(wanted))
