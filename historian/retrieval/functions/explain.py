"""``explain``: why a tag's value at a time is what it is; the samples it is made of, the rule, gaps, edits, notes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa

from historian.errors import UsageError
from historian.model.samples import IndexArray
from historian.model.status import BAD_NO_DATA, is_bad
from historian.retrieval.functions.columns import EXPLAIN_COLUMNS
from historian.retrieval.functions.reading import Reading, times
from historian.retrieval.questions.bounding import ValuesAt, values_at
from historian.retrieval.series import Series
from historian.retrieval.time_range import format_time
from storage.arrays import column, numpy_of, text_column

_EDITS: Final = frozenset({"sample edited", "sample inserted", "sample replaced", "sample removed"})


@dataclass(frozen=True, slots=True)
class _Line:
    """A row of the answer: ``sample`` is a row of the series, -1 for none."""

    what: str
    time_us: int
    sample: int
    text: str


def explain(reading: Reading, tag: object, time: object) -> pa.Table:
    """The answer first, then what it is made of; columns as EXPLAIN_COLUMNS.  Raises UsageError."""
    rows = reading.rows(tag)
    if len(rows) != 1:
        raise UsageError(f"cannot explain: {tag!r} means {len(rows)} tags, wanted one")
    at_us = reading.instant_us("time", time)
    series = reading.series(rows, at_us, at_us + 1)
    found = values_at(series, np.zeros(1, np.intp), np.array([at_us], np.int64))
    told = reading.tag_rows(rows)[0]
    lines = [*_samples(series, at_us), *_end(series, at_us), *_losses(told), *_edits(reading, told, series, at_us)]
    lines += _notes(reading, int(told["tag_id"]), at_us)
    return _table(reading, series, rows, found, [_Line("answer", at_us, -1, _rule(series, at_us, told)), *lines])


def _rule(series: Series, at_us: int, tag: Mapping[str, Any]) -> str:  # noqa: PLR0911 - a table of cases
    """Which rule gives the value (OPC 10000-13, 3.1.8)."""
    after = int(series.time_us.searchsorted(at_us, side="right"))
    before = after - 1
    if before < 0:
        return "nothing is known: this is before the first sample"
    if series.time_us[before] == at_us:
        return "the sample at this time"
    if is_bad(series.status[before : before + 1])[0]:
        return "no value: the sample before is Bad, and nothing is drawn across a Bad interval"
    if after == len(series.time_us):
        if at_us > series.known_us[0]:
            return "nothing is known: this is after the end of data"
        return "the sample before holds, because its source answered since without a change"
    if series.stepped[0]:
        return "the sample before holds until the next, because this is a step tag"
    if is_bad(series.status[after : after + 1])[0]:
        return "the sample before holds until the Bad one after it"
    if np.isnan(series.value[before]) or np.isnan(series.value[after]):
        return "the sample before holds: there is no line between texts"
    return f"on the line between the samples before and after, in {tag['units'] or 'the units of the tag'}"


def _samples(series: Series, at_us: int) -> list[_Line]:
    after = int(series.time_us.searchsorted(at_us, side="right"))
    lines = []
    if after > 0:
        here = series.time_us[after - 1] == at_us
        lines.append(_Line("sample" if here else "sample before", int(series.time_us[after - 1]), after - 1, ""))
        if here and after > 1:
            lines.insert(0, _Line("sample before", int(series.time_us[after - 2]), after - 2, ""))
    if after < len(series.time_us):
        lines.append(_Line("sample after", int(series.time_us[after]), after, ""))
    return lines


def _end(series: Series, at_us: int) -> list[_Line]:
    """Where data end, if that decides."""
    if not len(series.time_us) or at_us < series.time_us[-1]:
        return []
    return [_Line("end of data", int(series.known_us[0]), -1, "the last time its source answered, or its last sample")]


def _losses(tag: Mapping[str, Any]) -> list[_Line]:
    """How far a value that was not stored may lie from the answer."""
    exc, comp = tag["exc_dev"] or 0.0, tag["comp_dev"] or 0.0
    if tag["is_step"] or not (exc or comp):
        return []
    text = f"values left out between stored samples are within {exc + comp:g} of the line, as the tag is set now"
    return [_Line("bound", -1, -1, text)]


def _edits(reading: Reading, tag: Mapping[str, Any], series: Series, at_us: int) -> list[_Line]:
    """The lines of the audit about samples that the answer is made of, or that were removed from among them."""
    after = int(series.time_us.searchsorted(at_us, side="right"))
    low_us = int(series.time_us[after - 1]) if after else at_us
    high_us = int(series.time_us[after]) if after < len(series.time_us) else at_us
    audit = reading.snapshot.audit
    lines = []
    for number in np.flatnonzero(np.array(audit.column("object").to_pylist(), object) == tag["tag"]).tolist():
        row = {name: audit.column(name)[number].as_py() for name in ("time", "who", "action", "old", "new", "why")}
        if row["action"] not in _EDITS:
            continue
        told = json.loads(row["old"] or row["new"])
        edited_us = reading.instant_us("time", told["time"])
        if low_us <= edited_us <= high_us:
            text = f"{row['action']} by {row['who']}: {_change(row)} ({row['why']})"
            lines.append(_Line("edit", edited_us, -1, text))
    return lines


def _change(row: Mapping[str, Any]) -> str:
    """``12.5, Good -> 13, Good``."""
    sides = [json.loads(row[name]) if row[name] else None for name in ("old", "new")]
    return " -> ".join("nothing" if side is None else f"{side['value']}, {side['status']}" for side in sides)


def _notes(reading: Reading, tag_id: int, at_us: int) -> list[_Line]:
    notes = reading.snapshot.annotations
    start_us, end_us = (numpy_of(notes.column(name), np.int64) for name in ("start", "end"))
    mine = (numpy_of(notes.column("tag_id"), np.int32) == tag_id) & (start_us <= at_us) & (at_us <= end_us)
    return [
        _Line("note", int(start_us[number]), -1, f"{notes.column('text')[number].as_py()} "
              f"({notes.column('who')[number].as_py()}, until {format_time(int(end_us[number]))})")
        for number in np.flatnonzero(mine).tolist()
    ]  # fmt: skip


def _table(reading: Reading, series: Series, rows: IndexArray, found: ValuesAt, lines: list[_Line]) -> pa.Table:
    count = len(lines)
    sample = np.array([line.sample for line in lines], np.intp)
    at = np.maximum(sample, 0)
    none = sample < 0
    value = np.where(none, np.nan, series.value[at] if len(series.value) else np.nan)
    status = np.where(none, np.uint32(BAD_NO_DATA), series.status[at] if len(series.status) else np.uint32(BAD_NO_DATA))
    row = sample.copy()
    row[0], value[0], status[0] = found.row[0], found.value[0], found.status[0]
    time_us = np.array([line.time_us for line in lines], np.int64)
    of_samples = ValuesAt(np.zeros(count, np.intp), time_us, row, value, status)
    columns = reading.values(series, rows, of_samples)
    is_sample = column(~none | (np.arange(count) == 0), pa.bool_())
    keep = pa.array([place if kept else None for place, kept in enumerate(is_sample.to_pylist())], pa.int64())
    return pa.table({
        "what": text_column([line.what for line in lines]),
        "time": column(time_us, times(time_us).type, missing=time_us < 0),
        **{name: values.take(keep) for name, values in columns.items()},
        "text": text_column([line.text for line in lines]),
    }).select(EXPLAIN_COLUMNS.names)  # fmt: skip
