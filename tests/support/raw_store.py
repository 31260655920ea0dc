"""A store with raw samples of some tags, made of arrays: what ``historian tune`` and its like read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

from historian.model.commit import Commit
from historian.model.samples import Samples, concatenate
from historian.model.tag import Tag
from historian.tuning.series import RawSeries
from storage.store import Store
from support.raw_series import T0_US


def make_raw_store(path: Path, tags: Sequence[Tag], samples: Mapping[str, RawSeries]) -> None:
    """A store with these tags, and with samples of some of them; half of it archived."""
    with closing(Store.open(path, create=True)) as store:
        ids = store.register_tags(tags, T0_US, "test")
        for part in (slice(0, None, 2), slice(1, None, 2)):
            commit = concatenate([_samples(ids[name], series, part) for name, series in samples.items()])
            store.commit(Commit(T0_US, commit))
            if part.start == 0:
                store.flush(force=True)


def _samples(tag_id: int, series: RawSeries, part: slice) -> Samples:
    time_us = series.time_us[part]
    return Samples(np.full(len(time_us), tag_id, np.int32), time_us, series.value[part], series.status[part])
