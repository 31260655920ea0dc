"""Rows of pieces put together to samples: parts of many files, by tag and time, without sorting what is sorted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
import pyarrow as pa

from historian.model.samples import IndexArray, Int32Array, Int64Array, Samples
from storage.arrays import column, numpy_of, present
from storage.pieces import Piece, Rows

ExtraT = TypeVar("ExtraT")

_WORD_BITS = 64


class Part(NamedTuple):
    """At least one row of one tag, in the order of time."""

    tag_id: int
    piece: Piece
    rows: Rows


def assemble(parts: Sequence[Part], tag_id: Int32Array) -> Samples:
    """All rows of ``parts`` by tag, in the order of ``tag_id`` (each once), and time.

    The parts are put in order, not their rows, which costs a sort of each sample; only the rows of a tag whose parts
    reach into one another, as with late data, are sorted.
    """
    if not parts:
        return Samples.empty()
    times = [part.piece.time_us[part.rows] for part in parts]
    places = _places(tag_id, np.array([part.tag_id for part in parts], np.int32))
    firsts, lasts = np.array([each[0] for each in times]), np.array([each[-1] for each in times])
    order = np.lexsort((firsts, places))
    found = _concatenated([parts[place] for place in order.tolist()], [times[place] for place in order.tolist()])
    is_reaching = (np.diff(places[order]) == 0) & (firsts[order][1:] <= lasts[order][:-1])
    return _sorted(found, tag_id[np.unique(places[order][1:][is_reaching])]) if is_reaching.any() else found


def _places(tag_id: Int32Array, tags: Int32Array) -> IndexArray:
    """intp[n]: where each of ``tags`` stands in ``tag_id``."""
    order = np.argsort(tag_id)
    places: IndexArray = order[tag_id[order].searchsorted(tags)]
    return places


def _concatenated(parts: Sequence[Part], times: Sequence[Int64Array]) -> Samples:
    lengths = np.array([len(each) for each in times])
    return Samples(
        np.repeat(np.array([part.tag_id for part in parts], np.int32), lengths),
        np.concatenate(times) if len(times) > 1 else times[0],
        _joined([part.piece.value[part.rows] for part in parts]),
        _joined([part.piece.status[part.rows] for part in parts]),
        _extras(parts, lengths, [part.piece.whole for part in parts], _whole_numbers),
        _extras(parts, lengths, [part.piece.text for part in parts], _texts),
    )


def _joined(pieces: Sequence[Any]) -> Any:  # noqa: ANN401 - arrays of one kind
    return np.concatenate(pieces) if len(pieces) > 1 else pieces[0]


def _extras(
    parts: Sequence[Part],
    lengths: IndexArray,
    columns: Sequence[pa.ChunkedArray | None],
    decode: Callable[[pa.ChunkedArray], list[ExtraT]],
) -> dict[int, ExtraT]:
    """What is in ``columns`` at the rows of ``parts``, by row of the whole."""
    found: dict[int, ExtraT] = {}
    for part, values, end, length in zip(parts, columns, np.cumsum(lengths).tolist(), lengths.tolist(), strict=True):
        if values is None:
            continue
        chosen = _chosen(values, part.rows)
        if chosen.null_count < length:
            rows = np.flatnonzero(present(chosen)) + (end - length)
            found.update(zip(rows.tolist(), decode(chosen), strict=True))
    return found


def _chosen(values: pa.ChunkedArray, rows: Rows) -> pa.ChunkedArray:
    if isinstance(rows, slice):
        return values.slice(rows.start, rows.stop - rows.start)
    return values.take(column(rows.astype(np.int64), pa.int64()))


def _texts(values: pa.ChunkedArray) -> list[str]:
    return [text for text in values.to_pylist() if text is not None]


def _whole_numbers(values: pa.ChunkedArray) -> list[int]:
    """Decimals without a fraction, from their 16 bytes, the lower eight first."""
    words = numpy_of(values, _DECIMAL)[present(values)]
    return [(high << _WORD_BITS) | low for low, high in zip(words["low"].tolist(), words["high"].tolist(), strict=True)]


_DECIMAL = np.dtype([("low", np.uint64), ("high", np.int64)])


def _sorted(samples: Samples, tags: Int32Array) -> Samples:
    """``samples``, which are in runs of a tag each, with the rows of each of ``tags`` by time.  Loops over those."""
    order = np.arange(len(samples))
    starts = np.append(np.flatnonzero(np.diff(samples.tag_id, prepend=-1)), len(samples))
    for run in np.flatnonzero(np.isin(samples.tag_id[starts[:-1]], tags)).tolist():
        first, end = int(starts[run]), int(starts[run + 1])
        order[first:end] = first + np.argsort(samples.time_us[first:end], kind="stable")
    return samples.take(order)


def starts_of(samples: Samples, tag_id: Int32Array) -> IndexArray:
    """intp[k + 1]: where the rows of each of ``tag_id`` begin in what :func:`assemble` made of them, and the end."""
    if (np.diff(tag_id) > 0).all():  # the commonest; to look for the runs would read every row
        return np.append(samples.tag_id.searchsorted(tag_id), len(samples))
    firsts = np.flatnonzero(np.diff(samples.tag_id, prepend=-1))
    counts = np.zeros(len(tag_id), np.intp)
    counts[_places(tag_id, samples.tag_id[firsts])] = np.diff(firsts, append=len(samples))
    return np.append(0, np.cumsum(counts))
