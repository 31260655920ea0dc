"""Reading samples of some tags in a range of time: from the catalogue to the row groups to the rows, without SQL.

The catalogue says which files, and their footers which row groups, can have an answer; in those, rows are found by
halving.  Recent samples stand in front, and edits in the place of what they hide.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from historian.model.samples import FloatArray, IndexArray, Int32Array, Int64Array, Samples
from historian.model.status import BAD, UNCERTAIN
from storage.arrays import numpy_of
from storage.catalogue import ArchiveFile
from storage.columns import times_us
from storage.file_ranges import FileRanges, overlapping, share
from storage.footers import Groups
from storage.loose import Loose
from storage.nearest import Nearest
from storage.parts import Part, assemble
from storage.pieces import Piece, Pieces
from storage.reader import StoreSnapshot

ROUGHLY: Final = 4
"""So many times more samples than wanted may seem to be in files whose tags are not all alike."""

THINNED: Final = 5
"""Only where there are more samples than so many times the instants it is quicker to pick those next to them."""


class RangeReader:
    """Answers over any snapshot of one store: files never change.  May be used from several threads.

    ``tag_id`` is int32[k], each once, in any order; times are microseconds since 1970 UTC.  What comes back is by tag,
    in that order, and time, each visible sample once.  All methods raise CorruptionError, which names the file.
    """

    def __init__(self, pieces: Pieces | None = None) -> None:
        self._pieces = pieces or Pieces()
        self._ranges = FileRanges.of(())
        self._last: tuple[StoreSnapshot, Int32Array, Loose] | None = None

    def between(self, snapshot: StoreSnapshot, tag_id: Int32Array, start_us: int, end_us: int) -> Samples:
        """The samples in [``start_us``, ``end_us``)."""
        ids = np.sort(tag_id)
        return assemble(self._between(snapshot, self._loose(snapshot, ids), ids, start_us, end_us), tag_id)

    def around(
        self,
        snapshot: StoreSnapshot,
        tag_id: Int32Array,
        start_us: int,
        end_us: int,
        *,
        uncertain_as_bad: bool = False,
        next_to_us: Int64Array | None = None,
    ) -> Samples:
        """The samples in [``start_us``, ``end_us``), and those outside that answers about this range depend on.

        These are, of each tag, the last sample before it and the last two before it that are not Bad; the first one
        after it and the first one after it that is not Bad.  ``uncertain_as_bad`` takes Uncertain ones for Bad.  With
        ``next_to_us`` (increasing) most of the samples inside that are not next to one of these instants are left out.
        """
        ids = np.sort(tag_id)
        loose, ranges = self._loose(snapshot, ids), self._files(snapshot)
        bad_from = UNCERTAIN if uncertain_as_bad else BAD
        before = Nearest(self._pieces, ranges, loose, ids, start_us, before=True, not_bad=2, bad_from=bad_from)
        after = Nearest(self._pieces, ranges, loose, ids, end_us, before=False, not_bad=1, bad_from=bad_from)
        inside = self._between(snapshot, loose, ids, start_us, end_us)
        if next_to_us is not None:
            inside = [_next_to(part, next_to_us) for part in inside]
        return assemble([*before.find(), *inside, *after.find()], tag_id)

    def at_or_before(self, snapshot: StoreSnapshot, tag_id: Int32Array, time_us: int) -> Samples:
        """The newest sample of each tag at or before an instant; fewer where there is none."""
        ids = np.sort(tag_id)
        loose, ranges = self._loose(snapshot, ids), self._files(snapshot)
        return assemble(Nearest(self._pieces, ranges, loose, ids, time_us + 1, before=True, not_bad=0).find(), tag_id)

    def files(self, snapshot: StoreSnapshot, tag_id: Int32Array, start_us: int, end_us: int) -> tuple[ArchiveFile, ...]:
        """The files that can have samples of ``tag_id``, sorted here, from the catalogue alone."""
        places = overlapping(self._files(snapshot), tag_id, start_us, end_us)
        if len(places) == len(snapshot.files):
            return snapshot.files
        return tuple(snapshot.files[place] for place in places.tolist())

    def roughly(self, snapshot: StoreSnapshot, tag_id: Int32Array, start_us: int, end_us: int) -> float:
        """How many samples of ``tag_id``, sorted here, are in files: a guess from the catalogue alone."""
        ranges = self._files(snapshot)
        places = overlapping(ranges, tag_id, start_us, end_us)
        return float(share(ranges, places, tag_id, start_us, end_us).sum())

    def is_quick(self, snapshot: StoreSnapshot, tag_id: Int32Array, start_us: int, end_us: int, samples: int) -> bool:
        """True when there are at most about so many samples, and what is unpacked for them can be kept in memory.

        ``tag_id`` is sorted here.
        """
        # The catalogue first: it spares looking into the footers of thousands of files, only to find too much in them.
        if self.roughly(snapshot, tag_id, start_us, end_us) > samples * ROUGHLY:
            return False
        chosen = self._groups(snapshot, tag_id, start_us, end_us)
        if not self._pieces.fits(sum(int(groups.rows[numbers].sum()) for _, groups, numbers in chosen)):
            return False
        archived = sum(share(groups, numbers, tag_id, start_us, end_us).sum() for _, groups, numbers in chosen)
        return bool(archived + _count_recent(snapshot, tag_id, start_us, end_us).sum() <= samples)

    @property
    def bytes(self) -> int:
        """Memory that is taken for what was read, roughly."""
        return self._pieces.bytes

    def _loose(self, snapshot: StoreSnapshot, tag_id: Int32Array) -> Loose:
        """Made anew for other tags, or when somebody has committed."""
        last = self._last
        if last is None or last[0] is not snapshot or not np.array_equal(last[1], tag_id):
            last = self._last = (snapshot, tag_id, Loose.of(snapshot, tag_id))
        return last[2]

    def _files(self, snapshot: StoreSnapshot) -> FileRanges:
        ranges = self._ranges
        if ranges.files is not snapshot.files:
            ranges = self._ranges = FileRanges.of(snapshot.files)
        return ranges

    def _groups(
        self, snapshot: StoreSnapshot, tag_id: Int32Array, start_us: int, end_us: int
    ) -> list[tuple[str, Groups, IndexArray]]:
        """Path, footer and numbers of the row groups that can have some."""
        ranges = self._files(snapshot)
        found = []
        for place in overlapping(ranges, tag_id, start_us, end_us).tolist():
            path = ranges.files[place].path
            groups = self._pieces.groups(path)
            numbers = overlapping(groups, tag_id, start_us, end_us)
            if len(numbers):
                found.append((path, groups, numbers))
        return found

    def _between(
        self, snapshot: StoreSnapshot, loose: Loose, tag_id: Int32Array, start_us: int, end_us: int
    ) -> list[Part]:
        chosen = self._groups(snapshot, tag_id, start_us, end_us)
        keep = self._pieces.fits(sum(int(groups.rows[numbers].sum()) for _, groups, numbers in chosen))
        parts = list(_parts(loose.piece, tag_id, start_us, end_us))
        for path, _, numbers in chosen:
            if keep:
                self._pieces.load(path, numbers.tolist())
            for piece in self._pieces.read(path, numbers.tolist(), keep=keep):
                parts += _parts(piece, tag_id, start_us, end_us, loose)
        return parts

    def estimate(self, snapshot: StoreSnapshot, tag_id: Int32Array, start_us: int, end_us: int) -> FloatArray:
        """float64[k]: about how many samples of each of ``tag_id``, sorted here, are in the range.

        From the footers, which say how many samples some tags have together in some time.
        """
        changes = np.zeros(len(tag_id) + 1)
        for _, groups, numbers in self._groups(snapshot, tag_id, start_us, end_us):
            first_us, last_us = groups.first_us[numbers], groups.last_us[numbers]
            inside = (np.minimum(last_us, end_us - 1) - np.maximum(first_us, start_us) + 1) / (last_us - first_us + 1)
            tags = groups.last_tag[numbers] - groups.first_tag[numbers] + 1
            each = groups.rows[numbers] * inside / tags
            np.add.at(changes, tag_id.searchsorted(groups.first_tag[numbers]), each)
            np.add.at(changes, tag_id.searchsorted(groups.last_tag[numbers], side="right"), -each)
        return np.cumsum(changes)[:-1] + _count_recent(snapshot, tag_id, start_us, end_us)


def _next_to(part: Part, at_us: Int64Array) -> Part:
    """Of a part's rows the last two at or before each instant and the first after it."""
    times = part.piece.time_us[part.rows]
    after = times.searchsorted(at_us, side="right")
    if isinstance(part.rows, slice) and THINNED * len(after) < len(times):
        near = np.concatenate([after - 2, after - 1, after])
        wanted = np.zeros(len(times), np.bool_)
        wanted[near[(near >= 0) & (near < len(times))]] = True
        return Part(part.tag_id, part.piece, part.rows.start + np.flatnonzero(wanted))
    return part


def _count_recent(snapshot: StoreSnapshot, tag_id: Int32Array, start_us: int, end_us: int) -> IndexArray:
    """intp[k]: how many samples of each tag in the range are in no file yet."""
    if not len(snapshot.recent):
        return np.zeros(len(tag_id), np.intp)
    recent, times = numpy_of(snapshot.recent.column("tag_id"), np.int32), times_us(snapshot.recent)
    mine = recent[np.isin(recent, tag_id) & (times >= start_us) & (times < end_us)]
    return np.bincount(tag_id.searchsorted(mine), minlength=len(tag_id))


def _parts(piece: Piece, tag_id: Int32Array, start_us: int, end_us: int, loose: Loose | None = None) -> Iterator[Part]:
    """The rows in the range, a part a tag; without those that edits in ``loose`` hide.  Loops over tags."""
    for tag, first, end in piece.runs(tag_id):
        low, high = (first + piece.time_us[first:end].searchsorted([start_us, end_us])).tolist()
        if low == high:
            continue
        rows = slice(low, high) if loose is None else loose.visible(tag, piece, low, high)
        if isinstance(rows, slice) or len(rows):
            yield Part(tag, piece, rows)
