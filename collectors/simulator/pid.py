"""A controller of the simulated plant."""

from __future__ import annotations

from dataclasses import dataclass, field

OUTPUT_LOW = 0.0
OUTPUT_HIGH = 100.0


@dataclass(slots=True)
class PidController:
    """PID in the velocity form, derivative on the measurement (Astrom and Hagglund, PID Controllers, 1995, 3.6).

    ``gain`` is percent of output per engineering unit, positive for a process that rises with the output.  The velocity
    form needs no anti-windup: the output is clamped to 0..100 % and the integral lives in the output itself.
    """

    gain: float
    integral_s: float
    derivative_s: float = 0.0
    output: float = 50.0
    _error: float | None = field(default=None, init=False)
    _measured: float = field(default=0.0, init=False)
    _slope: float = field(default=0.0, init=False)

    def update(self, set_point: float, measured: float, step_s: float) -> float:
        """Output in percent after one step of ``step_s`` seconds."""
        error = set_point - measured
        if self._error is None:
            self._error, self._measured = error, measured
        slope = (measured - self._measured) / step_s
        change = error - self._error + step_s / self.integral_s * error - self.derivative_s * (slope - self._slope)
        self.output = min(max(self.output + self.gain * change, OUTPUT_LOW), OUTPUT_HIGH)
        self._error, self._measured, self._slope = error, measured, slope
        return self.output
