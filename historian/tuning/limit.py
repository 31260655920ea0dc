"""The largest deviation that may be taken for a tag, and the ones up to it that are tried."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from historian.model.tag import Tag
from historian.tuning.noise import Noise, estimate_noise
from historian.tuning.series import RawSeries

TIMES_NOISE: Final = 3.0
"""A deviation of so many standard deviations of the noise.  The line through what is kept is then nearer to the process
than the samples were (0.6 standard deviations against 1), of which one in a hundred is left (decision 0056)."""

MOST_OF_SPAN: Final = 0.01
MOST_OF_OBSERVED: Final = 0.02
"""What nobody asked for is at most this part of low..high, or of the values seen where these are not configured."""

ALL_NOISE: Final = 12.0
"""Values within so many standard deviations of the noise altogether: a process at rest, whose span is not seen."""

NO_FLOOR: Final = 0.005
"""Part of the span that is taken where noise cannot be told from the process: the accuracy of a usual instrument."""

LADDER: Final = (4.0, 2.0, 1.0, 0.8, 0.63, 0.5, 0.4, 0.3, 0.2, 0.1)
"""Deviations tried, in parts of the largest one allowed; larger ones only to show what they would save."""

WIDEST: Final = 0.05
"""With a wanted ratio and no wanted error: the largest deviation tried, as part of the span."""

RATIO_LADDER: Final = tuple(0.75**power for power in range(16))
"""Deviations tried for a wanted ratio, in parts of the largest."""

COARSE: Final = 10
OFF_EDGE: Final = 0.05
"""Up to so many steps of the grid a deviation is put this part of a step past a half: on it rounding would decide."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person asked for.

    ``max_error``: the largest error, in units of the value, or as a part of the span where ``is_share``.
    ``target_ratio``: of all samples to the kept ones.  None of both: what the noise allows.
    """

    max_error: float | None = None
    is_share: bool = False
    target_ratio: float | None = None


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What was found of a tag's values.

    ``step``: their grid, 0.0 for none.  ``span``: low..high, or where these are not configured what was seen.
    """

    noise: Noise
    step: float
    span: float
    is_configured: bool


@dataclass(frozen=True, slots=True)
class Limit:
    """The largest deviation that may be taken, and why it is that one where a person would ask."""

    deviation: float
    note: str = ""

    def ladder(self, wish: Wish, step: float) -> list[float]:
        """The deviations to try, the largest first, each once."""
        parts = LADDER if wish.target_ratio is None else RATIO_LADDER
        return sorted({off_edge(part * self.deviation, step) for part in parts}, reverse=True)

    def allows(self, deviation: float) -> bool:
        """Whether this one may be taken."""
        return deviation <= self.deviation * (1 + 1e-9)


def know(tag: Tag, series: RawSeries, step: float) -> Knowledge:
    """Noise, grid and span of a tag's values."""
    noise = estimate_noise(series.numbers, series.stretch[series.known], step)
    if tag.low is not None and tag.high is not None:
        return Knowledge(noise, step, tag.high - tag.low, is_configured=True)
    return Knowledge(noise, step, series.observed_span, is_configured=False)


def limit(known: Knowledge, wish: Wish, configured: float = 0.0) -> Limit:
    """As a person asked for; else what is noise, and not more than a part of the span.

    Where noise cannot be told from the process, the error that is ``configured`` (0.0: none) is not enlarged: it may be
    there for a reason.
    """
    seen = "" if known.is_configured else "without low and high, the span is what was seen"
    if wish.max_error is not None:
        return Limit(wish.max_error * known.span, seen) if wish.is_share else Limit(wish.max_error)
    if wish.target_ratio is not None:
        return Limit(WIDEST * known.span, seen)
    if not known.noise.is_floor:
        return _without_noise(NO_FLOOR * known.span, configured)
    of_noise, of_span = Limit(TIMES_NOISE * known.noise.sigma), _of_span(known)
    return of_noise if of_noise.deviation <= of_span.deviation else of_span


def _without_noise(of_span: float, configured: float) -> Limit:
    if 0 < configured < of_span:
        return Limit(configured, "noise cannot be told from the process: not more than now")
    return Limit(of_span, f"noise cannot be told from the process: {NO_FLOOR:.1%} of the span")


def _of_span(known: Knowledge) -> Limit:
    if known.is_configured:
        return Limit(MOST_OF_SPAN * known.span, f"there is more noise than {MOST_OF_SPAN:.0%} of the span")
    if known.span <= ALL_NOISE * known.noise.sigma:
        return Limit(math.inf)
    return Limit(MOST_OF_OBSERVED * known.span, f"there is more noise than {MOST_OF_OBSERVED:.0%} of the values seen")


def off_edge(deviation: float, step: float) -> float:
    """``deviation`` or a little less, with two digits; on a coarse grid just past a half step, where no ties are.

    0.0 when it is less than half a step: nothing but exact lines can be left out then.
    """
    if not step or deviation >= COARSE * step:
        return _rounded(deviation, 2)
    halves = math.floor((deviation / step - OFF_EDGE) * 2 + 1e-9)
    return _rounded((halves / 2 + OFF_EDGE) * step, 3, up=True) if halves > 0 else 0.0


def _rounded(number: float, digits: int, *, up: bool = False) -> float:
    """To so many digits, down, or up; what is so but for the last bits stays."""
    if number <= 0:
        return 0.0
    power = math.floor(math.log10(number)) - digits + 1
    count = number / 10.0**power
    whole = math.ceil(count - 1e-9) if up else math.floor(count + 1e-9)
    return float(f"{whole}e{power}")
