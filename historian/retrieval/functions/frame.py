"""The rows of an answer: intervals of a step, of shifts or of a table, and the parts of them that count."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa

from historian.errors import UnusableValueError, UsageError
from historian.model.samples import IndexArray
from historian.retrieval.functions.arguments import text_of_step
from historian.retrieval.functions.reading import Reading, times
from historian.retrieval.intervals import Intervals
from historian.retrieval.questions.conditions import OPERATORS, Operand
from historian.retrieval.questions.conditions import while_value as time_while
from historian.retrieval.questions.shifts import parse_shifts, shift_intervals
from historian.retrieval.questions.spans import Spans
from historian.retrieval.windows import Windows
from storage.arrays import chosen_texts

_COMPARED: Final = re.compile(r"\s*(<=|>=|<>|!=|==|=|<|>)\s*(.+?)\s*", re.DOTALL)
_TIME_OF_DAY: Final = re.compile(r"\d{1,2}:\d{2}")


@dataclass(frozen=True, slots=True)
class Frame:
    """``intervals`` in the order of the answer, of which the ``windows`` count; ``labels`` names them, where they have.

    A row of an answer is an interval of a tag: all intervals of the first tag, then of the second ...
    """

    intervals: Intervals
    windows: Windows
    labels: tuple[str | None, ...] | None = None

    @property
    def low_us(self) -> int:
        """Where the earliest interval begins."""
        return int(self.intervals.start_us.min())

    @property
    def high_us(self) -> int:
        """Where the latest interval ends."""
        return int(self.intervals.end_us.max())

    def columns(self, reading: Reading, rows: IndexArray, answer: IndexArray | None = None) -> dict[str, pa.Array]:
        """``tag``, ``time``, ``end`` and ``label`` of rows of an answer for the tags at ``rows``.

        ``answer`` intp[n] are the numbers of these rows; without it all of them.
        """
        count = len(self.intervals)
        each = np.arange(len(rows) * count) if answer is None else answer
        tag, interval = np.divmod(each, max(count, 1))
        labels = self.labels or (None,)
        return {
            "tag": reading.names(rows[tag]),
            "time": times(self.intervals.start_us[interval]),
            "end": times(self.intervals.end_us[interval]),
            "label": chosen_texts(labels, interval if self.labels else np.zeros(len(each), np.intp)),
        }


def frame(
    reading: Reading,
    *,
    start: object = None,
    end: object = None,
    step: object = None,
    while_tag: object = None,
    while_value: object = None,
    during: object = None,
) -> Frame:
    """The frame that the parameters common to all functions over intervals mean.  Raises UsageError.

    ``step``: a length of time, a table of shifts, or None for one interval.  ``during``: a list of intervals; without a
    step each is a row of its own, with one they are a condition.  ``while_tag``, ``while_value``: only while that tag
    is so.
    """
    listed = None if during is None else _table(reading, during)
    if listed is not None and step is None:
        intervals, labels = listed
    else:
        intervals, labels = _stepped(reading, start, end, step)
    if not len(intervals):
        raise UsageError("cannot answer: there is no interval to answer for; wanted at least one")
    low_us, high_us = int(intervals.start_us.min()), int(intervals.end_us.max())
    spans = Spans(np.array([low_us], np.int64), np.array([high_us], np.int64))
    if listed is not None and step is not None:
        spans = spans.both(Spans.of(listed[0].start_us, listed[0].end_us))
    if while_tag is not None:
        spans = spans.both(_condition(reading, while_tag, while_value, (low_us, high_us)))
    return Frame(intervals, spans.windows_of(intervals), labels)


def _stepped(
    reading: Reading, start: object, end: object, step: object
) -> tuple[Intervals, tuple[str | None, ...] | None]:
    text = None if step is None else text_of_step("step", step)
    if text is None or not _TIME_OF_DAY.search(text):
        return reading.intervals(start, end, text), None
    try:
        shifts = parse_shifts(text)
    except UnusableValueError as error:
        raise UsageError(f"cannot read step: {error}") from error
    start_us, end_us = reading.span_us(start, end)
    found = shift_intervals(shifts, start_us, end_us, reading.zone)
    return found.intervals, tuple(found.names)


def _table(reading: Reading, during: object) -> tuple[Intervals, tuple[str | None, ...] | None]:
    """Intervals from a list of structs with the fields start, end and perhaps name."""
    wanted = 'wanted a list such as [{"start": ..., "end": ..., "name": ...}], or a query: '
    wanted += '(select list({"start": a, "end": b}) from t)'
    many: Sequence[Any] = during if isinstance(during, list | tuple) else [during]
    rows: list[tuple[int, int, str | None]] = []
    for row in many:
        if not isinstance(row, Mapping) or row.get("start") is None or row.get("end") is None:
            raise UsageError(f"cannot read during: got {row!r}, {wanted}")
        name = row.get("name")
        low_us = reading.instant_us("during.start", row["start"])
        rows.append((low_us, reading.instant_us("during.end", row["end"]), None if name is None else str(name)))
    rows = [row for row in rows if row[0] < row[1]]
    edges = np.array([row[:2] for row in rows], np.int64).reshape(-1, 2)
    labels = tuple(row[2] for row in rows)
    return Intervals(edges[:, 0].copy(), edges[:, 1].copy()), labels if any(labels) else None


def _condition(reading: Reading, tag: object, wanted: object, range_us: tuple[int, int]) -> Spans:
    """The time in which one tag is as wanted."""
    rows = reading.rows(tag)
    if len(rows) != 1:
        raise UsageError(f"cannot read while_tag: {tag!r} means {len(rows)} tags, wanted one")
    comparison, operand = _comparison(wanted)
    told = reading.tag_rows(rows)[0]
    try:
        return time_while(reading.series(rows, *range_us), comparison, _codes(operand, reading, told))
    except UnusableValueError as error:
        raise UsageError(f"cannot read while_value: {error}") from error


def _comparison(wanted: object) -> tuple[str, Operand]:
    """``'> 50'``, ``'running'``, 3, true, a list of such values."""
    if isinstance(wanted, bool):
        return "=", float(wanted)
    if isinstance(wanted, int | float):
        return "=", wanted
    if isinstance(wanted, list | tuple):
        return "in", [each if isinstance(each, str) else float(each) for each in wanted]
    if not isinstance(wanted, str):
        raise UsageError(
            f"cannot read while_value: got {wanted!r}, wanted a value, a list of them, or a comparison such as '> 50' "
            f"({', '.join(OPERATORS)})"
        )
    match = _COMPARED.fullmatch(wanted)
    if match is None:
        return "=", _number_or_text(wanted)
    return match[1], _number_or_text(match[2])


def _number_or_text(text: str) -> float | str:
    word = text.strip().strip("'")
    try:
        return int(word) if word.lstrip("+-").isdigit() else float(word)
    except ValueError:
        return {"true": 1.0, "false": 0.0}.get(word.lower(), word)


def _codes(operand: Operand, reading: Reading, tag: Mapping[str, Any]) -> Operand:
    """Texts of states as their codes, where the tag has an enumeration."""
    states = reading.tags.states.get(reading.tags.rows[tag["tag"]])
    if states is None:
        return operand
    codes = {text: code for texts in states.texts for code, text in texts.items()}
    if isinstance(operand, str):
        return codes.get(operand, operand)
    if isinstance(operand, int | float):
        return operand
    return [codes.get(each, each) if isinstance(each, str) else each for each in operand]
