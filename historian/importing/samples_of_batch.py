"""One batch of a file to samples: who (tag), when (time), what (value) and how good (status).

Everything that is not right is refused with its reason here; what two samples have to do with each other comes later
(:mod:`.chunk`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from historian.importing.arrow import numbers, plain, take
from historian.importing.file_samples import BatchResult, FileSamples, Note, Reason, Refused
from historian.importing.layout import QUALITY_NAMES, Layout
from historian.importing.options import ImportOptions
from historian.importing.statuses import Statuses, StatusReader
from historian.importing.tag_book import TagBook
from historian.importing.times import EARLIEST_US, NO_TIME, TimeReader, Times
from historian.importing.values import Values, read_values
from historian.model.samples import BoolArray, ExtraT, IndexArray, Int32Array, Int64Array, Samples, UInt32Array
from historian.model.status import BAD, BAD_OUT_OF_RANGE, GOOD


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of a file as they are there: all columns, and the number of each row (int64[n], from 1 below the header)."""

    columns: pa.RecordBatch
    row: Int64Array


class SampleReader:
    """Turns the batches of one file into samples, in the order of the file."""

    def __init__(
        self, layout: Layout, options: ImportOptions, book: TagBook, *, latest_us: int, decimal_comma: bool = False
    ) -> None:
        self._layout = layout
        self._prefix = options.tag_prefix
        self._book = book
        self._latest_us = latest_us
        self._decimal_comma = decimal_comma
        is_quality = layout.status is not None and layout.status.strip().lower() in QUALITY_NAMES
        self._statuses = StatusReader(options.status_codes, is_quality=is_quality)
        self.times = TimeReader(options.zone, options.time_format)

    def read(self, batch: Batch) -> BatchResult:
        """The samples of the next batch."""
        parts = list(self._long(batch) if self._layout.form == "long" else self._wide(batch))
        notes: Counter[Note] = Counter()
        for part in parts:
            notes.update(part.notes)
        refused = [one for part in parts for one in part.refused if len(one)]
        return BatchResult(FileSamples.joined([part.samples for part in parts]), refused, dict(notes))

    # -- long: one sample a row ----------------------------------------------------------------------------------

    def _long(self, batch: Batch) -> Iterator[BatchResult]:
        layout, table = self._layout, batch.columns
        series = self._long_series(table)
        times = self.times.read(table.column(layout.time), series)
        timed = self._check_times(times, series < 0, table.column(layout.time), batch.row, series)
        yield BatchResult(FileSamples.joined([]), timed.refused)
        rows = np.flatnonzero(timed.usable)
        status = self._read_status(table, rows)
        part = _Cells(batch.row[rows], series[rows], times.time_us[rows], status)
        columns = {role: take(table.column(name), rows) for role, name in layout.values.items()}
        yield self._cells(part, columns)

    def _long_series(self, table: pa.RecordBatch) -> Int32Array:
        if self._layout.tag is None:
            return np.full(len(table), self._book.series(self._prefix + (self._layout.fixed_tag or "")), np.int32)
        return self._series_of(table.column(self._layout.tag), "{}")

    def _series_of(self, values: pa.Array, pattern: str) -> Int32Array:
        """Series by the texts of a column, of which few differ."""
        codes = values if pa.types.is_dictionary(values.type) else plain(values).cast(pa.string()).dictionary_encode()
        texts = [None if text is None else str(text).strip() for text in codes.dictionary.to_pylist()]
        names = [None if not text else self._prefix + pattern.format(text) for text in texts]
        known = np.append(self._book.series_of(names), np.int32(-1)).astype(np.int32)
        index = codes.indices.cast(pa.int32()).fill_null(len(names))
        series: Int32Array = known[numbers(index, np.int32)]
        return series

    def _read_status(self, table: pa.RecordBatch, rows: IndexArray) -> Statuses | None:
        if self._layout.status is None:
            return None
        return self._statuses.read(take(table.column(self._layout.status), rows))

    # -- wide: one sample a cell ---------------------------------------------------------------------------------

    def _wide(self, batch: Batch) -> Iterator[BatchResult]:
        layout, table = self._layout, batch.columns
        groups = self._groups(table)
        order = groups if groups is not None else np.zeros(len(table), np.int32)
        times = self.times.read(table.column(layout.time), order)
        timed = self._check_times(times, order < 0, table.column(layout.time), batch.row, None)
        yield BatchResult(FileSamples.joined([]), timed.refused)
        rows = np.flatnonzero(timed.usable)
        row, time_us = batch.row[rows], times.time_us[rows]
        for tag, column in layout.values.items():
            series = self._wide_series(table, tag)[rows]
            yield self._cells(_Cells(row, series, time_us, None), {"value": take(table.column(column), rows)})

    def _groups(self, table: pa.RecordBatch) -> Int32Array | None:
        """The rows' groups by the series of their first tag; only which differ matters."""
        return None if self._layout.group is None else self._wide_series(table, next(iter(self._layout.values)))

    def _wide_series(self, table: pa.RecordBatch, tag: str) -> Int32Array:
        if self._layout.group is None:
            return np.full(len(table), self._book.series(self._prefix + tag), np.int32)
        escaped = tag.replace("{", "{{").replace("}", "}}")
        return self._series_of(table.column(self._layout.group), "{}." + escaped)

    # -- both ----------------------------------------------------------------------------------------------------

    def _check_times(
        self, times: Times, no_tag: BoolArray, said: pa.Array, row: Int64Array, series: Int32Array | None
    ) -> _Timed:
        reasons = (
            (Reason.TAG, no_tag),
            (Reason.TIME, times.unreadable),
            (Reason.SKIPPED, times.skipped),
            (Reason.PAST, times.time_us < EARLIEST_US),
            (Reason.FUTURE, times.time_us > self._latest_us),
        )
        usable = np.ones(len(row), np.bool_)
        refused = []
        for reason, wrong in reasons:
            rows = np.flatnonzero(wrong & usable)
            usable[rows] = False
            if len(rows):
                known = np.full(len(rows), -1, np.int32) if series is None else series[rows]
                time_us = np.where(reason is Reason.SKIPPED, NO_TIME, times.time_us[rows])
                texts = take(plain(said), rows).cast(pa.string())
                refused.append(Refused(reason, row[rows], known, time_us, texts, np.zeros(len(rows), np.uint32)))
        return _Timed(usable, refused)

    def _cells(self, cells: _Cells, columns: dict[str, pa.Array]) -> BatchResult:
        """Samples of cells that have a tag and a time."""
        values = self._values(columns, cells.series)
        count = len(cells.row)
        status = cells.status.code if cells.status is not None else np.full(count, GOOD, np.uint32)
        unreadable = cells.status.unreadable if cells.status is not None else np.zeros(count, np.bool_)
        bad = status >= BAD
        infinite = np.isinf(values.value)
        wrong = values.unreadable & ~bad & ~unreadable
        no_value = values.missing & ~bad & ~unreadable
        bad_values = int((bad & ~values.missing & ~unreadable).sum())
        notes = {
            Note.NO_VALUE: int(no_value.sum()),
            Note.INFINITE: int((infinite & ~bad).sum()),
            Note.BAD_VALUE: bad_values,
        }
        refused = [
            self._refuse(Reason.STATUS, unreadable, cells, columns, status),
            self._refuse(Reason.VALUE, wrong, cells, columns, status),
        ]
        if infinite.any() or bad.any():
            status = np.where(infinite & ~bad, np.uint32(BAD_OUT_OF_RANGE), status)
            values = _without(values, bad | infinite)
        samples = Samples(cells.series, cells.time_us, values.value, status, values.exact, values.text)
        keep = np.flatnonzero(~(no_value | wrong | unreadable))
        found = FileSamples(samples, cells.row)
        return BatchResult(found if len(keep) == count else found.take(keep), refused, notes)

    def _values(self, columns: dict[str, pa.Array], series: Int32Array) -> Values:
        """The values of a long file may be in one column for numbers, one for whole numbers and one for text."""
        merged: Values | None = None
        for role in ("value_text", "value_int", "value"):
            if role in columns and (role == "value" or columns[role].null_count < len(series)):
                found = read_values(columns[role], series, self._book, decimal_comma=self._decimal_comma)
                merged = found if merged is None else _either(merged, found)
        assert merged is not None or not len(series), "a layout has a column of values"  # noqa: S101 - type checker
        return merged or _no_values(len(series))

    def _refuse(
        self, reason: Reason, wrong: BoolArray, cells: _Cells, columns: dict[str, pa.Array], status: UInt32Array
    ) -> Refused:
        rows = np.flatnonzero(wrong)
        role = "value" if "value" in columns else next(iter(columns))
        said = take(plain(columns[role]), rows).cast(pa.string())
        return Refused(reason, cells.row[rows], cells.series[rows], cells.time_us[rows], said, status[rows])


@dataclass(frozen=True, slots=True)
class _Timed:
    usable: BoolArray
    refused: list[Refused]


@dataclass(frozen=True, slots=True)
class _Cells:
    row: Int64Array
    series: Int32Array
    time_us: Int64Array
    status: Statuses | None


def _without(values: Values, gone: BoolArray) -> Values:
    """The values, none where ``gone``."""
    value = np.where(gone, np.nan, values.value)
    exact = {row: number for row, number in values.exact.items() if not gone[row]}
    text = {row: word for row, word in values.text.items() if not gone[row]}
    return Values(value, values.missing, values.unreadable, exact, text)


def _either(first: Values, second: Values) -> Values:
    """``first`` where it has a value, else ``second``."""
    rows = np.flatnonzero(~first.missing & ~first.unreadable)
    value = second.value.copy()
    value[rows] = first.value[rows]
    missing, unreadable = second.missing.copy(), second.unreadable.copy()
    missing[rows] = unreadable[rows] = False
    others = np.flatnonzero(first.missing | first.unreadable)
    exact = {**_kept(second.exact, others), **_kept(first.exact, rows)}
    text = {**_kept(second.text, others), **_kept(first.text, rows)}
    return Values(value, missing, unreadable, exact, text)


def _kept(extras: dict[int, ExtraT], rows: IndexArray) -> dict[int, ExtraT]:
    wanted = set(rows.tolist()) if extras else set()
    return {row: extra for row, extra in extras.items() if row in wanted}


def _no_values(count: int) -> Values:
    none = np.ones(count, np.bool_)
    return Values(np.full(count, np.nan), none, ~none, {}, {})
