"""The catalogue in columns: which of thousands of files can hold samples of some tags and times, without a loop."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from historian.model.samples import BoolArray, FloatArray, IndexArray, Int32Array, Int64Array
from storage.catalogue import ArchiveFile
from storage.footers import Groups


@dataclass(frozen=True, slots=True)
class FileRanges:
    """The ranges of tags and times of ``files``, a row each, all inclusive."""

    files: tuple[ArchiveFile, ...]
    rows: Int64Array
    first_tag: Int32Array
    last_tag: Int32Array
    first_us: Int64Array
    last_us: Int64Array

    @classmethod
    def of(cls, files: tuple[ArchiveFile, ...]) -> FileRanges:
        """The same files in columns."""
        return cls(
            files,
            np.array([file.rows for file in files], np.int64),
            np.array([file.first_tag for file in files], np.int32),
            np.array([file.last_tag for file in files], np.int32),
            np.array([file.first_us for file in files], np.int64),
            np.array([file.last_us for file in files], np.int64),
        )


def overlapping(ranges: FileRanges | Groups, tag_id: Int32Array, start_us: int, end_us: int) -> IndexArray:
    """The files or row groups that can hold a sample of one of ``tag_id`` (sorted) in [``start_us``, ``end_us``)."""
    places = np.flatnonzero((ranges.first_us < end_us) & (ranges.last_us >= start_us))
    return places[holding(ranges, tag_id, places)]


def holding(ranges: FileRanges | Groups, tag_id: Int32Array, places: IndexArray | None = None) -> BoolArray:
    """bool[n]: of all files or row groups, or those at ``places``: a tag of ``tag_id`` (sorted) is in range."""
    first_tag, last_tag = ranges.first_tag, ranges.last_tag
    if places is not None:
        first_tag, last_tag = first_tag[places], last_tag[places]
    found: BoolArray = tag_id.searchsorted(first_tag) < tag_id.searchsorted(last_tag, side="right")
    return found


def share(
    ranges: FileRanges | Groups, places: IndexArray, tag_id: Int32Array, start_us: int, end_us: int
) -> FloatArray:
    """float64[m]: about how many samples of ``tag_id`` (sorted) in [``start_us``, ``end_us``) those at ``places`` have.

    They would be so many, were the samples of a file or row group spread evenly over its tags and its time.
    """
    first_us, last_us = ranges.first_us[places], ranges.last_us[places]
    first_tag, last_tag = ranges.first_tag[places], ranges.last_tag[places]
    inside = np.maximum(np.minimum(last_us, end_us - 1) - np.maximum(first_us, start_us) + 1, 0)
    held = tag_id.searchsorted(last_tag, side="right") - tag_id.searchsorted(first_tag)
    of_tags = held / (last_tag.astype(np.int64) - first_tag + 1)
    found: FloatArray = ranges.rows[places] * (inside / (last_us - first_us + 1)) * of_tags
    return found
