"""What is reported and kept of one tag, worked out from the definitions sample by sample; for the tests only.

A value is a float, an int (a whole number that a double would round), a str, or None (a Bad sample has no value).  It
shares no trick with the code: every question about a line looks at all samples between its ends anew.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple, TypeAlias

BAD = 0x80000000


class Sample(NamedTuple):
    time_us: int
    value: float | int | str | None
    status: int = 0

    @property
    def is_bad(self) -> bool:
        return self.status >= BAD

    def says_the_same_as(self, other: Sample) -> bool:
        same_kind = isinstance(self.value, float) == isinstance(other.value, float)
        return self.status == other.status and same_kind and self.value == other.value


@dataclass(frozen=True)
class Settings:
    exc_dev: float | None = None
    exc_min_us: int = 0
    exc_max_us: int | None = None
    comp_dev: float | None = None
    comp_min_us: int = 0
    comp_max_us: int | None = None
    step: bool = False
    look_ahead: bool = True


def deviates(new: Sample, kept: Sample, deviation: float) -> bool:
    """Strictly outside the band around ``kept``, whose bounds are rounded as doubles: 1.3 is not outside 1.2 +- 0.1."""
    if new.value is None and kept.value is None:
        return False
    numbers = (int, float)
    if not isinstance(new.value, numbers) or not isinstance(kept.value, numbers):
        return new.value != kept.value
    if isinstance(new.value, int) or isinstance(kept.value, int):
        return abs(Fraction(new.value) - Fraction(kept.value)) > Fraction(deviation)
    return new.value > kept.value + deviation or new.value < kept.value - deviation


SUPPRESSED, REPORTED, TOO_SOON = range(3)


def marks_of(samples: Sequence[Sample], settings: Settings) -> list[int]:
    """What exception reporting says of each sample."""
    if settings.exc_dev is None or settings.step:
        return [REPORTED] * len(samples)
    marks: list[int] = []
    for place, new in enumerate(samples):
        if place == 0:
            marks.append(REPORTED)
            reported = new
            continue
        elapsed_us = new.time_us - reported.time_us
        new_status = new.status != samples[place - 1].status
        moved = deviates(new, reported, settings.exc_dev)
        due = settings.exc_max_us is not None and elapsed_us >= settings.exc_max_us
        if new_status or (moved and elapsed_us >= settings.exc_min_us):
            marks[-1] = REPORTED
            marks.append(REPORTED)
        elif due:
            marks.append(REPORTED)
        else:
            marks.append(TOO_SOON if moved else SUPPRESSED)
        if marks[-1] == REPORTED:
            reported = new
    return marks


@dataclass(frozen=True)
class Marked:
    """A sample with what is known of it."""

    sample: Sample
    mark: int
    on_line: bool

    @property
    def time_us(self) -> int:
        return self.sample.time_us


Slopes: TypeAlias = list[tuple[float, float, float]]


@dataclass(frozen=True)
class ByHand:
    """The rules with one tag's settings.  ``look_ahead``: samples behind a possible end, None for the plain door."""

    settings: Settings
    look_ahead: int | None

    def kept(self, samples: Sequence[Sample]) -> list[Sample]:
        marked = [
            Marked(sample, mark, self.is_on_line(sample))
            for sample, mark in zip(samples, marks_of(samples, self.settings), strict=True)
        ]
        counting = [one for one in marked if self.counts(one) or one is marked[-1]]
        runs = list(self.runs(counting))
        return [
            sample
            for place, run in enumerate(runs)
            for sample in (self.of_line(run) if run[0].on_line else self.of_same(run, [*runs, None][place + 1]))
        ]

    def is_on_line(self, sample: Sample) -> bool:
        one = self.settings
        has_door = not one.step and not (one.exc_dev is None and one.comp_dev is None)
        return has_door and not sample.is_bad and isinstance(sample.value, float)

    def counts(self, one: Marked) -> bool:
        return one.on_line or one.sample.is_bad or self.settings.step or one.mark == REPORTED

    def runs(self, marked: Sequence[Marked]) -> Iterator[list[Marked]]:
        run: list[Marked] = []
        for one in marked:
            if run and not self.goes_on(run[-1], one):
                yield run
                run = []
            run.append(one)
        if run:
            yield run

    def goes_on(self, before: Marked, one: Marked) -> bool:
        if before.sample.status != one.sample.status or before.on_line != one.on_line:
            return False
        stores_reports = self.settings.comp_dev is None and not self.settings.step
        repeats = one.sample.says_the_same_as(before.sample) and (one.sample.is_bad or not stores_reports)
        return one.on_line or repeats

    def of_same(self, run: list[Marked], following: list[Marked] | None) -> list[Sample]:
        kept = [run[0].sample]
        for one in run[1:]:
            if self.is_due(kept[-1], one.sample):
                kept.append(one.sample)
        same_status = following is not None and following[0].sample.status == run[0].sample.status
        if run[-1].sample != kept[-1] and not (self.settings.step and same_status):
            kept.append(run[-1].sample)
        return kept

    def of_line(self, run: list[Marked]) -> list[Sample]:
        kept, anchor = [run[0].sample], 0
        while anchor < len(run) - 1:
            anchor = self.end_of_line(run, anchor)
            kept.append(run[anchor].sample)
        return kept

    def end_of_line(self, run: list[Marked], anchor: int) -> int:
        end, slopes = anchor + 1, []
        for place in range(anchor + 1, len(run)):
            may_end = self.may_end(slopes, self.slopes(run, anchor, place)[0])
            slopes.append(self.slopes(run, anchor, place))
            if self.look_ahead is None and not may_end and place > anchor + 1:
                return place - 1
            if may_end:
                end = place
            is_shut = self.is_shut(slopes) or place - end >= (self.look_ahead or math.inf)
            if is_shut or self.is_must(run, place) or self.is_due(run[anchor].sample, run[place].sample):
                return end
        raise AssertionError("the last of a run is a must")

    def is_must(self, run: list[Marked], place: int) -> bool:
        return place == len(run) - 1 or (self.settings.comp_dev is None and run[place].mark == REPORTED)

    def is_due(self, stored: Sample, new: Sample) -> bool:
        limit = self.settings.comp_max_us
        return limit is not None and new.time_us - stored.time_us >= limit

    def slopes(self, run: list[Marked], anchor: int, place: int) -> tuple[float, float, float]:
        """To the sample, and to the lowest and the highest value that a line may have there."""
        start, one = run[anchor].sample, run[place]
        elapsed = (one.time_us - start.time_us) * 2.0**-62
        deviation = self.deviation(one)
        if one.time_us - start.time_us < self.settings.comp_min_us:
            deviation = math.inf
        value = one.sample.value
        return tuple(over(edge - start.value, elapsed) for edge in (value, value - deviation, value + deviation))

    def deviation(self, one: Marked) -> float:
        if one.mark == TOO_SOON:
            return math.inf
        exc_dev = (self.settings.exc_dev or 0.0) if one.mark == SUPPRESSED else 0.0
        return (self.settings.comp_dev or 0.0) + exc_dev

    @staticmethod
    def may_end(between: Slopes, slope: float) -> bool:
        return math.isfinite(slope) and all(low <= slope <= high for _, low, high in between)

    @staticmethod
    def is_shut(slopes: Slopes) -> bool:
        return max(low for _, low, _ in slopes) > min(high for _, _, high in slopes)


def over(distance: float, elapsed: float) -> float:
    """As doubles divide: what is too large is infinite."""
    try:
        return distance / elapsed
    except OverflowError:
        return math.copysign(math.inf, distance)


def line_error(sample: Sample, before: Sample, after: Sample) -> Fraction:
    """How far ``sample`` is from the line between its neighbours, in exact arithmetic."""
    share = Fraction(sample.time_us - before.time_us, after.time_us - before.time_us)
    on_line = Fraction(before.value) + (Fraction(after.value) - Fraction(before.value)) * share
    return abs(Fraction(sample.value) - on_line)


def rounding(samples: list[Sample], *deviations: float) -> Fraction:
    """A few units in the last place of the largest number in play."""
    values = [abs(one.value) for one in samples if one.value is not None]
    return 4 * Fraction(math.ulp(max([*values, *deviations], default=0.0)))


def segments(samples: list[Sample], kept: list[Sample]) -> list[tuple[Sample, list[Sample], Sample]]:
    """The samples left out, each list with the two kept ones around it."""
    return [
        (before, [one for one in samples if before.time_us < one.time_us < after.time_us], after)
        for before, after in pairwise(kept)
    ]


def worst_error(samples: list[Sample], kept: list[Sample]) -> Fraction:
    """Largest distance of a left-out value from the line between its kept neighbours."""
    errors = [
        line_error(one, before, after)
        for before, between, after in segments(samples, kept)
        for one in between
        if not one.is_bad
    ]
    return max(errors, default=Fraction(0))
