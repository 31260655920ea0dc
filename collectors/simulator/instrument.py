"""What a transmitter makes of the true value: noise, the range's limits, and the steps of its converter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

from collectors.simulator.disturbances import Episodes
from collectors.simulator.points import Point
from historian.model.status import status_code

GOOD: Final = status_code("Good")
SENSOR_FAILURE: Final = status_code("BadSensorFailure")
SENSOR_NOT_ACCURATE: Final = status_code("UncertainSensorNotAccurate")

WARNING_S: Final = 1.0
"""How long a failing instrument is inaccurate before it gives no value, and again after it gives one."""

Signal: TypeAlias = float | int | bool | str


@dataclass(frozen=True, slots=True)
class Measurement:
    """What an instrument shows: ``value`` in engineering units, None under a Bad status."""

    value: Signal | None
    status: int = GOOD


def measure(point: Point, truth: Signal, draw: float) -> Signal:
    """The value that ``point`` shows for ``truth``; ``draw`` is a standard normal number for its noise.

    Analogue values end at the limits of the range and on a step of the converter; everything else is passed on.
    """
    if point.resolution is None or not isinstance(truth, float):
        return truth
    low = point.low if point.low is not None else 0.0
    noisy = max(truth + point.noise * draw, low)
    if point.high is not None:
        noisy = min(noisy, point.high)
    return low + round((noisy - low) / point.resolution) * point.resolution


def failing_status(episode: Episodes, duration_s: float) -> int:
    """Status of an instrument that fails in ``episode``: inaccurate, then dead, then inaccurate again."""
    elapsed_s = episode.elapsed_s
    if elapsed_s is None:
        return GOOD
    return SENSOR_FAILURE if WARNING_S <= elapsed_s < duration_s - WARNING_S else SENSOR_NOT_ACCURATE
