"""The size said beforehand, and that of the archive file when the samples are in it."""

from __future__ import annotations

from contextlib import closing

import numpy as np
import pytest

from historian.model.commit import Commit
from historian.model.samples import Samples
from historian.model.tag import Tag
from historian.tuning.size import bytes_of
from storage.reader import StoreReader
from storage.store import Store
from support.raw_series import T0_US, noise, series

SIGNALS = {
    "quantised": lambda seed: np.round(50 + 10 * np.sin(np.arange(40_000) / 3000) + noise(40_000, 0.2, seed), 1),
    "not quantised": lambda seed: 50 + noise(40_000, 1.0, seed),
    "few": lambda seed: 50 + noise(900, 1.0, seed),
}
TAGS = 20


@pytest.mark.parametrize("name", SIGNALS)
def test_like_an_archive_file(tmp_path, name):
    all_raw = [series(SIGNALS[name](seed)) for seed in range(TAGS)]
    kept = np.arange(len(all_raw[0])) % 3 == 0
    with closing(Store.open(tmp_path / "store", create=True)) as store:
        ids = store.register_tags([Tag(f"T{number}", "s", "hr:0", "fast") for number in range(TAGS)], T0_US, "test")
        samples = Samples(
            np.repeat(np.array(list(ids.values()), np.int32), kept.sum()),
            np.concatenate([raw.time_us[kept] for raw in all_raw]),
            np.concatenate([raw.value[kept] for raw in all_raw]),
            np.zeros(kept.sum() * TAGS, np.uint32),
        )
        store.commit(Commit(T0_US, samples))
        store.flush(force=True)
    with StoreReader.open(tmp_path / "store") as reader:
        real = reader.statistics().archive_bytes
    assert sum(bytes_of(raw, kept) for raw in all_raw) == pytest.approx(real, rel=0.1)


def test_nothing():
    raw = series([1.0, 2.0])
    assert bytes_of(raw, np.zeros(2, np.bool_)) == 0
