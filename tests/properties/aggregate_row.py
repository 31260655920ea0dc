"""What the plain aggregates of the tests look at: samples, bounds, regions and statuses of one row, in loops."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

GOOD, USN, BAD, NO_DATA = 0x00000000, 0x40A40000, 0x80000000, 0x809B0000
CALCULATED, INTERPOLATED, PARTIAL, MULTIPLE = "calculated", "interpolated", "partial", "multiple"


@dataclass(frozen=True)
class Sample:
    time: int
    value: float | None
    status: int = GOOD
    real: bool = True

    @property
    def severity(self) -> int:
        return min(self.status >> 30, 2)


@dataclass(frozen=True)
class Rules:
    tuab: bool = False
    percent_good: float = 100
    percent_bad: float = 100
    extrapolate: bool = False
    resolution: int = 1


@dataclass(frozen=True)
class Bound:
    value: float | None
    status: int
    interpolated: bool = False
    raw: bool = False

    @property
    def missing(self) -> bool:
        return self.value is None

    @property
    def severity(self) -> int:
        return self.status >> 30


@dataclass(frozen=True)
class Result:
    value: float | None
    status: int
    bits: frozenset[str] = frozenset()
    time: int | None = None


MISSING = Bound(None, NO_DATA)


@dataclass(frozen=True)
class Row:
    """Samples of one tag, the windows of one row in time order, and how to read them."""

    samples: tuple[Sample, ...]
    stepped: bool
    known: int
    windows: tuple[tuple[int, int], ...]
    time: int
    rules: Rules = Rules()
    reverse: bool = False
    annotations: tuple[int, ...] = ()

    # --- samples

    def bad(self, sample: Sample) -> bool:
        return sample.severity == 2 or (sample.severity == 1 and self.rules.tuab)

    @property
    def points(self) -> tuple[Sample, ...]:
        """The samples and, where the data end later, one more that says so."""
        if not self.samples or self.known <= self.samples[-1].time:
            return self.samples
        last = self.samples[-1]
        return (*self.samples, Sample(self.known, last.value, last.status, real=False))

    def within(self, time: int, low: int, high: int) -> bool:
        return low < time <= high if self.reverse else low <= time < high

    def inside(self) -> list[Sample]:
        return [s for low, high in self.windows for s in self.samples if self.within(s.time, low, high)]

    def outside_of_data(self, low: int, high: int) -> bool:
        if not self.samples:
            return True
        first = self.samples[0].time
        return (high < first or low >= self.known) if self.reverse else (high <= first or low > self.known)

    @property
    def no_data(self) -> bool:
        return all(self.outside_of_data(low, high) for low, high in self.windows)

    @property
    def partial(self) -> bool:
        if self.no_data:
            return False
        first = self.samples[0].time
        return any(low < first or self.known < high for low, high in self.windows)

    def bits(self, *names: str, ties: bool = False) -> frozenset[str]:
        more = ([PARTIAL] if self.partial else []) + ([MULTIPLE] if ties else [])
        return frozenset([*names, *more])

    # --- bounds

    def interpolated_bound(self, t: int, stepped: bool) -> Bound:
        usable = [s for s in self.points if not self.bad(s)]
        for s in usable:
            if s.time == t and s.real:
                return Bound(s.value, s.status, raw=True)
        before = [s for s in usable if s.time < t]
        after = [s for s in usable if s.time >= t]
        if not before:
            return MISSING
        b = before[-1]
        if stepped:
            spoilt = any(self.bad(s) for s in self.points if b.time < s.time < t)
            return Bound(b.value, USN if spoilt or b.severity or t > self.known else GOOD, interpolated=True)
        if not after:
            value = b.value
            if self.rules.extrapolate and len(before) > 1:
                value = line(before[-2], b, t)
            return Bound(value, USN, interpolated=True)
        n = after[0]
        spoilt = any(self.bad(s) for s in self.points if b.time < s.time < n.time)
        return Bound(line(b, n, t), USN if spoilt or b.severity or n.severity else GOOD, interpolated=True)

    def simple_bound(self, t: int, bad: Callable[[Sample], bool] | None = None) -> Bound:
        bad = bad or self.bad
        for s in self.points:
            if s.time == t and s.real:
                return MISSING if bad(s) else Bound(s.value, s.status, raw=True)
        before = [s for s in self.points if s.time < t]
        after = [s for s in self.points if s.time >= t]
        if not before or not after or bad(before[-1]):
            return MISSING
        b, n = before[-1], after[0]
        if self.stepped:
            return Bound(b.value, USN if b.severity else GOOD, interpolated=True)
        if bad(n):
            return Bound(b.value, USN, interpolated=True)
        return Bound(line(b, n, t), USN if b.severity or n.severity else GOOD, interpolated=True)

    # --- regions: (length, value at its start, value at its end, class of the region, class of its start)

    def regions(self) -> list[tuple[int, float | None, float | None, int, int]]:
        return [region for low, high in self.windows for region in self.regions_of(low, high)]

    def regions_of(self, low: int, high: int) -> list[tuple[int, float | None, float | None, int, int]]:
        if self.outside_of_data(low, high):
            inside_or_after = bool(self.samples) and low >= self.known
            return [] if inside_or_after or not self.samples else [(high - low, None, None, 2, 2)]
        points = [(low, self.simple_bound(low))]
        points += [(s.time, self.as_bound(s)) for s in self.points if low < s.time < high]
        if self.known < high:
            points.append((min(high, self.known + self.rules.resolution), MISSING))
        else:
            points.append((high, self.simple_bound(high)))
        return [self.region(p, q) for p, q in pairwise(points)]

    def as_bound(self, s: Sample) -> Bound:
        return MISSING if self.bad(s) else Bound(s.value, s.status)

    def region(
        self, start: tuple[int, Bound], end: tuple[int, Bound]
    ) -> tuple[int, float | None, float | None, int, int]:
        (t, p), (u, q) = start, end
        if p.missing:
            return u - t, None, None, 2, 2
        if self.stepped:
            return u - t, p.value, p.value, p.severity, p.severity
        if q.missing:
            return u - t, p.value, p.value, 1, p.severity
        return u - t, p.value, q.value, max(p.severity, q.severity), p.severity

    # --- statuses

    def percent_time(self) -> int:
        shares = [0, 0, 0]
        for length, _, _, kind, _ in self.regions():
            shares[kind] += length
        return self.by_share(*shares)

    def percent_values(self) -> int:
        shares = [0, 0, 0]
        for s in self.inside():
            shares[s.severity] += 1
        if shares[2] == 0 and shares[1] and not self.rules.tuab:
            return USN
        return self.by_share(*shares)

    def by_share(self, good: int, uncertain: int, bad: int) -> int:
        if self.rules.tuab:
            bad += uncertain
        else:
            good += uncertain
        if bad == 0:
            return GOOD
        percent_good, percent_bad = (Fraction(100 * part, good + bad) for part in (good, bad))
        rules = self.rules
        if rules.percent_good != 100 - rules.percent_bad and percent_bad >= rules.percent_bad:
            return BAD
        return GOOD if percent_good >= rules.percent_good else USN


def line(b: Sample, n: Sample, t: int) -> float:
    return float(Fraction(b.value) + (Fraction(n.value) - Fraction(b.value)) * Fraction(t - b.time, n.time - b.time))
