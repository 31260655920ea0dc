"""The newest sample of each tag, from the files of the archive alone, reading as few of them as can be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow.parquet as pq

from historian.model.commit import CurrentSamples
from historian.model.samples import IndexArray, Int32Array, Samples, concatenate
from storage.columns import complete, to_samples
from storage.overlap import Chunk, Holding

_NEVER: Final = np.iinfo(np.int64).min


@dataclass(frozen=True, slots=True)
class _Place:
    path: str
    chunk: Chunk


def newest(root: Path, holdings: Sequence[Holding], tag_ids: Int32Array) -> CurrentSamples:
    """One row for each of ``tag_ids`` (int32[n]) that has samples; ``last_scan_us`` is the sample's time."""
    wanted = np.unique(tag_ids)
    places = [_Place(holding.name, chunk) for holding in holdings for chunk in holding.chunks]
    places.sort(key=lambda place: place.chunk.last_us, reverse=True)
    best_us = np.full(len(wanted), _NEVER, np.int64)
    where = np.zeros((len(wanted), 2), np.int64)  # place and row of the best sample of each tag
    for number, place in enumerate(places):
        first, end = np.searchsorted(wanted, [place.chunk.first_tag, place.chunk.last_tag + 1])
        if (best_us[first:end] < place.chunk.last_us).any():
            _improve(wanted, best_us, where, number, place.chunk)
    found = np.flatnonzero(best_us > _NEVER)
    return _current(root, places, where[found])


def _improve(wanted: Int32Array, best_us: np.ndarray, where: np.ndarray, number: int, chunk: Chunk) -> None:
    keys = chunk.load()
    # Sorted by tag and time: the last row of each tag is its newest.
    ends: IndexArray = np.append(np.flatnonzero(np.diff(keys.tag_id)), len(keys.tag_id) - 1)
    known = np.isin(keys.tag_id[ends], wanted)
    ends = ends[known]
    tags = np.searchsorted(wanted, keys.tag_id[ends])
    better = keys.time_us[ends] > best_us[tags]
    best_us[tags[better]] = keys.time_us[ends[better]]
    where[tags[better]] = np.stack([np.full(int(better.sum()), number), ends[better]], axis=1)


def _current(root: Path, places: Sequence[_Place], where: np.ndarray) -> CurrentSamples:
    parts: list[Samples] = []
    for number in np.unique(where[:, 0]):
        place = places[number]
        with pq.ParquetFile(root / place.path) as file:
            table = complete(file.read_row_group(place.chunk.number, use_threads=False))
        parts.append(to_samples(table.take(where[where[:, 0] == number, 1].tolist())))
    samples = concatenate(parts)
    count = len(samples)
    return CurrentSamples(samples, np.ones(count, np.bool_), np.zeros(count, np.bool_), samples.time_us.copy())
