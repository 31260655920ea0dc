"""What is known of tags, cut at the edges of an answer's intervals: stretches of one held value or one line.

All that weighs values by time works on these: totals, deviations, slopes, percentiles, counters, states.  From a
sample to the next the value holds or lies on the line between them, by the regions of OPC UA Part 13 (OPC 10000-13,
5.4.3): a Bad sample begins a stretch without a value, and before one the last value is held; after the last sample it
holds until the source was last heard of.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from historian.model.samples import BoolArray, FloatArray, IndexArray, Int64Array
from historian.model.status import is_bad, is_good
from historian.retrieval.questions.bounding import line_values
from historian.retrieval.questions.lookup import every_tag, rows_after, rows_from
from historian.retrieval.questions.ragged import laid_out, sums
from historian.retrieval.series import Series
from historian.retrieval.windows import Windows


@dataclass(frozen=True, slots=True)
class Stretches:
    """``p`` stretches of time, none of them empty, in the order of the answer's rows and of time.

    ``answer`` intp[p]: the row of the answer, which has those of all intervals for the first tag, then for the second
    ...; ``row`` intp[p]: the sample it begins with or after; ``start_us``, ``end_us`` int64[p]; ``first``, ``last``
    float64[p]: the values at both ends, between which it is a line; NaN where ``usable`` bool[p] is False.

    Of each row of the answer ``width_us`` int64[a] is all its time, ``good_us`` int64[a] that with a usable value,
    ``before_us`` int64[a] that before the first sample, ``after_us`` int64[a] that after the end of data.
    """

    answer: IndexArray
    row: IndexArray
    start_us: Int64Array
    end_us: Int64Array
    first: FloatArray
    last: FloatArray
    usable: BoolArray
    width_us: Int64Array
    good_us: Int64Array
    before_us: Int64Array
    after_us: Int64Array

    @property
    def bad_us(self) -> Int64Array:
        """Of each row of the answer the time that is Bad, or before the first sample."""
        return self.width_us - self.good_us - self.after_us

    @property
    def length_us(self) -> Int64Array:
        """int64[p]: how long each stretch is."""
        return self.end_us - self.start_us

    @property
    def answers(self) -> int:
        """The number of the answer's rows."""
        return len(self.width_us)

    def with_values(self) -> Stretches:
        """Only those that have a usable value."""
        if self.usable.all():
            return self
        return replace(
            self,
            answer=self.answer[self.usable],
            row=self.row[self.usable],
            start_us=self.start_us[self.usable],
            end_us=self.end_us[self.usable],
            first=self.first[self.usable],
            last=self.last[self.usable],
            usable=self.usable[self.usable],
        )


def cut_at(series: Series, windows: Windows, intervals: int, *, uncertain_is_bad: bool = False) -> Stretches:
    """What ``series`` is known to be in each of ``windows``, which are of a number of ``intervals``.

    With ``uncertain_is_bad`` a stretch that depends on an Uncertain sample, or is held before a Bad one, has no usable
    value.
    """
    window_tag, from_us = every_tag(series, windows.start_us)
    _, until_us = every_tag(series, windows.end_us)
    first = np.maximum(rows_after(series, window_tag, from_us) - 1, series.starts[window_tag])
    window, row = laid_out(first, np.maximum(rows_from(series, window_tag, until_us) - first, 0))
    answer = (window_tag * intervals + np.tile(windows.row, len(series)))[window]
    course = courses(series, uncertain_is_bad=uncertain_is_bad)
    start_us = np.maximum(series.time_us[row], from_us[window])
    end_us = np.minimum(course.end_us[row], until_us[window])
    whole = end_us > start_us
    if not whole.all():
        row, answer, start_us, end_us = row[whole], answer[whole], start_us[whole], end_us[whole]
    values = _values(series, course, row, start_us, end_us)
    width_us, before_us, after_us = _times(series, windows, intervals)
    good_us = sums(np.where(values[2], end_us - start_us, 0), answer, len(width_us))
    return Stretches(answer, row, start_us, end_us, *values, width_us, good_us, before_us, after_us)


@dataclass(frozen=True, slots=True)
class Courses:
    """What happens from each of ``n`` samples on: until ``end_us`` int64[n], the next sample or the end of data.

    ``usable`` bool[n]: there is a number; ``sloped`` bool[n]: it is on the line to the next sample.
    """

    end_us: Int64Array
    usable: BoolArray
    sloped: BoolArray


def courses(series: Series, *, uncertain_is_bad: bool = False) -> Courses:
    """The courses of all samples of ``series``."""
    end_us = np.append(series.time_us[1:], 0)
    filled = series.starts[1:] > series.starts[:-1]
    last = series.starts[1:][filled] - 1
    end_us[last] = series.known_us[filled]
    numbers = ~np.isnan(series.value)
    usable = numbers & ~is_bad(series.status)
    sloped = np.repeat(~series.stepped, np.diff(series.starts)) & numbers
    is_line = sloped & np.append(numbers[1:], False)
    is_line[last] = False
    if uncertain_is_bad:
        good = is_good(series.status)
        # What is held before a Bad sample is as unsure as a line to an Uncertain one.
        followed = np.append(good[1:], True)
        followed[last] = True
        usable &= good & (~sloped | followed)
    return Courses(end_us, usable, is_line)


def _values(
    series: Series, course: Courses, row: IndexArray, start_us: Int64Array, end_us: Int64Array
) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Values at both ends of each stretch, and whether it has any."""
    usable = course.usable[row]
    first = np.where(usable, series.value[row], np.nan)
    last = first.copy()
    sloped = np.flatnonzero(course.sloped[row] & usable)
    line = row[sloped]
    last[sloped] = series.value[line + 1]
    # Only the outer stretches of a window are cut; all others go from sample to sample.
    cut = sloped[(series.time_us[line] < start_us[sloped]) | (course.end_us[line] > end_us[sloped])]
    first[cut] = line_values(series, row[cut], row[cut] + 1, start_us[cut])
    last[cut] = line_values(series, row[cut], row[cut] + 1, end_us[cut])
    return first, last, usable


def _times(series: Series, windows: Windows, intervals: int) -> tuple[Int64Array, Int64Array, Int64Array]:
    """``width_us``, ``before_us`` and ``after_us`` of each row of the answer."""
    answers = (np.arange(len(series))[:, None] * intervals + windows.row).ravel()
    # Of a tag without samples all time is before the first.
    begin_us = np.full((len(series), 1), np.iinfo(np.int64).max)
    filled = series.starts[1:] > series.starts[:-1]
    begin_us[filled, 0] = series.time_us[series.starts[:-1][filled]]
    end_us = np.where(filled[:, None], series.known_us[:, None], begin_us)
    before = np.minimum(windows.end_us, begin_us) - np.minimum(windows.start_us, begin_us)
    after = np.maximum(windows.end_us, end_us) - np.maximum(windows.start_us, end_us)
    width = np.tile(windows.end_us - windows.start_us, len(series))
    count = len(series) * intervals
    return (
        sums(width, answers, count),
        sums(before.ravel(), answers, count),
        sums(after.ravel(), answers, count),
    )
