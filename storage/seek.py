"""The newest sample of many tags at or before an instant, without reading the archive from end to end.

The catalogue says which files, and the footers which row groups, can hold an answer.  The row groups read are kept for
the next question up to a limit of memory: to unpack one costs more (100 us a tag and more) than the rest of an answer.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from historian.errors import CorruptionError
from historian.model.samples import BoolArray, FloatArray, IndexArray, Int32Array, Int64Array, Samples
from storage import edits
from storage.catalogue import ArchiveFile
from storage.columns import to_samples
from storage.existing import Keys
from storage.reader import StoreSnapshot

KEPT_BYTES: Final = 96 << 20
"""Memory for columns that were read; at 17 bytes a sample the last six million."""

KEPT_FOOTERS: Final = 256

NEVER_US: Final = int(np.iinfo(np.int64).min)

_COLUMNS: Final = ("tag_id", "time", "value", "status")
_EXTRAS: Final = ("value_int", "value_text")


@dataclass(frozen=True, slots=True)
class Groups:
    """The row groups of a file: range of tags and oldest time of each, and which have whole numbers or texts."""

    first_tag: Int32Array
    last_tag: Int32Array
    first_us: Int64Array
    extras: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Piece:
    """A row group in memory, 17 bytes a sample: rows ``starts[k]`` to ``starts[k + 1]`` are those of ``tags[k]``.

    ``kind`` uint8[n] (or wider) is the place of the status in ``statuses``.
    """

    tags: Int32Array
    starts: IndexArray
    time_us: Int64Array
    value: FloatArray
    kind: NDArray[np.integer[Any]]
    statuses: NDArray[np.uint32]
    exact: Mapping[int, int]
    text: Mapping[int, str]

    @classmethod
    def of(cls, samples: Samples) -> Piece:
        """``samples`` are by tag and time."""
        firsts = np.flatnonzero(np.append(np.ones(1, np.bool_), np.diff(samples.tag_id) != 0))
        statuses, kind = np.unique(samples.status, return_inverse=True)
        narrow = kind.astype(np.min_scalar_type(len(statuses)))
        return cls(
            samples.tag_id[firsts], np.append(firsts, len(samples)), samples.time_us, samples.value, narrow, statuses,
            samples.exact, samples.text,
        )  # fmt: skip

    @property
    def bytes(self) -> int:
        """Memory, roughly."""
        return self.time_us.nbytes + self.value.nbytes + self.kind.nbytes + 100 * (len(self.exact) + len(self.text))


class Seeker:
    """Answers over any snapshot of one store: files never change.  May be used from several threads."""

    def __init__(self, kept_bytes: int = KEPT_BYTES) -> None:
        self._turn = threading.Lock()
        self._footers: OrderedDict[str, Groups] = OrderedDict()
        self._pieces: OrderedDict[tuple[str, int], Piece] = OrderedDict()
        self._bytes = 0
        self._kept_bytes = kept_bytes

    def at_or_before(self, snapshot: StoreSnapshot, tag_id: Int32Array, time_us: int) -> Samples:
        """The newest sample of each of ``tag_id`` (sorted, each once) at or before ``time_us``; fewer where is none.

        By tag.  Edits stand in the place of what they hide.  Raises CorruptionError, which names the file.
        """
        with self._turn:
            return _Search(self, snapshot, tag_id, time_us).run()

    @property
    def bytes(self) -> int:
        """Memory that is taken for row groups, roughly."""
        return self._bytes

    def groups(self, path: str) -> Groups:
        """What the footer of a file says."""
        found = self._footers.get(path)
        if found is None:
            with _readable(path) as file:
                found = _groups(file.metadata)
        self._footers[path] = found
        self._footers.move_to_end(path)
        while len(self._footers) > KEPT_FOOTERS:
            self._footers.popitem(last=False)
        return found

    def pieces(self, path: str, numbers: Sequence[int]) -> Iterator[Piece]:
        """These row groups, from memory or from the file."""
        missing = [number for number in numbers if (path, number) not in self._pieces]
        kept = [self._pieces[path, number] for number in numbers if (path, number) in self._pieces]
        for number in numbers:
            if (path, number) in self._pieces:
                self._pieces.move_to_end((path, number))
        yield from kept
        if missing:
            yield from self._read(path, missing)

    def _read(self, path: str, numbers: Sequence[int]) -> Iterator[Piece]:
        extras = self.groups(path).extras
        with _readable(path) as file:
            for number in numbers:
                piece = Piece.of(to_samples(file.read_row_group(number, columns=[*_COLUMNS, *extras[number]])))
                self._keep((path, number), piece)
                yield piece

    def _keep(self, key: tuple[str, int], piece: Piece) -> None:
        self._pieces[key] = piece
        self._bytes += piece.bytes
        while self._bytes > self._kept_bytes and len(self._pieces) > 1:
            _, old = self._pieces.popitem(last=False)
            self._bytes -= old.bytes


class _Search:
    """One question: the best sample of each tag so far, in columns by place in ``tag_id``."""

    def __init__(self, seeker: Seeker, snapshot: StoreSnapshot, tag_id: Int32Array, time_us: int) -> None:
        self._seeker = seeker
        self._snapshot = snapshot
        self._tag_id, self._time_us = tag_id, time_us
        self._best_us = np.full(len(tag_id), NEVER_US)
        self._value = np.full(len(tag_id), np.nan)
        self._status = np.zeros(len(tag_id), np.uint32)
        self._exact: dict[int, int] = {}
        self._text: dict[int, str] = {}
        edited = edits.of_table(snapshot.edits) if len(snapshot.edits) else None
        self._hidden = Keys(edited.samples.tag_id, edited.samples.time_us) if edited is not None else None
        if edited is not None:
            self._add(edited.samples.take(np.flatnonzero(~edited.are(edits.REMOVE))))

    def run(self) -> Samples:
        recent = to_samples(self._snapshot.recent)
        self._add(recent.take(np.flatnonzero(self._is_visible(recent.tag_id, recent.time_us))))
        # The file that could hold the newest comes first, so that most others need not be looked at.
        files = [file for file in self._snapshot.files if file.first_us <= self._time_us]
        for file in sorted(files, key=lambda file: file.last_us, reverse=True):
            self._look_into(file)
        found = Samples(self._tag_id, self._best_us, self._value, self._status, self._exact, self._text)
        return found.take(np.flatnonzero(self._best_us > NEVER_US))

    def _look_into(self, file: ArchiveFile) -> None:
        looking = self._best_us < min(file.last_us, self._time_us)
        low, high = np.searchsorted(self._tag_id, [file.first_tag, file.last_tag + 1])
        if not looking[low:high].any():
            return
        groups = self._seeker.groups(file.path)
        firsts = np.searchsorted(self._tag_id, groups.first_tag)
        ends = np.searchsorted(self._tag_id, groups.last_tag, side="right")
        waiting = np.concatenate([[0], np.cumsum(looking)])
        wanted = (waiting[ends] > waiting[firsts]) & (groups.first_us <= self._time_us)
        for piece in self._seeker.pieces(file.path, np.flatnonzero(wanted).tolist()):
            self._add_piece(piece)

    def _add_piece(self, piece: Piece) -> None:
        """A row group: by tag and time, so that the row of a tag is found by halving.  Loops over tags, not samples."""
        low, high = self._tag_id.searchsorted([piece.tags[0], piece.tags[-1] + 1])
        mine = self._tag_id[low:high]
        runs = piece.tags.searchsorted(mine)
        for place, run in enumerate(runs.tolist()):
            if piece.tags[run] == mine[place]:
                self._add_run(low + place, piece, int(piece.starts[run]), int(piece.starts[run + 1]))

    def _add_run(self, place: int, piece: Piece, first: int, end: int) -> None:
        row = first + int(piece.time_us[first:end].searchsorted(self._time_us, side="right")) - 1
        if self._hidden is not None and row >= first:
            times = piece.time_us[first : row + 1]
            seen = np.flatnonzero(self._is_visible(np.full(len(times), self._tag_id[place], np.int32), times))
            row = first + int(seen[-1]) if len(seen) else -1
        if row < first or piece.time_us[row] <= self._best_us[place]:
            return
        status = int(piece.statuses[piece.kind[row]])
        self._set(place, int(piece.time_us[row]), (piece.value[row], status, piece.exact.get(row), piece.text.get(row)))

    def _add(self, samples: Samples) -> None:
        """Samples in no order."""
        rows = np.flatnonzero((samples.time_us <= self._time_us) & np.isin(samples.tag_id, self._tag_id))
        order = rows[np.lexsort((samples.time_us[rows], samples.tag_id[rows]))]
        is_last = np.ones(len(order), np.bool_)
        is_last[:-1] = np.diff(samples.tag_id[order]) != 0
        for row in order[is_last].tolist():
            place = int(self._tag_id.searchsorted(samples.tag_id[row]))
            if samples.time_us[row] > self._best_us[place]:
                values = samples.value[row], int(samples.status[row]), samples.exact.get(row), samples.text.get(row)
                self._set(place, int(samples.time_us[row]), values)

    def _set(self, place: int, time_us: int, values: tuple[np.float64, int, int | None, str | None]) -> None:
        value, status, exact, text = values
        self._best_us[place], self._value[place], self._status[place] = time_us, value, status
        self._exact.pop(place, None)
        self._text.pop(place, None)
        if exact is not None:
            self._exact[place] = exact
        if text is not None:
            self._text[place] = text

    def _is_visible(self, tag_id: Int32Array, time_us: Int64Array) -> BoolArray:
        if self._hidden is None:
            return np.ones(len(tag_id), np.bool_)
        return ~self._hidden.mask(tag_id, time_us)


def _readable(path: str) -> Any:  # noqa: ANN401 - a context manager that pyarrow does not annotate
    try:
        return pq.ParquetFile(path, page_checksum_verification=False)
    except (OSError, ValueError) as error:
        raise CorruptionError(
            f"cannot read the file {path} of the archive: {error}; take it out (historian verify --set-aside) or put "
            "it back from a backup"
        ) from error


def _groups(metadata: Any) -> Groups:  # noqa: ANN401 - pyarrow's FileMetaData, not annotated
    count = metadata.num_row_groups
    parts = [metadata.row_group(number) for number in range(count)]
    places = {parts[0].column(place).path_in_schema: place for place in range(parts[0].num_columns)} if parts else {}
    tags = [part.column(places["tag_id"]).statistics for part in parts]
    times = [part.column(places["time"]).statistics for part in parts]
    return Groups(
        np.array([each.min_raw for each in tags], np.int32),
        np.array([each.max_raw for each in tags], np.int32),
        np.array([each.min_raw for each in times], np.int64),
        tuple(tuple(name for name in _EXTRAS if _has(part.column(places[name]), part.num_rows)) for part in parts),
    )


def _has(chunk: Any, rows: int) -> bool:  # noqa: ANN401 - pyarrow's ColumnChunkMetaData, not annotated
    statistics = chunk.statistics
    return statistics is None or not statistics.has_null_count or bool(statistics.null_count < rows)
