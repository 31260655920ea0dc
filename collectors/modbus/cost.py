"""What a request costs, and what a register: the measure by which the planner decides what to read along.

Between the connection, which times its requests, and :mod:`collectors.modbus.plan`.  A request takes a time of its own
(the way there and back, the device's cycle, silence on a serial line), and each register takes a little more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

BITS_PER_REGISTER: Final = 16
"""A bit costs what a sixteenth of a register does: they come sixteen to two bytes."""

MEMORY: Final = 0.98
"""Weight of the requests so far when one more is timed: about the last fifty decide."""

ENOUGH: Final = 20
"""Requests timed before the measure counts for more than the assumption."""

LEAST_SPREAD: Final = 16.0
"""Variance of the sizes (registers squared) from which they tell what a register costs."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Microseconds of a request, and of each register that it reads.  ``measured`` at this device, or assumed."""

    request_us: float
    register_us: float
    measured: bool = False

    @property
    def widest_gap(self) -> int:
        """So many unused registers take no longer than another request."""
        # The cap is the size of a table: where registers cost nothing, any gap is worth reading over.
        return int(min(self.request_us / max(self.register_us, 1e-9), 65_536.0))

    def of(self, requests: int, registers: float) -> float:
        """Microseconds of so many requests that read so many registers together; a bit is 1/16 of one."""
        return self.request_us * requests + self.register_us * registers


NETWORK: Final = Cost(1_000.0, 10.0)
"""Assumed of a device in a network until it is measured: a quick controller answers after a millisecond, and a request
is worth a hundred registers."""


DEVICE_US: Final = 5_000.0
"""Assumed of a device at a serial line: the time between a request's end and its answer's beginning."""

REQUEST_BYTES: Final = {"rtu": 8, "ascii": 17}
ANSWER_BYTES: Final = {"rtu": 5, "ascii": 11}
"""Characters of a request, and of an answer besides its data: unit, function, count, check and marks."""

REGISTER_BYTES: Final = {"rtu": 2, "ascii": 4}


def serial_cost(framing: str, character_us: float, silence_us: float) -> Cost:
    """What requests take on a serial line of this speed, with a silence before each."""
    characters = REQUEST_BYTES[framing] + ANSWER_BYTES[framing]
    return Cost(characters * character_us + 2 * silence_us + DEVICE_US, REGISTER_BYTES[framing] * character_us)


class CostMeter:
    """Fits ``time = request + register * n`` to the requests of one device, by least squares that forget.

    ``assumed`` holds until enough requests were timed, and its proportion as long as all have about the same size.
    ``least_us`` is what the line's speed makes a register cost at the least.
    """

    def __init__(self, assumed: Cost, least_us: float = 0.0) -> None:
        self._assumed = assumed
        self._least_us = least_us
        self._requests = 0
        self._weight = self._n = self._us = self._nn = self._n_us = 0.0

    def note(self, registers: float, took_us: float) -> None:
        """One request that was answered."""
        self._requests += 1
        self._weight = self._weight * MEMORY + 1.0
        self._n = self._n * MEMORY + registers
        self._us = self._us * MEMORY + took_us
        self._nn = self._nn * MEMORY + registers * registers
        self._n_us = self._n_us * MEMORY + registers * took_us

    @property
    def wants_contrast(self) -> bool:
        """Whether all requests had about the same size, so that nobody can tell what a register costs."""
        return self._requests >= ENOUGH and self._spread() < LEAST_SPREAD

    @property
    def cost(self) -> Cost:
        """What holds now."""
        if self._requests < ENOUGH:
            return self._assumed
        mean_n, mean_us = self._n / self._weight, self._us / self._weight
        # Not more than all the time there is, and not less than the line takes.
        register_us = min(max(self._slope(mean_n, mean_us), self._least_us), mean_us / max(mean_n, 1.0))
        return Cost(max(mean_us - register_us * mean_n, 1.0), register_us, measured=True)

    def _spread(self) -> float:
        """The variance of the sizes."""
        mean_n = self._n / self._weight
        return self._nn / self._weight - mean_n * mean_n

    def _slope(self, mean_n: float, mean_us: float) -> float:
        """Microseconds a register, as far as the sizes tell."""
        spread = self._spread()
        if spread < LEAST_SPREAD:
            return mean_us / (self._assumed.widest_gap + mean_n)
        return max((self._n_us / self._weight - mean_n * mean_us) / spread, 0.0)
