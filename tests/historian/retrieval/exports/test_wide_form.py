"""Values on a grid, against a slow reference that follows the definition a sample at a time."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from historian.retrieval.exports.grid import WideForm
from historian.retrieval.functions.reading import Readings
from historian.retrieval.intervals import Intervals
from storage.reader import StoreReader
from support.sample_store import BAD, GOOD, SECOND, T0_US, UNCERTAIN, make_store, plant_rows

LINE, STEP = "FIC101.PV", "XV101.OPEN"


def simple_bound(rows, time_s, is_step, last_scan_s):
    """Simple bounding value (OPC UA Part 13, 3.1.8) of one tag's (time, value, status), extended to the last scan."""
    before = [row for row in rows if row[0] <= time_s]
    after = [row for row in rows if row[0] > time_s]
    if not before or before[-1][2] == BAD:
        return None
    if before[-1][0] == time_s:
        return before[-1][1]
    if not after:
        return before[-1][1] if time_s <= max(last_scan_s, before[-1][0]) else None
    if is_step or after[0][2] == BAD:
        return before[-1][1]
    (t1, v1, _), (t2, v2, _) = before[-1], after[0]
    return v1 + (v2 - v1) * (time_s - t1) / (t2 - t1)


def grid(start_us: int, step_us: int, rows: int) -> Intervals:
    times = start_us + step_us * np.arange(rows + 1, dtype=np.int64)
    return Intervals(times[:-1], times[1:])


def wide(store_path: Path, tags: list[str], times: Intervals) -> list[dict[str, object]]:
    with StoreReader.open(store_path) as reader:
        reading = Readings("UTC").of(reader.snapshot())
        form = WideForm(reading, reading.rows(tags), times)
        return [row for batch in form.batches() for row in batch.to_pylist()]


def close(got, wanted):
    return got == wanted if got is None or wanted is None else math.isclose(got, wanted, rel_tol=1e-12, abs_tol=1e-9)


samples = st.dictionaries(
    st.integers(0, 240),
    st.tuples(st.integers(-50, 50), st.sampled_from([GOOD, GOOD, GOOD, UNCERTAIN, BAD])),
    max_size=25,
)


@settings(max_examples=25)
@given(
    line=samples, step=samples, archived=st.integers(0, 240), start=st.integers(-100, 200), every=st.integers(1, 97),
    rows=st.integers(1, 60), cells=st.sampled_from([2, 7, 1000]), late=st.integers(0, 300),
)  # fmt: skip
def test_every_value_is_the_simple_bounding_value(  # noqa: PLR0917 - hypothesis draws them
    tmp_path_factory, line, step, archived, start, every, rows, cells, late
):
    folder = tmp_path_factory.mktemp("wide")
    table = [(LINE, t / 4, None if s == BAD else float(v), s) for t, (v, s) in sorted(line.items())]
    table += [(STEP, t / 4, None if s == BAD else v % 2, s) for t, (v, s) in sorted(step.items())]
    make_store(folder / "store", table, archived_before_s=archived / 4, last_scan_s={LINE: late / 4})
    times = grid(T0_US + start * SECOND // 4, every * SECOND // 4, rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("historian.retrieval.exports.form.SLICE_COST", cells)  # so that there are several parts
        found = wide(folder / "store", [LINE, STEP], times)
    shutil.rmtree(folder)
    assert len(found) == rows
    for number, row in enumerate(found):
        time_s = (start + number * every) / 4
        for tag, is_step, scan_s in ((LINE, False, late / 4), (STEP, True, 0.0)):
            mine = [(t, v, s) for name, t, v, s in table if name == tag]
            assert close(row[tag], simple_bound(mine, time_s, is_step, scan_s)), (tag, time_s)


def test_columns_keep_their_types_and_what_is_known_of_them(store_path):
    make_store(store_path, plant_rows(), archived_before_s=30)
    with StoreReader.open(store_path) as reader:
        reading = Readings("UTC").of(reader.snapshot())
        (batch,) = WideForm(reading, reading.rows("*"), grid(T0_US, SECOND, 60)).batches()
    assert {field.name: str(field.type) for field in batch.schema} == {
        "time": "timestamp[us, tz=UTC]", "FIC101.PV": "double", "FIC102.PV": "double", "XV101.OPEN": "bool",
        "FQ101.TOTAL": "uint64", "BATCH.ID": "string",
    }  # fmt: skip
    assert batch.schema.field("FIC101.PV").metadata[b"units"] == b"m3/h"
    last = batch.to_pylist()[-1]
    assert (last["FIC101.PV"], last["XV101.OPEN"], last["FQ101.TOTAL"], last["BATCH.ID"]) == (
        109.0, True, 2**53 + 2 * 59 + 1, "B-1",
    )  # fmt: skip


def test_nothing_is_drawn_across_a_bad_interval(store_path):
    make_store(store_path, plant_rows())
    values = [row["FIC101.PV"] for row in wide(store_path, ["FIC101.PV"], grid(T0_US + 19 * SECOND, SECOND // 2, 24))]
    assert values == [69.0, 69.0] + [None] * 20 + [80.0, 80.5]
