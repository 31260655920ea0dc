"""Whether the values of a tag repeat: judged from some of them, by what a converter or a computation gives."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from storage.archive import MIN_GROUP_ROWS
from storage.value_kinds import Encodings, is_unique, repeats

RNG = np.random.default_rng(1)
ROWS = 21_600


def drift(bits: int, noise: float = 0.0) -> np.ndarray:
    """A slow swing over the whole span of a converter."""
    at = np.arange(ROWS)
    signal = 50 + 45 * np.sin(at / ROWS * 40) + noise * RNG.standard_normal(ROWS)
    return np.rint(signal / 100 * (2**bits - 1)) * (100 / (2**bits - 1))


SIGNALS = {
    "valve": (np.arange(ROWS) // 900 % 2.0, True),
    "set point": (np.repeat(RNG.integers(40, 160, 24), 900) * 0.5, True),
    "12 bits": (drift(12, 0.03), True),
    "16 bits with noise": (drift(16, 2.0), False),
    "walk": (np.cumsum(RNG.standard_normal(ROWS)), False),
    "counter": (np.cumsum(RNG.poisson(3.0, ROWS)).astype(float), False),
    "no value": (np.full(ROWS, np.nan), True),
    "one value": (np.full(1, 1.5), True),
    "nothing": (np.empty(0), True),
    "mostly none": (np.where(np.arange(ROWS) % 50, np.nan, np.cumsum(RNG.standard_normal(ROWS))), False),
}


@pytest.mark.parametrize("name", SIGNALS)
def test_kinds_of_signals(name):
    values, wanted = SIGNALS[name]
    assert repeats(values) == wanted


def group_of(values: np.ndarray, tags: int = 1) -> pa.Table:
    tag_id = np.repeat(np.arange(1, tags + 1, dtype=np.int32), -(-len(values) // tags))[: len(values)]
    return pa.table({"tag_id": tag_id, "value": pa.array(values, mask=np.isnan(values))})


def test_only_long_row_groups_of_one_tag_are_unique():
    walk = SIGNALS["walk"][0]
    assert is_unique(group_of(walk))
    assert not is_unique(group_of(walk[: MIN_GROUP_ROWS - 1]))
    assert not is_unique(group_of(walk, tags=2))
    assert not is_unique(group_of(SIGNALS["12 bits"][0]))


def test_missing_values_are_no_values():
    """What lies under a null is not looked at."""
    values = SIGNALS["walk"][0].copy()
    values[::2] = np.nan
    table = group_of(values)
    assert is_unique(table) == (not repeats(values))


def test_each_kind_has_its_encoding_where_there_are_two():
    walk, codes = group_of(SIGNALS["walk"][0]), group_of(SIGNALS["12 bits"][0])
    both = Encodings("dictionary", "BYTE_STREAM_SPLIT")
    assert (both.of(walk), both.of(codes)) == ("BYTE_STREAM_SPLIT", "dictionary")
    assert Encodings("PLAIN").of(walk) == "PLAIN"
