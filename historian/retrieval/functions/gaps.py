"""What is not known: ``gaps`` in the data of tags, and tags that are ``stale``."""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa

from historian.errors import UnusableValueError, UsageError
from historian.model.samples import BoolArray, IndexArray, Int64Array
from historian.model.status import status_name
from historian.retrieval.functions.arguments import text_of_step
from historian.retrieval.functions.columns import GAP_COLUMNS, STALE_COLUMNS
from historian.retrieval.functions.reading import Reading, concatenated, times
from historian.retrieval.questions import gaps as found_gaps
from historian.retrieval.questions.step_text import ElapsedStep, parse_step
from storage.arrays import chosen_texts, column, numpy_of, present
from storage.columns import times_us

_NEVER_US: Final = int(np.iinfo(np.int64).min)


def gaps(reading: Reading, tags: object, start: object, end: object) -> pa.Table:
    """The time in which no value is known; columns as GAP_COLUMNS, by tag and time.  Raises UsageError."""
    low_us, high_us = sorted(reading.span_us(start, end))
    parts = []
    for rows, series in reading.blocks(reading.rows(tags), low_us, high_us):
        found = found_gaps.gaps(series, low_us, high_us)
        codes, place = np.unique(found.status, return_inverse=True)
        parts.append(
            pa.table({
                "tag": reading.names(rows[found.tag]),
                "time": times(found.start_us),
                "end": times(found.end_us),
                "seconds": column((found.end_us - found.start_us) / 1e6, pa.float64()),
                "status": chosen_texts([status_name(code) for code in codes.tolist()], place),
            })
        )  # fmt: skip
    return concatenated(parts, GAP_COLUMNS)


def stale(reading: Reading, older_than: object, tags: object = None) -> pa.Table:
    """Tags of which nothing was heard for so long; columns as STALE_COLUMNS, the longest silent first.

    Raises UsageError.
    """
    limit_us = _length_us(older_than)
    rows = np.arange(len(reading.tags.names)) if tags is None else reading.rows(tags)
    current = reading.snapshot.current
    place = np.full(len(reading.tags.names), -1, np.intp)
    place[reading.tags.rows_of(numpy_of(current.column("tag_id"), np.int32))] = np.arange(len(current))
    at, known = np.maximum(place[rows], 0), place[rows] >= 0
    scans = current.column("last_scan")
    newest_us = _at(times_us(current), at, known)
    scan_us = _at(np.where(present(scans), numpy_of(scans, np.int64), _NEVER_US), at, known)
    old = np.flatnonzero(found_gaps.stale(newest_us, scan_us, reading.now_us, limit_us))
    heard_us = np.maximum(newest_us, scan_us)[old]
    old, heard_us = old[np.argsort(heard_us, kind="stable")], np.sort(heard_us, kind="stable")
    never = heard_us == _NEVER_US
    return pa.table({
        "tag": reading.names(rows[old]),
        "time": column(newest_us[old], times(newest_us).type, missing=newest_us[old] == _NEVER_US),
        "last_scan": column(scan_us[old], times(scan_us).type, missing=scan_us[old] == _NEVER_US),
        "seconds": column((reading.now_us - np.where(never, 0, heard_us)) / 1e6, pa.float64(), missing=never),
    }).cast(STALE_COLUMNS)  # fmt: skip


def _at(values: Int64Array, at: IndexArray, known: BoolArray) -> Int64Array:
    return np.where(known, values[at], _NEVER_US) if len(values) else np.full(len(at), _NEVER_US)


def _length_us(older_than: object) -> int:
    try:
        step = parse_step(text_of_step("older_than", older_than))
    except UnusableValueError as error:
        raise UsageError(f"cannot read older_than: {error}") from error
    if isinstance(step, ElapsedStep):
        return step.length_us
    if step.unit in {"day", "week"}:
        return step.count * (7 if step.unit == "week" else 1) * 86_400_000_000
    raise UsageError(f"cannot read older_than: got {older_than!r}, wanted a length of time such as 10m, 8h or '2 days'")
