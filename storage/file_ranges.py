"""The catalogue in columns: which of thousands of files can hold samples of some tags and times, without a loop."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from historian.model.samples import BoolArray, FloatArray, Int32Array, Int64Array
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


def overlapping(ranges: FileRanges | Groups, tag_id: Int32Array, start_us: int, end_us: int) -> BoolArray:
    """bool[n]: this file or row group can hold a sample of one of ``tag_id`` (sorted) in [``start_us``, ``end_us``)."""
    wanted: BoolArray = (ranges.first_us < end_us) & (ranges.last_us >= start_us) & holding(ranges, tag_id)
    return wanted


def holding(ranges: FileRanges | Groups, tag_id: Int32Array) -> BoolArray:
    """bool[n]: the range of tags of this file or row group has one of ``tag_id`` (sorted) in it."""
    found: BoolArray = tag_id.searchsorted(ranges.first_tag) < tag_id.searchsorted(ranges.last_tag, side="right")
    return found


def share(ranges: FileRanges | Groups, tag_id: Int32Array, start_us: int, end_us: int) -> FloatArray:
    """float64[n]: about how many samples of ``tag_id`` (sorted) in [``start_us``, ``end_us``) each file or group has.

    They would be so many, were its samples spread evenly over its tags and its time.
    """
    inside = np.minimum(ranges.last_us, end_us - 1) - np.maximum(ranges.first_us, start_us) + 1
    of_time = np.maximum(inside, 0) / (ranges.last_us - ranges.first_us + 1)
    held = tag_id.searchsorted(ranges.last_tag, side="right") - tag_id.searchsorted(ranges.first_tag)
    found: FloatArray = ranges.rows * of_time * held / (ranges.last_tag.astype(np.int64) - ranges.first_tag + 1)
    return found
