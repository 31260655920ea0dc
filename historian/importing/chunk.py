"""Samples of many batches, in order of tag and time, each tag and time once: what is written at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from historian.importing.file_samples import FileSamples, Note, Reason, Refused, refused_samples
from historian.model.samples import BoolArray, IndexArray, Samples
from storage.insert import same


@dataclass(frozen=True, slots=True)
class Chunk:
    """``samples`` strictly increasing by series and time; ``refused`` the others that say something else."""

    samples: FileSamples
    refused: tuple[Refused, ...]
    notes: dict[Note, int]


def make_chunk(found: FileSamples, *, last_wins: bool) -> Chunk:
    """Sort, and leave each tag and time one sample: the first of the file, or the last (``last_wins``).

    Another sample that says the same is a repeat, one that does not is refused.
    """
    ordered = sort(found)
    samples = ordered.samples
    if not len(samples):
        return Chunk(ordered, (), {})
    again = np.zeros(len(samples), np.bool_)
    again[1:] = (samples.tag_id[1:] == samples.tag_id[:-1]) & (samples.time_us[1:] == samples.time_us[:-1])
    if not again.any():
        return Chunk(ordered, (), {})
    kept, others, winners = _winners(again, last_wins=last_wins)
    alike = same(samples.take(others), samples.take(winners))
    refused = refused_samples(Reason.DUPLICATE, ordered.take(others[~alike]))
    return Chunk(ordered.take(kept), (refused,) if len(refused) else (), {Note.REPEATED: int(alike.sum())})


def _winners(again: BoolArray, *, last_wins: bool) -> tuple[IndexArray, IndexArray, IndexArray]:
    """Rows that stay, those that go, and for each of these the row that stays in its place."""
    begins = np.flatnonzero(~again)
    kept = np.append(begins[1:], len(again)) - 1 if last_wins else begins
    group = np.cumsum(~again) - 1
    goes = np.ones(len(again), np.bool_)
    goes[kept] = False
    others = np.flatnonzero(goes)
    return kept, others, kept[group[others]]


def sort(found: FileSamples) -> FileSamples:
    """By series and time; equal ones keep the order of the file."""
    tag, time = found.samples.tag_id, found.samples.time_us
    if _in_order(found.samples):
        return found
    if len(time) and not (np.diff(time) < 0).any():
        # By time already: only the tags have to be brought together.  16 bits are sorted by counting.
        narrow = tag.astype(np.uint16) if tag.min() >= 0 and tag.max() < 1 << 16 else tag
        return found.take(np.argsort(narrow, kind="stable"))
    return found.take(np.lexsort((time, tag)))


def _in_order(samples: Samples) -> bool:
    tags, times = np.diff(samples.tag_id), np.diff(samples.time_us)
    return not ((tags < 0) | ((tags == 0) & (times < 0))).any()
