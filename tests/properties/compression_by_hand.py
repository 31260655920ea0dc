"""What is kept of one tag, worked out from the definitions sample by sample; for the tests only.

It shares no trick with the code: every question about a line looks at all samples between its ends anew.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from properties.compression_reference import Sample, Settings, deviates

SUPPRESSED, REPORTED, TOO_SOON = range(3)


def marks_of(samples: Sequence[Sample], settings: Settings) -> list[int]:
    """What exception reporting says of each sample."""
    if settings.exc_dev is None and not settings.step:
        return [REPORTED] * len(samples)
    deviation, min_us = (0.0, 0) if settings.step else (settings.exc_dev, settings.exc_min_us)
    marks: list[int] = []
    for place, new in enumerate(samples):
        if place == 0:
            marks.append(REPORTED)
            reported = new
            continue
        elapsed_us = new.time_us - reported.time_us
        new_status = new.status != samples[place - 1].status
        moved = deviates(new, reported, deviation)
        due = settings.exc_max_us is not None and elapsed_us >= settings.exc_max_us
        if new_status or (moved and elapsed_us >= min_us):
            if new_status or not settings.step:
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
        counting = [one for one in marked if self.counts(one)]
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
        end = anchor + 1
        for place in range(anchor + 1, len(run)):
            may_end = self.may_end(run, anchor, place)
            if self.look_ahead is None and not may_end and place > anchor + 1:
                return place - 1
            if may_end:
                end = place
            is_shut = self.is_shut(run, anchor, place) or place - end >= (self.look_ahead or math.inf)
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

    def may_end(self, run: list[Marked], anchor: int, place: int) -> bool:
        slope = self.slopes(run, anchor, place)[0]
        between = [self.slopes(run, anchor, one) for one in range(anchor + 1, place)]
        return math.isfinite(slope) and all(low <= slope <= high for _, low, high in between)

    def is_shut(self, run: list[Marked], anchor: int, place: int) -> bool:
        windows = [self.slopes(run, anchor, one) for one in range(anchor + 1, place + 1)]
        return max(low for _, low, _ in windows) > min(high for _, _, high in windows)


def over(distance: float, elapsed: float) -> float:
    """As doubles divide: what is too large is infinite."""
    try:
        return distance / elapsed
    except OverflowError:
        return math.copysign(math.inf, distance)
