"""How aggregates treat doubtful data: the AggregateConfiguration of OPC 10000-13, 4.2.1.2."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from historian.errors import UsageError

RESOLUTION_US: Final = 1
"""The least difference of two times in the store.  Where data end inside an interval, what is known of it ends this
much after the end of data; the end of an interval as a time of its own is this much before it (decision 0051)."""


@dataclass(frozen=True, slots=True)
class AggregateOptions:
    """The settings of one question; the defaults are those of OPC 10000-13.

    ``stepped`` overrides how values run between samples, None leaves it to each tag.  ``treat_uncertain_as_bad`` takes
    Uncertain samples for Bad ones.  A result is Bad when at least ``percent_bad`` of its time (or samples) is Bad, Good
    when at least ``percent_good`` is Good, else Uncertain.  ``sloped_extrapolation`` extends the last line past the end
    of data instead of holding the last value.  Raises UsageError when the two limits contradict each other.
    """

    stepped: bool | None = None
    treat_uncertain_as_bad: bool = True
    percent_good: float = 100.0
    percent_bad: float = 100.0
    sloped_extrapolation: bool = False
    resolution_us: int = RESOLUTION_US

    def __post_init__(self) -> None:
        good, bad = self.percent_good, self.percent_bad
        if not (0 <= good <= 100 and 0 <= bad <= 100 and good >= 100 - bad):
            raise UsageError(
                f"cannot judge results (BadAggregateInvalidInputs): got percent_good {good:g} and percent_bad {bad:g}, "
                "wanted both between 0 and 100 and percent_good at least 100 - percent_bad"
            )
        if self.resolution_us < 1:
            raise UsageError(f"cannot aggregate: got resolution_us {self.resolution_us}, wanted 1 or more")
