"""Of each tag the samples next to an instant, before it or after it, without reading the archive from end to end.

Files are looked into by their distance from the instant, nearest first, and in them the row groups likewise, until
nothing nearer can come: mostly one row group a tag.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
GROWTH: Final = 16
"""Where the very next rows are Bad, or hidden by edits, so many are looked at, then so many times more, and so on."""


class Nearest:
    """Samples of ``tag_id`` (sorted, each once) next to ``at_us``: strictly ``before`` it, else at it or after it.

    Of each tag the nearest one and the nearest ``not_bad`` ones that are not Bad: with a status below ``bad_from``,
    BAD or, to take Uncertain ones for Bad, UNCERTAIN.  A distance is the time from the
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
        bad_from: int = BAD,
    ) -> None:
        self._pieces, self._ranges, self._loose = pieces, ranges, loose
        self._tag_id, self._at_us = tag_id, at_us
        self._before, self._not_bad, self._bad_from = before, not_bad, bad_from
        self._nearest = np.full(len(tag_id), _FAR)
        self._good = np.full((len(tag_id), not_bad), _FAR)
        self._reach = self._good[:, -1] if not_bad else self._nearest
        self._found: dict[int, list[Part]] = {}

    def find(self) -> list[Part]:
        """They, in no order; fewer where there are none.  Raises CorruptionError, which names the file."""
        self._look(self._loose.piece, self._tag_id, is_file=False)
        distance = self._distances(self._ranges)
        relevant = np.flatnonzero((distance < _FAR) & holding(self._ranges, self._tag_id))
        for place in relevant[np.argsort(distance[relevant], kind="stable")].tolist():
            if not (self._reach > distance[place]).any():
                break
            self._look_into(place, int(distance[place]))
        return [part for place, parts in self._found.items() for part in self._chosen(place, parts)]

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
        waiting: list[Int32Array] = []
        for piece in self._pieces.read(file.path, self._worth_reading(file.path, groups, waiting)):
            self._look(piece, waiting.pop(), is_file=True)

    def _worth_reading(self, path: str, groups: Groups, waiting: list[Int32Array]) -> Iterator[int]:
        """The row groups that can have something nearer than what is known when it is their turn.

        Puts the tags that are looked for in one into ``waiting``.
        """
        distances = self._distances(groups)
        relevant = np.flatnonzero((distances < _FAR) & holding(groups, self._tag_id))
        self._pieces.load(path, relevant[distances[relevant] <= 1].tolist())  # the instant lies in them
        order = relevant[np.argsort(distances[relevant], kind="stable")]
        lows = self._tag_id.searchsorted(groups.first_tag[order]).tolist()
        highs = self._tag_id.searchsorted(groups.last_tag[order], side="right").tolist()
        # A row group that is Bad all through has nothing for those who wait for a sample that is not.
        is_bad = (groups.most_status[order] < 0).tolist()
        for place, (number, distance) in enumerate(zip(order.tolist(), distances[order].tolist(), strict=True)):
            low, high = lows[place], highs[place]
            looking = (self._nearest if is_bad[place] else self._reach)[low:high] > distance
            if count := np.count_nonzero(looking):
                tag_id = self._tag_id[low:high]
                waiting.append(tag_id if count == high - low else tag_id[looking])
                yield number

    def _look(self, piece: Piece, tag_id: Int32Array, *, is_file: bool) -> None:
        """Loops over tags, not samples."""
        for tag, first, end in piece.runs(tag_id):
            middle = first + int(piece.time_us[first:end].searchsorted(self._at_us))
            low, high = (first, middle) if self._before else (middle, end)
            if low < high:
                self._take(tag, piece, low, high, is_file=is_file)

    def _take(self, tag: int, piece: Piece, low: int, high: int, *, is_file: bool) -> None:
        if not self._not_bad and not (is_file and tag in self._loose.hidden):
            self._take_nearest(tag, piece, high - 1 if self._before else low)
            return
        if not (is_file and tag in self._loose.hidden) and self._take_good(tag, piece, low, high):
            return
        size = max(self._not_bad, 1)
        while True:
            first, end = (max(low, high - size), high) if self._before else (low, min(high, low + size))
            rows = self._loose.visible(tag, piece, first, end) if is_file else slice(first, end)
            if self._keep(tag, piece, rows, is_all=(first, end) == (low, high)):
                return
            size = max(size * GROWTH, _WINDOW)

    def _take_nearest(self, tag: int, piece: Piece, row: int) -> None:
        """The short way for the commonest question: for 200 tags at an instant it takes half the time."""
        place = int(self._tag_id.searchsorted(tag))
        distance = abs(int(piece.time_us[row]) - self._at_us)
        if distance < self._nearest[place]:
            self._nearest[place] = distance
            self._found[place] = [Part(tag, piece, slice(row, row + 1))]

    def _take_good(self, tag: int, piece: Piece, low: int, high: int) -> bool:
        """The short way where the next rows are not Bad; False where one is."""
        first, end = (high - self._not_bad, high) if self._before else (low, low + self._not_bad)
        if first < low or end > high or not (piece.status[first:end] < self._bad_from).all():
            return False
        place = int(self._tag_id.searchsorted(tag))
        distance = np.abs(piece.time_us[first:end] - self._at_us)
        self._note(place, distance[::-1] if self._before else distance)
        self._found.setdefault(place, []).append(Part(tag, piece, slice(first, end)))
        return True

    def _keep(self, tag: int, piece: Piece, rows: Rows, *, is_all: bool) -> bool:
        """Note the wanted ones of ``rows``; False when there may be more of them farther away."""
        times, is_good = piece.time_us[rows], piece.status[rows] < self._bad_from
        if not is_all and (not len(times) or np.count_nonzero(is_good) < self._not_bad):
            return False
        if len(times):
            wanted = self._wanted(is_good)
            chosen = rows if len(wanted) == len(times) else _at(rows, wanted)
            place = int(self._tag_id.searchsorted(tag))
            distance = np.abs(times[wanted] - self._at_us)
            self._nearest[place] = min(self._nearest[place], distance.min())
            self._note(place, np.sort(distance[is_good[wanted]]))
            self._found.setdefault(place, []).append(Part(tag, piece, chosen))
        return True

    def _wanted(self, is_good: BoolArray) -> IndexArray:
        """Of rows in the order of time, at least one: the nearest, and the nearest that are not Bad."""
        nearest = len(is_good) - 1 if self._before else 0
        if not self._not_bad:
            return np.array([nearest])
        good = np.flatnonzero(is_good)
        good = good[-self._not_bad :] if self._before else good[: self._not_bad]
        return good if nearest in good else np.sort(np.append(good, nearest))

    def _note(self, place: int, good: Int64Array) -> None:
        """Samples that are not Bad at these distances, nearest first."""
        if not len(good):
            return
        self._nearest[place] = min(self._nearest[place], good[0])
        known = self._good[place]
        if self._not_bad and known[0] == _FAR:
            known[: len(good)] = good[: self._not_bad]
        elif self._not_bad:
            known[:] = np.sort(np.concatenate([known, good]))[: self._not_bad]

    def _chosen(self, place: int, parts: Sequence[Part]) -> Iterator[Part]:
        """Of what several files and the buffer had of a tag, those that are among the nearest of all."""
        if len(parts) == 1:
            yield parts[0]
            return
        for part in parts:
            distance = np.abs(part.piece.time_us[part.rows] - self._at_us)
            wanted: BoolArray = distance == self._nearest[place]
            if self._not_bad:
                wanted |= (part.piece.status[part.rows] < self._bad_from) & (distance <= self._reach[place])
            if wanted.any():
                yield Part(part.tag_id, part.piece, _at(part.rows, np.flatnonzero(wanted)))


def _at(rows: Rows, places: IndexArray) -> IndexArray:
    """Some of ``rows``."""
    chosen: IndexArray = rows.start + places if isinstance(rows, slice) else rows[places]
    return chosen
