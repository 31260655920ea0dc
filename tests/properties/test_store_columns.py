"""Samples go through the columns of buffer and archive and come back the same, bit by bit."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis.extra import numpy as npst

from historian.model.samples import Samples
from storage import buffer, current
from storage.arrays import column, column_of, numpy_of, present
from storage.columns import SAMPLE_SCHEMA, complete, concatenate, to_batch, to_samples
from support.examples import examples


@st.composite
def samples(draw, max_size: int = 20) -> Samples:
    count = draw(st.integers(0, max_size))
    value = draw(npst.arrays(np.float64, count, elements=st.floats(allow_nan=False)))
    rows = st.integers(0, max(count - 1, 0))
    some = 5 if count else 0
    exact = draw(st.dictionaries(rows, st.integers(-(2**63), 2**64 - 1), max_size=some))
    texts = draw(st.dictionaries(rows, st.text(max_size=8), max_size=some))
    text = {row: each for row, each in texts.items() if row not in exact}
    empty = draw(st.sets(rows, max_size=some)) - set(exact)
    value[list(empty | set(text))] = np.nan
    return Samples(
        draw(npst.arrays(np.int32, count, elements=st.integers(1, 2**31 - 1))),
        draw(npst.arrays(np.int64, count, elements=st.integers(-(2**62), 2**62))),
        value,
        draw(npst.arrays(np.uint32, count, elements=st.integers(0, 2**32 - 1))),
        exact,
        text,
    )


def assert_same(one: Samples, other: Samples) -> None:
    for name in ("tag_id", "time_us", "status"):
        assert getattr(one, name).tolist() == getattr(other, name).tolist()
        assert getattr(one, name).dtype == getattr(other, name).dtype
    # Bit by bit where there is a value; a NaN is a NaN whatever its bits.
    missing = np.isnan(one.value)
    assert (np.isnan(other.value) == missing).all()
    assert one.value[~missing].tobytes() == other.value[~missing].tobytes()
    assert dict(one.exact) == dict(other.exact)
    assert dict(one.text) == dict(other.text)


@given(samples())
def test_buffer(given_samples):
    table = complete(buffer.decode(buffer.encode(to_batch(given_samples)), "this"))
    assert table.schema == SAMPLE_SCHEMA
    table.validate(full=True)
    assert_same(to_samples(table), given_samples)


@given(st.lists(samples(max_size=6), max_size=4), st.data())
@settings(max_examples=examples(30))
def test_pieces_and_slices(parts, data):
    """Chunked and sliced columns, as they come from several batches, mean the same as one piece."""
    tables = [pa.Table.from_batches([to_batch(part)]) for part in parts]
    table = concatenate(tables)
    start = data.draw(st.integers(0, len(table)))
    rows = np.arange(start, len(table))
    whole = to_samples(table)
    assert_same(to_samples(table.slice(start)), whole.take(rows))


@given(samples())
def test_no_value_is_null_never_nan(given_samples):
    table = complete(pa.Table.from_batches([to_batch(given_samples)]))
    values = table.column("value").to_pylist()
    assert [value is None for value in values] == np.isnan(given_samples.value).tolist()


@given(st.lists(st.one_of(st.none(), st.text(max_size=6))), st.lists(st.one_of(st.none(), st.booleans())))
def test_python_objects_become_what_pyarrow_makes_of_them(texts, flags):
    assert column_of(texts, pa.string()).equals(pa.array(texts, pa.string()))
    assert column_of(flags, pa.bool_()).equals(pa.array(flags, pa.bool_()))


@given(st.lists(st.one_of(st.none(), st.integers(-(2**31), 2**31 - 1))))
def test_python_numbers_become_what_pyarrow_makes_of_them(numbers):
    for type_ in (pa.int32(), pa.int64(), pa.float64(), pa.timestamp("us", tz="UTC")):
        assert column_of(numbers, type_).equals(pa.array(numbers, type_))


@given(npst.arrays(np.bool_, st.integers(0, 40)), st.data())
def test_bits_come_back(flags, data):
    chunk = column(flags, pa.bool_(), missing=~flags)
    assert chunk.is_valid().to_pylist() == flags.tolist()
    start = data.draw(st.integers(0, len(flags)))
    values = pa.chunked_array([chunk.slice(start)])
    assert present(values).tolist() == flags[start:].tolist()
    assert (
        numpy_of(pa.chunked_array([column(flags, pa.bool_())]).slice(start), np.bool_).tolist()
        == flags[start:].tolist()
    )


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(0, 5), st.booleans()), max_size=12), st.integers(0, 12))
def test_the_newest_of_each_tag(rows, cut):
    """Against a loop over the rows: later time wins, of equal times the later row; scans are the latest of the tag."""
    groups = [_group(rows[:cut], 0), _group(rows[cut:], cut)]
    newest = current.newest(current.merge(groups))
    expected: dict[int, tuple[int, int]] = {}
    scans: dict[int, int] = {}
    for place, (tag, time_us, is_newest) in enumerate(rows):
        if is_newest:
            expected[tag] = max(expected.get(tag, (-1, -1)), (time_us, place))
            scans[tag] = max(scans.get(tag, 0), place + 1)
    assert newest.samples.tag_id.tolist() == sorted(expected)
    assert list(zip(newest.samples.time_us, newest.samples.value, strict=True)) == [
        expected[tag] for tag in sorted(expected)
    ]
    assert newest.last_scan_us.tolist() == [scans[tag] for tag in sorted(expected)]


def _group(rows, first: int):
    count = len(rows)
    columns = Samples(
        np.array([row[0] for row in rows], np.int32),
        np.array([row[1] for row in rows], np.int64),
        np.arange(first, first + count, dtype=np.float64),
        np.zeros(count, np.uint32),
    )
    newest = np.array([row[2] for row in rows], np.bool_)
    scans = np.arange(first + 1, first + count + 1)
    return current.decode(0, current.encode(current.CurrentSamples(columns, newest, ~newest, scans)))
