"""Samples with the names of their tags and statuses, made from Arrow columns without asking DuckDB.

The newest samples and those of one instant are a row a tag: starting a query would take longer than the answer.  The
columns are those of the views ``snapshot`` and ``samples`` (:mod:`historian.retrieval.views`); a test compares them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import pyarrow as pa

from historian.model.samples import EXACT_LIMIT, BoolArray, FloatArray, IndexArray, Int32Array, Samples, UInt32Array
from historian.model.status import SUBSTITUTED, UNCERTAIN_LAST_USABLE_VALUE, is_good, severity, status_name
from historian.retrieval.state_texts import States, states_of, value_texts
from historian.retrieval.tag_selection import select_tags
from historian.retrieval.views import WHOLE_TYPES, judged_status
from storage.arrays import chosen_texts, column, numpy_of, present, text_column
from storage.columns import INT_TYPE, to_samples
from storage.reader import StoreSnapshot

_LOW_WORD: Final = (1 << 64) - 1

STATUS_FIELDS: Final = ("quality", "status", "status_code", "substituted")
DESCRIBED: Final = ("value", "value_int", "value_text", *STATUS_FIELDS)

_NO_KINDS: Final[tuple[UInt32Array, IndexArray]] = np.empty(0, np.uint32), np.empty(0, np.intp)


@dataclass(frozen=True, slots=True)
class TagTexts:
    """What of the tags is needed to describe their samples, by row of ``table``; made once for each table of tags.

    ``tag_id`` int32[n] is sorted.  ``by_name`` are the rows in the order of the names, ``rows``
    by name.
    """

    table: pa.Table
    tag_id: Int32Array
    names: tuple[str, ...]
    by_name: IndexArray
    rows: Mapping[str, int]
    is_whole: BoolArray
    states: Mapping[int, States]

    @classmethod
    def of(cls, table: pa.Table) -> TagTexts:
        """From the ``tags`` of a snapshot, which are by tag_id."""
        names = tuple(table.column("tag").to_pylist())
        unscaled = [
            (scale in {None, 1.0}) and (offset in {None, 0.0})
            for scale, offset in zip(table.column("scale").to_pylist(), table.column("offset").to_pylist(), strict=True)
        ]
        whole = [kind in WHOLE_TYPES for kind in table.column("value_type").to_pylist()]
        return cls(
            table,
            numpy_of(table.column("tag_id"), np.int32),
            names,
            np.array(sorted(range(len(names)), key=names.__getitem__), np.intp),
            {name: row for row, name in enumerate(names)},
            np.array(whole, np.bool_) & np.array(unscaled, np.bool_),
            states_of(table.column("states")),
        )

    def names_of(self, rows: IndexArray) -> pa.Array:
        """The names of the tags at ``rows``, which come in runs: they are those of samples by tag."""
        used, place = runs_of(rows)
        return chosen_texts([self.names[row] for row in used.tolist()], place)

    def rows_of(self, tag_id: Int32Array) -> IndexArray:
        """Where each of ``tag_id`` stands."""
        rows: IndexArray = np.searchsorted(self.tag_id, tag_id)
        return rows


def described(
    samples: Samples, rows: IndexArray, tags: TagTexts, wanted: Collection[str] = DESCRIBED
) -> dict[str, pa.Array]:
    """The columns ``wanted`` of ``samples``, all of DESCRIBED without it; ``rows`` are those of their tags."""
    kinds, place = _kinds_of(samples.status) if {"quality", "status"} & {*wanted} else _NO_KINDS
    codes = kinds.tolist()
    makers: Mapping[str, Callable[[], pa.Array]] = {
        "value": lambda: column(samples.value, pa.float64(), missing=np.isnan(samples.value)),
        "value_int": lambda: _whole_numbers(samples, tags.is_whole[rows]),
        "value_text": lambda: value_texts(samples, rows, tags.states),
        "quality": lambda: chosen_texts([severity(code).label for code in codes], place),
        "status": lambda: chosen_texts([status_name(code) for code in codes], place),
        "status_code": lambda: column(samples.status, pa.uint32()),
        "substituted": lambda: column((samples.status & SUBSTITUTED) == SUBSTITUTED, pa.bool_()),
    }
    return {name: make() for name, make in makers.items() if name in wanted}


def runs_of(rows: IndexArray) -> tuple[IndexArray, IndexArray]:
    """The first row of each run of equal ones, and which of them each is."""
    firsts = np.append(0, np.flatnonzero(np.diff(rows)) + 1)[: len(rows)]
    return rows[firsts], np.repeat(np.arange(len(firsts)), np.diff(firsts, append=len(rows)))


def _kinds_of(status: UInt32Array) -> tuple[UInt32Array, IndexArray]:
    """The different statuses, and which of them each is.  They come in runs: sorting all of them would cost more."""
    firsts = np.append(0, np.flatnonzero(np.diff(status)) + 1)[: len(status)]
    kinds, place = np.unique(status[firsts], return_inverse=True)
    return kinds, np.repeat(place, np.diff(firsts, append=len(status)))


def _whole_numbers(samples: Samples, is_whole: BoolArray) -> pa.Array:
    """Decimals of 16 bytes, the lower eight first."""
    if not samples.exact and not is_whole.any():
        return pa.nulls(len(samples), INT_TYPE)
    value: FloatArray = np.where(np.isnan(samples.value), np.inf, samples.value)
    held: BoolArray = is_whole & (np.abs(value) <= EXACT_LIMIT)
    held &= value == np.trunc(value)
    parts = np.zeros((len(value), 2), np.int64)
    parts[held, 0] = value[held].astype(np.int64)
    parts[:, 1] = parts[:, 0] >> 63
    if samples.exact:
        rows = np.fromiter(samples.exact, np.intp, len(samples.exact))
        parts[rows, 0] = np.array([number & _LOW_WORD for number in samples.exact.values()], np.uint64).view(np.int64)
        parts[rows, 1] = [number >> 64 for number in samples.exact.values()]
        held[rows] = True
    validity = pa.py_buffer(np.packbits(held, bitorder="little"))
    return pa.Array.from_buffers(INT_TYPE, len(value), [validity, pa.py_buffer(parts)])


def newest_of_each(snapshot: StoreSnapshot, tags: TagTexts, time_zone: str, now_us: int) -> pa.Table:
    """The view ``snapshot``, by tag."""
    samples = to_samples(snapshot.current)
    rows = tags.rows_of(samples.tag_id)
    place = np.full(len(tags.names), -1, np.intp)
    place[rows] = np.arange(len(rows))
    order = place[tags.by_name]
    order = order[order >= 0]
    samples, rows = samples.take(order), rows[order]
    samples = judged(samples, snapshot.health, now_us)
    type_ = pa.timestamp("us", tz=time_zone)
    scans = snapshot.current.column("last_scan")
    return pa.table({
        "tag": text_column([tags.names[row] for row in rows.tolist()]),
        "time": column(samples.time_us, type_),
        **described(samples, rows, tags),
        "last_scan": column(numpy_of(scans, np.int64)[order], type_, missing=~present(scans)[order]),
    })  # fmt: skip


def judged(samples: Samples, health: dict[str, dict[str, object]], now_us: int) -> Samples:
    """As :func:`historian.retrieval.views.judged_status`: nobody stands for Good samples of a lost process."""
    if judged_status(health, now_us) == "status":
        return samples
    status = np.where(is_good(samples.status), np.uint32(UNCERTAIN_LAST_USABLE_VALUE), samples.status)
    return replace(samples, status=status)


def select_rows(wanted: str | Sequence[str], tags: TagTexts) -> IndexArray:
    """The rows of the tags that names and patterns mean, in that order.  Raises UsageError for unknown ones."""
    asked = [wanted] if isinstance(wanted, str) else list(wanted)
    is_plain = all(name in tags.rows for name in asked)
    # Names alone are looked up: with 100,000 tags a look at all of them would cost more than the answer.
    chosen = list(dict.fromkeys(asked)) if is_plain else select_tags(asked, tags.names)
    return np.array([tags.rows[name] for name in chosen], np.intp)
