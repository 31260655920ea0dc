"""The rows of a buffer whose batches come, go and are replaced, against a plain list of them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from historian.model.samples import Samples
from storage.columns import SAMPLE_SCHEMA, times_us, to_batch
from storage.recent import RecentRows


def batch(number: int) -> pa.Table:
    """As many rows as the number has tens, at least one; every seventh with texts."""
    rows = number // 10 + 1
    texts = {0: f"B-{number}"} if number % 7 == 0 else {}
    times = number * 1000 + np.arange(rows, dtype=np.int64)
    samples = Samples(np.ones(rows, np.int32), times, np.zeros(rows), np.zeros(rows, np.uint32), {}, texts)
    return pa.Table.from_batches([to_batch(samples)])


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(0, 60), unique=True, max_size=40).map(sorted), min_size=1, max_size=6))
def test_the_rows_are_those_of_the_batches_in_their_order(steps):
    recent = RecentRows()
    read: list[int] = []
    for numbers in steps:
        missing = recent.missing(numbers)
        read += missing
        recent.update(numbers, {number: batch(number) for number in missing})
        assert recent.missing(numbers) == []
        table = recent.table([batch(99)])
        assert table.schema == SAMPLE_SCHEMA
        expected = [times_us(batch(number)) for number in [*numbers, 99]]
        assert times_us(table).tolist() == np.concatenate(expected).tolist()
        texts = [text for text in table.column("value_text").to_pylist() if text]
        assert texts == [f"B-{number}" for number in numbers if number % 7 == 0]


def test_a_commit_a_second_is_read_once_and_stays_a_few_pieces():
    recent = RecentRows()
    for last in range(1, 600):
        numbers = list(range(1, last + 1))
        assert recent.missing(numbers) == [last]
        recent.update(numbers, {last: batch(1)})
        assert recent.table().column("time").num_chunks <= 11
