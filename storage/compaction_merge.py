"""Sorted files become one sorted stream, in memory that does not grow with them; edits are written into it.

Row groups are loaded in the order of their first key.  Whatever lies before the first key of those not loaded yet is
complete: it is sorted and handed on, the rest waits.  So the memory is that of the row groups that overlap: of files of
minutes one each, of files of days hardly any.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import numpy as np
import pyarrow as pa

from historian.model.samples import BoolArray, IndexArray, Int32Array, Int64Array
from storage import archive, edits
from storage.arrays import column, numpy_of
from storage.columns import complete, times_us, to_samples
from storage.compaction_input import Group, Inputs, Key
from storage.value_kinds import Encodings, is_split, is_unique

STEP_ROWS: Final = 1 << 20
"""So many rows are loaded between two results: some 0.3 s of work, 50 MB."""

NO_EDIT: Final = -1

_KEY_BITS: Final = 62

Span: TypeAlias = tuple[int, int]
"""First time and end (exclusive), microseconds."""


@dataclass(slots=True)
class EditSet:
    """Edits to be written into files, by tag and time, and which of them were.

    ``table`` as of ``edits.SCHEMA``.  ``elsewhere`` bool[n]: the sample an edit stands for may be in a place that is
    not merged, so that without meeting it here the edit must stay.  ``folded`` bool[n] is set by the merge.
    """

    table: pa.Table
    elsewhere: BoolArray
    folded: BoolArray = field(init=False)
    tag_id: Int32Array = field(init=False)
    time_us: Int64Array = field(init=False)
    removes: BoolArray = field(init=False)

    def __post_init__(self) -> None:
        self.folded = np.zeros(len(self.table), np.bool_)
        self.tag_id = numpy_of(self.table.column("tag_id"), np.int32)
        self.time_us = times_us(self.table)
        kinds = self.table.column("kind").to_pylist()
        self.removes = np.array([kind == edits.REMOVE for kind in kinds], np.bool_)

    def between(self, low: Key | None, end: Key | None) -> IndexArray:
        """The edits from ``low`` on and before ``end``; None is no limit."""
        chosen: BoolArray = np.ones(len(self.table), np.bool_)
        if low is not None:
            chosen &= ~_before(self.tag_id, self.time_us, low)
        if end is not None:
            chosen &= _before(self.tag_id, self.time_us, end)
        return np.flatnonzero(chosen)


@dataclass(slots=True)
class Collisions:
    """Samples of the same tag and time in several files, of which the later file's was taken.

    ``disagreeing`` are those whose value or status differed; ``first`` of them as (tag_id, time_us).
    """

    equal: int = 0
    disagreeing: int = 0
    first: Key | None = None


@dataclass(frozen=True, slots=True)
class _Piece:
    """Rows of one row group that were not handed on yet."""

    file: int
    table: pa.Table
    tag_id: Int32Array
    time_us: Int64Array

    def split(self, end: Key | None) -> tuple[_Piece, _Piece]:
        """The rows before ``end``, and the others."""
        place = len(self.tag_id)
        if end is not None:
            low, high = (int(np.searchsorted(self.tag_id, end[0], side)) for side in ("left", "right"))
            place = low + int(np.searchsorted(self.time_us[low:high], end[1]))
        return self._slice(0, place), self._slice(place, len(self.tag_id))

    def _slice(self, first: int, end: int) -> _Piece:
        return _Piece(self.file, self.table.slice(first, end - first), self.tag_id[first:end], self.time_us[first:end])


@dataclass(slots=True)
class Merge:
    """One pass over ``inputs``, restricted to times of ``span``, with ``edits`` written in."""

    inputs: Inputs
    span: Span | None = None
    edits: EditSet | None = None
    step_rows: int = STEP_ROWS
    collisions: Collisions = field(default_factory=Collisions)

    def tables(self) -> Iterator[pa.Table]:
        """The samples by tag and time, each once, some at a time; the columns of SAMPLE_SCHEMA."""
        queue = sorted(
            (group for group in self.inputs.groups if _overlaps(group, self.span)), key=lambda group: group.first
        )
        pieces: list[_Piece] = []
        loaded = 0
        low: Key | None = None
        for place, group in enumerate(queue):
            pieces.append(self._load(group))
            loaded += group.rows
            end = queue[place + 1].first if place + 1 < len(queue) else None
            if end is not None and loaded < self.step_rows:
                continue
            whole, pieces = _split(pieces, end)
            yield from self._merged(whole, low, end)
            loaded, low = 0, end
        if not queue:
            yield from self._merged([], None, None)

    def _load(self, group: Group) -> _Piece:
        table = self.inputs.read(group)
        piece = _Piece(group.file, table, numpy_of(table.column("tag_id"), np.int32), times_us(table))
        if self.span is None or (self.span[0] <= group.first_us and group.last_us < self.span[1]):
            return piece
        rows = np.flatnonzero((piece.time_us >= self.span[0]) & (piece.time_us < self.span[1]))
        return _Piece(group.file, table.take(column(rows, pa.int64())), piece.tag_id[rows], piece.time_us[rows])

    def _merged(self, pieces: Sequence[_Piece], low: Key | None, end: Key | None) -> Iterator[pa.Table]:
        """One table of these pieces, or none when nothing is left of them."""
        # A stable sort leaves equal keys in the order of their files, the edit behind them all.
        pieces = sorted((piece for piece in pieces if len(piece.tag_id)), key=lambda piece: piece.file)
        parts = [piece.table for piece in pieces]
        keys = [(piece.tag_id, piece.time_us) for piece in pieces]
        chosen: IndexArray = np.empty(0, np.intp)
        if self.edits is not None and len(chosen := self.edits.between(low, end)):
            parts.append(self.edits.table.take(column(chosen, pa.int64())).drop_columns(["kind"]))
            keys.append((self.edits.tag_id[chosen], self.edits.time_us[chosen]))
        if not parts:
            return
        table = pa.concat_tables(parts, promote_options="default").combine_chunks()
        tag_id, time_us = np.concatenate([key[0] for key in keys]), np.concatenate([key[1] for key in keys])
        order = sorted_order(tag_id, time_us)
        rows = self._visible(table, tag_id[order], time_us[order], order, chosen)
        if len(rows) != len(table) or not _is_in_order(rows):
            table = table.take(column(rows, pa.int64()))
        if len(table):
            yield complete(table)

    def _visible(
        self, table: pa.Table, tag_id: Int32Array, time_us: Int64Array, order: IndexArray, chosen: IndexArray
    ) -> IndexArray:
        """Rows of ``table`` that stay, in order; keys are in ``order`` already, ``chosen`` edits are the last rows."""
        same: BoolArray = (tag_id[1:] == tag_id[:-1]) & (time_us[1:] == time_us[:-1])
        stays = np.append(~same, True)
        if not len(chosen):
            self._collide(table, order, same)
            rows: IndexArray = order[stays]
            return rows
        assert self.edits is not None  # noqa: S101 - for the type checker: edits were chosen from it
        first_edit = len(table) - len(chosen)
        is_edit: BoolArray = order >= first_edit
        self._collide(table, order, same & ~is_edit[1:])
        places = np.flatnonzero(is_edit)
        numbers = chosen[order[places] - first_edit]
        met = np.append(False, same)[places]
        folded = met | ~self.edits.elsewhere[numbers]
        self.edits.folded[numbers[folded]] = True
        stays[places] = folded & ~self.edits.removes[numbers]
        left: IndexArray = order[stays]
        return left

    def _collide(self, table: pa.Table, order: IndexArray, same: BoolArray) -> None:
        """Count samples that come twice.  Loops over these, which only damage or foreign hands can bring about."""
        places = np.flatnonzero(same)
        if not len(places):
            return
        older, newer = (
            to_samples(complete(table.take(column(order[rows], pa.int64())))) for rows in (places, places + 1)
        )
        for row in range(len(places)):
            one, other = (
                (sample.value[row].tobytes(), sample.status[row], sample.exact.get(row), sample.text.get(row))
                for sample in (older, newer)
            )
            if one == other:
                self.collisions.equal += 1
                continue
            self.collisions.disagreeing += 1
            self.collisions.first = self.collisions.first or (int(newer.tag_id[row]), int(newer.time_us[row]))


def sorted_order(tag_id: Int32Array, time_us: Int64Array) -> IndexArray:
    """What sorts by tag and time; equal keys keep their order."""
    if not len(tag_id):
        return np.empty(0, np.intp)
    first_tag, first_us = int(tag_id.min()), int(time_us.min())
    span_us = int(time_us.max()) - first_us + 1
    if (int(tag_id.max()) - first_tag + 1).bit_length() + span_us.bit_length() > _KEY_BITS:
        return np.lexsort((time_us, tag_id))
    # One number for both: sorting it takes a third of the time.
    keys = (tag_id.astype(np.int64) - first_tag) * span_us + (time_us - first_us)
    if (keys[1:] >= keys[:-1]).all():
        return np.arange(len(keys))
    return np.argsort(keys, kind="stable")


def row_groups(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Sorted samples cut into the row groups of a file: see :func:`storage.archive.group_bounds`."""
    rest: pa.Table | None = None
    for table in tables:
        whole = table if rest is None else pa.concat_tables([rest, table])
        *cuts, (first, end) = archive.group_bounds(numpy_of(whole.column("tag_id"), np.int32))
        yield from (whole.slice(start, stop - start) for start, stop in cuts)
        # The last group may go on with the next rows.
        rest = whole.slice(first, end - first)
    if rest is not None:
        yield from (
            rest.slice(start, stop - start)
            for start, stop in archive.group_bounds(numpy_of(rest.column("tag_id"), np.int32))
        )


def choose_encodings(inputs: Inputs, level: int) -> Encodings:
    """The value's encodings for files with the samples of ``inputs``: tried on some tags, as they will lie in them."""
    queue = sorted(inputs.groups, key=lambda group: group.first)
    if not queue:
        return Encodings("dictionary")
    last = archive.TRIAL_GROUPS - 1
    tags = sorted({queue[place * (len(queue) - 1) // last].first_tag for place in range(archive.TRIAL_GROUPS)})
    some = [_group_from(inputs, queue, tag) for tag in tags]
    if not is_split(inputs.rows):
        return Encodings(_tried(some, level))
    repeating, unique = [each for each in some if not is_unique(each)], [each for each in some if is_unique(each)]
    return Encodings(
        _tried(repeating, level) if repeating else "dictionary",
        _tried(unique, level) if unique else "BYTE_STREAM_SPLIT",
    )


def _tried(groups: Sequence[pa.Table], level: int) -> archive.Encoding:
    ends = np.cumsum([len(group) for group in groups]).tolist()
    cuts = [(end - len(group), end) for group, end in zip(groups, ends, strict=True) if len(group)]
    return archive.choose_encoding(pa.concat_tables(groups).column("value"), cuts, level)


def _group_from(inputs: Inputs, queue: Sequence[Group], tag: int) -> pa.Table:
    """Tags and values of the row group that will begin with ``tag``."""
    parts: list[pa.Table] = []
    rows = 0
    groups = [group for group in queue if group.first_tag <= tag <= group.last_tag]
    for group in sorted(groups, key=lambda one: one.first_us):
        table = inputs.read(group, ("tag_id", "time", "value"))
        start = int(np.searchsorted(numpy_of(table.column("tag_id"), np.int32), tag))
        parts.append(table.slice(start))
        rows += int(np.searchsorted(numpy_of(table.column("tag_id"), np.int32), tag, "right")) - start
        if rows >= archive.MAX_GROUP_ROWS:
            break
    found = archive.sort(pa.concat_tables(parts))
    first, end = next(archive.group_bounds(numpy_of(found.column("tag_id"), np.int32)), (0, 0))
    return found.slice(first, end - first)


def peak_rows(inputs: Inputs, step_rows: int = STEP_ROWS) -> int:
    """How many rows a merge of ``inputs`` holds at most, reckoned from the ranges of their row groups."""
    queue = sorted(inputs.groups, key=lambda group: group.first)
    held: list[Group] = []
    peak = loaded = 0
    for place, group in enumerate(queue):
        held.append(group)
        loaded += group.rows
        end = queue[place + 1].first if place + 1 < len(queue) else None
        if end is not None and loaded < step_rows:
            continue
        peak = max(peak, sum(each.rows for each in held))
        held = [each for each in held if end is not None and each.last >= end]
        loaded = 0
    return peak


def _split(pieces: Sequence[_Piece], end: Key | None) -> tuple[list[_Piece], list[_Piece]]:
    halves = [piece.split(end) for piece in pieces]
    return [before for before, _ in halves], [after for _, after in halves if len(after.tag_id)]


def _before(tag_id: Int32Array, time_us: Int64Array, key: Key) -> BoolArray:
    before: BoolArray = (tag_id < key[0]) | ((tag_id == key[0]) & (time_us < key[1]))
    return before


def _overlaps(group: Group, span: Span | None) -> bool:
    return span is None or (group.last_us >= span[0] and group.first_us < span[1])


def _is_in_order(rows: IndexArray) -> bool:
    return bool((rows == np.arange(len(rows))).all())
