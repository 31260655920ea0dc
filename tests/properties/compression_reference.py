"""Exception reporting and the plain swinging door of one tag, as slow loops from the definitions; for the tests only.

A value is a float, an int (a whole number that a double would round), a str, or None (a Bad sample has no value).  The
door keeps every sample of a segment and works out the window anew for each, so that it shares no trick with the code.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

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


def reported(samples: list[Sample], settings: Settings) -> tuple[list[Sample], Sample | None]:
    """What exception reporting passes on, and the last scan where that was not reported."""
    out: list[Sample] = []
    last: Sample | None = None
    for new in samples:
        if last is None:
            out.append(new)
            last = new
            continue
        kept = out[-1]
        left_behind = [last] if last != kept else []
        elapsed = new.time_us - kept.time_us
        due = settings.exc_max_us is not None and elapsed >= settings.exc_max_us
        if new.status != last.status:
            out += [*left_behind, new]
        elif settings.step:
            if not new.says_the_same_as(kept) or due:
                out.append(new)
        elif settings.exc_dev is None:
            out.append(new)
        elif deviates(new, kept, settings.exc_dev) and elapsed >= settings.exc_min_us:
            out += [*left_behind, new]
        elif due:
            out.append(new)
        last = new
    return out, last if out and last != out[-1] else None


@dataclass
class Door:
    """The plain door of one tag.  ``between``: the samples after the anchor, of which the last is the held one."""

    settings: Settings
    stored: list[Sample] = field(default_factory=list)
    between: list[Sample] = field(default_factory=list)

    def push(self, new: Sample) -> None:
        if not self.stored:
            self.store(new)
        elif self.runs_on_a_line(new):
            self.swing(new)
        elif self.repeats(new):
            self.hold(new)
        else:
            held_says_something = not (self.settings.step and new.status == self.stored[-1].status)
            if self.between and held_says_something:
                self.store(self.between[-1])
            self.store(new)

    def is_on_a_line(self, sample: Sample) -> bool:
        has_door = self.settings.comp_dev is not None and not self.settings.step
        return has_door and not sample.is_bad and isinstance(sample.value, float)

    def runs_on_a_line(self, new: Sample) -> bool:
        anchor = self.stored[-1]
        return self.is_on_a_line(new) and self.is_on_a_line(anchor) and new.status == anchor.status

    def repeats(self, new: Sample) -> bool:
        stores_all = self.settings.comp_dev is None and not self.settings.step
        return new.says_the_same_as(self.stored[-1]) and (new.is_bad or not stores_all)

    def swing(self, new: Sample) -> None:
        if self.between and not self.may_end_at(new):
            self.store(self.between[-1])
        self.hold(new)

    def hold(self, new: Sample) -> None:
        limit = self.settings.comp_max_us
        if limit is not None and new.time_us - self.stored[-1].time_us >= limit:
            self.store(new)
        else:
            self.between.append(new)

    def may_end_at(self, new: Sample) -> bool:
        anchor, deviation = self.stored[-1], self.settings.comp_dev
        slope = (new.value - anchor.value) / (new.time_us - anchor.time_us)
        for one in self.between:
            elapsed = one.time_us - anchor.time_us
            if elapsed < self.settings.comp_min_us:
                continue
            low = (one.value - deviation - anchor.value) / elapsed
            high = (one.value + deviation - anchor.value) / elapsed
            if not low <= slope <= high:
                return False
        return True

    def store(self, sample: Sample) -> None:
        self.stored.append(sample)
        self.between = []

    def drain(self) -> None:
        if self.between:
            self.store(self.between[-1])


def compressed(samples: list[Sample], settings: Settings) -> list[Sample]:
    """All that the door stores of ``samples``, with an orderly stop at the end."""
    door = Door(settings)
    for sample in samples:
        door.push(sample)
    door.drain()
    return door.stored


def both(samples: list[Sample], settings: Settings) -> list[Sample]:
    """Exception reporting with the door behind it, with an orderly stop at the end."""
    passed, pending = reported(samples, settings)
    return compressed([*passed, pending] if pending else passed, settings)


def line_error(sample: Sample, before: Sample, after: Sample) -> Fraction:
    """How far ``sample`` is from the line between its neighbours, in exact arithmetic."""
    share = Fraction(sample.time_us - before.time_us, after.time_us - before.time_us)
    on_line = Fraction(before.value) + (Fraction(after.value) - Fraction(before.value)) * share
    return abs(Fraction(sample.value) - on_line)
