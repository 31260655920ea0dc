"""The deviation to take: of those that a person or the noise allows, the smallest that saves nearly as much as any."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from historian.model.error_bound import ErrorBound
from historian.model.tag import CompressionSettings, ExceptionSettings, Tag
from historian.tuning.limit import Knowledge, Limit, Wish, know, limit
from historian.tuning.resolution import resolution
from historian.tuning.series import RawSeries
from historian.tuning.trial import Outcome, Settings, try_settings
from historian.tuning.understanding import LeftAlone, left_alone_by_samples, left_alone_by_type

NEARLY: Final = 1.1
"""A smaller deviation is taken when it keeps at most so many times the samples of the largest one allowed."""

WORTH_IT: Final = 0.02
"""A change that saves less than this part of the bytes is not proposed, unless a person asked for a smaller error."""

_LOSSLESS: Final = Settings(ExceptionSettings(), CompressionSettings())


@dataclass(frozen=True, slots=True)
class Tuning:
    """The result for one tag.

    ``left``: why nothing was tried.  Else ``everything`` is what all samples take, ``present`` what the settings of now
    keep, and ``outcomes`` what was tried, by falling deviation; ``chosen`` is the one to take, None where the settings
    of now are as good.  ``note`` says what is to be known about it.
    """

    tag: Tag
    scanned: int
    left: LeftAlone | None = None
    knowledge: Knowledge | None = None
    everything: Outcome | None = None
    present: Outcome | None = None
    outcomes: tuple[Outcome, ...] = ()
    chosen: Outcome | None = None
    note: str = ""

    @property
    def saved_bytes_per_day(self) -> float:
        """What the change saves; 0.0 where none is proposed."""
        if self.chosen is None or self.present is None:
            return 0.0
        return self.present.bytes_per_day - self.chosen.bytes_per_day


def tune(tag: Tag, series: RawSeries, wish: Wish) -> Tuning:
    """Find the deviation for ``tag``, of which ``series`` are raw samples."""
    step = resolution(series.different)
    left = left_alone_by_type(tag) or left_alone_by_samples(series, step)
    if left is not None:
        return Tuning(tag, len(series), left)
    known = know(tag, series, step)
    if len(series.different) == 1:
        allowed = Limit(0.0, "never moved: only repeats of the same value are left out")
    else:
        allowed = limit(known, wish, Settings.of(tag).bound)
    tried = [_settings(tag, deviation) for deviation in allowed.ladder(wish, step)]
    everything, present, *outcomes = try_settings(series, tag, [_LOSSLESS, Settings.of(tag), *tried])
    chosen, missed = _choose(outcomes, allowed, wish)
    errs_more = wish.max_error is not None and not allowed.allows(present.settings.bound)
    if chosen is not None and not errs_more and chosen.bytes >= (1 - WORTH_IT) * present.bytes:
        chosen = None
    note = "; ".join(filter(None, (missed, allowed.note)))
    return Tuning(tag, len(series), None, known, everything, present, tuple(outcomes), chosen, note)


def _settings(tag: Tag, deviation: float) -> Settings:
    """All of the error for compression: the same error shared with exception reporting keeps more samples."""
    exception = tag.exception
    if exception.deviation is not None and exception.deviation.deviation > 0:
        exception = replace(exception, deviation=None)
    return Settings(exception, replace(tag.compression, deviation=ErrorBound(deviation)))


def _choose(outcomes: Sequence[Outcome], allowed: Limit, wish: Wish) -> tuple[Outcome | None, str]:
    """The outcome to take, and what of the wish it does not fulfil."""
    possible = [outcome for outcome in outcomes if allowed.allows(outcome.settings.comp_dev or 0.0)]
    if not possible:
        return None, ""
    if wish.target_ratio is None:
        fewest = min(outcome.kept for outcome in possible)
        return [outcome for outcome in possible if outcome.kept <= NEARLY * fewest][-1], ""
    enough = [outcome for outcome in possible if outcome.ratio >= wish.target_ratio]
    return (enough[-1], "") if enough else (possible[0], f"does not come to a ratio of {wish.target_ratio:g}")
