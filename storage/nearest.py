"""Of each tag the samples next to an instant, before it or after it, without reading the archive from end to end.

Files are looked into by their distance from the instant, nearest first, and in them the row groups likewise, until
nothing nearer can come: mostly one row group a tag.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import starmap
from typing import Final

import numpy as np

from historian.model.samples import BoolArray, IndexArray, Int32Array, Int64Array
from historian.model.status import BAD
from storage.file_ranges import FileRanges, holding
from storage.footers import Groups
from storage.loose import Loose
from storage.parts import Part
from storage.pieces import Piece, Pieces, Rows

_FAR: Final = int(np.iinfo(np.int64).max)

_WINDOW: Final = 64
"""So many rows are looked at first for samples that are not Bad; then sixteen times as many, and so on."""


class Nearest:
    """Samples of ``tag_id`` (sorted, each once) next to ``at_us``: strictly ``before`` it, else at it or after it.

    Of each tag the nearest one and the nearest ``not_bad`` ones that are not Bad.  A distance is the time from the
    instant, always positive; ``_reach`` is how far away the farthest wanted sample is at most, by place in ``tag_id``.
    """

    def __init__(
        self,
        pieces: Pieces,
        ranges: FileRanges,
        loose: Loose,
        tag_id: Int32Array,
        at_us: int,
        *,
        before: bool,
        not_bad: int,
    ) -> None:
        self._pieces, self._ranges, self._loose = pieces, ranges, loose
        self._tag_id, self._at_us = tag_id, at_us
        self._before, self._not_bad = before, not_bad
        self._nearest = np.full(len(tag_id), _FAR)
        self._good = np.full((len(tag_id), not_bad), _FAR)
        self._reach = self._good[:, -1] if not_bad else self._nearest
        self._found: list[tuple[int, Piece, IndexArray]] = []

    def find(self) -> list[Part]:
        """They, in no order; fewer where there are none.  Raises CorruptionError, which names the file."""
        self._look(self._loose.piece, self._tag_id, is_file=False)
        distance = self._distances(self._ranges)
        relevant = np.flatnonzero((distance < _FAR) & holding(self._ranges, self._tag_id))
        for place in relevant[np.argsort(distance[relevant], kind="stable")].tolist():
            if not (self._reach > distance[place]).any():
                break
            self._look_into(place, int(distance[place]))
        return [Part(tag, piece, rows) for tag, piece, rows in starmap(self._chosen, self._found) if len(rows)]

    def _distances(self, ranges: FileRanges | Groups) -> Int64Array:
        """int64[n]: how near a sample in this file or row group can be; _FAR when all are on the other side."""
        if self._before:
            near: Int64Array = np.where(
                ranges.first_us < self._at_us, np.maximum(self._at_us - ranges.last_us, 1), _FAR
            )
            return near
        after: Int64Array = np.where(ranges.last_us >= self._at_us, np.maximum(ranges.first_us - self._at_us, 0), _FAR)
        return after

    def _look_into(self, place: int, distance: int) -> None:
        file = self._ranges.files[place]
        low, high = self._tag_id.searchsorted([file.first_tag, file.last_tag + 1])
        if not (self._reach[low:high] > distance).any():
            return
        groups = self._pieces.groups(file.path)
        distances = self._distances(groups)
        waiting: list[Int32Array] = []
        for piece in self._pieces.read(file.path, self._worth_reading(groups, distances, waiting)):
            self._look(piece, waiting.pop(), is_file=True)

    def _worth_reading(self, groups: Groups, distances: Int64Array, waiting: list[Int32Array]) -> Iterator[int]:
        """The row groups that can have something nearer than what is known when it is their turn.

        Puts the tags that are looked for in one into ``waiting``.
        """
        relevant = np.flatnonzero((distances < _FAR) & holding(groups, self._tag_id))
        lows = self._tag_id.searchsorted(groups.first_tag)
        highs = self._tag_id.searchsorted(groups.last_tag, side="right")
        for number in relevant[np.argsort(distances[relevant], kind="stable")].tolist():
            low, high = lows[number], highs[number]
            # A row group that is Bad all through has nothing for those who wait for a sample that is not.
            reach = self._nearest if groups.most_status[number] < 0 else self._reach
            looking = reach[low:high] > distances[number]
            if looking.any():
                waiting.append(self._tag_id[low:high][looking])
                yield number

    def _look(self, piece: Piece, tag_id: Int32Array, *, is_file: bool) -> None:
        """Loops over tags, not samples."""
        for tag, first, end in piece.runs(tag_id):
            middle = first + int(piece.time_us[first:end].searchsorted(self._at_us))
            low, high = (first, middle) if self._before else (middle, end)
            if low < high:
                self._take(tag, piece, low, high, is_file=is_file)

    def _take(self, tag: int, piece: Piece, low: int, high: int, *, is_file: bool) -> None:
        size = _WINDOW if self._not_bad else 1
        while True:
            first, end = (max(low, high - size), high) if self._before else (low, min(high, low + size))
            rows = self._loose.visible(tag, piece, first, end) if is_file else slice(first, end)
            if self._keep(tag, piece, rows, is_all=(first, end) == (low, high)):
                return
            size *= 16

    def _keep(self, tag: int, piece: Piece, rows: Rows, *, is_all: bool) -> bool:
        """Note the wanted ones of ``rows``; False when there may be more of them farther away."""
        found = np.arange(rows.start, rows.stop) if isinstance(rows, slice) else rows
        good = found[piece.status[found] < BAD] if self._not_bad else found[:0]
        if not is_all and (not len(found) or len(good) < self._not_bad):
            return False
        if len(found):
            nearest, good = (found[-1:], good[-self._not_bad :]) if self._before else (found[:1], good[: self._not_bad])
            self._note(int(self._tag_id.searchsorted(tag)), piece, nearest, good)
            self._found.append((tag, piece, np.union1d(nearest, good) if self._not_bad else nearest))
        return True

    def _note(self, place: int, piece: Piece, nearest: IndexArray, good: IndexArray) -> None:
        self._nearest[place] = min(self._nearest[place], abs(int(piece.time_us[nearest[0]]) - self._at_us))
        if self._not_bad:
            known = np.concatenate([self._good[place], np.abs(piece.time_us[good] - self._at_us)])
            self._good[place] = np.sort(known)[: self._not_bad]

    def _chosen(self, tag: int, piece: Piece, rows: IndexArray) -> tuple[int, Piece, IndexArray]:
        """Of what a file or the buffer had of a tag, those that are still among the nearest."""
        place = int(self._tag_id.searchsorted(tag))
        distance = np.abs(piece.time_us[rows] - self._at_us)
        wanted: BoolArray = distance == self._nearest[place]
        if self._not_bad:
            wanted |= (piece.status[rows] < BAD) & (distance <= self._reach[place])
        return tag, piece, rows[wanted]
