"""What upsets the simulated plant: drift, sudden steps, and events that last a while, all of it from the seed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


class Drift:
    """Slow random wandering around 0: an Ornstein-Uhlenbeck process with standard deviation ``sigma``."""

    def __init__(self, rng: np.random.Generator, sigma: float, time_constant_s: float) -> None:
        self._rng = rng
        self._sigma = sigma
        self._time_constant_s = time_constant_s
        self.value = 0.0

    def step(self, step_s: float) -> float:
        """Wander on for ``step_s`` seconds (the exact discretisation, so that any step gives the same variance)."""
        kept = float(np.exp(-step_s / self._time_constant_s))
        self.value = kept * self.value + self._sigma * float(np.sqrt(1 - kept * kept) * self._rng.standard_normal())
        return self.value


class Selector:
    """A number that jumps between ``choices`` at random times ``shortest_s`` to ``longest_s`` apart."""

    def __init__(
        self,
        rng: np.random.Generator,
        choices: Sequence[float],
        first_s: float,
        shortest_s: float,
        longest_s: float,
    ) -> None:
        self._rng = rng
        self._choices = tuple(choices)
        self._shortest_s, self._longest_s = shortest_s, longest_s
        self._remaining_s = first_s
        self.value = self._choices[0]

    def step(self, step_s: float) -> float:
        """The choice that holds after ``step_s`` more seconds; a jump always goes to another one."""
        self._remaining_s -= step_s
        if self._remaining_s <= 0:
            others = [choice for choice in self._choices if choice != self.value]
            self.value = others[int(self._rng.integers(len(others)))]
            self._remaining_s = float(self._rng.uniform(self._shortest_s, self._longest_s))
        return self.value


class Episodes:
    """Events that begin at random and last ``duration_s``.

    The first begins after ``first_s``, the next ones on average ``pause_s`` after the end of the last.
    """

    def __init__(self, rng: np.random.Generator, first_s: float, duration_s: float, pause_s: float) -> None:
        self._rng = rng
        self._duration_s, self._pause_s = duration_s, pause_s
        self._until_next_s = first_s
        self.elapsed_s: float | None = None

    def step(self, step_s: float) -> float | None:
        """Seconds since the running event began, or None when there is none."""
        if self.elapsed_s is not None:
            self.elapsed_s += step_s
            if self.elapsed_s >= self._duration_s:
                self.elapsed_s = None
                self._until_next_s = float(self._rng.uniform(0.5, 1.5)) * self._pause_s
            return self.elapsed_s
        self._until_next_s -= step_s
        if self._until_next_s <= 0:
            self.elapsed_s = 0.0
        return self.elapsed_s
