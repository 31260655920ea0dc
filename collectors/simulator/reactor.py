"""The batch reactor of the simulated plant: fill, heat, react, drain, over and over.

A pilot vessel of 40 litres in real time: a batch takes about 24 seconds, so that a short demonstration sees all of it.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np

from collectors.simulator.disturbances import Drift
from collectors.simulator.pid import PidController

VESSEL_LITRES = 40.0
FULL_PERCENT = 80.0
EMPTY_PERCENT = 2.0
FILL_FLOW = 24.0
DRAIN_FLOW = 26.0
SUPPLY_TEMPERATURE = 20.0
REST_TEMPERATURE, REACTION_TEMPERATURE, FINISHING_TEMPERATURE = 30.0, 80.0, 85.0
RAMP_PER_S = 11.0
COLD_JACKET, HOT_JACKET = 15.0, 140.0
IDLE_S = 2.0
REACT_S = 7.0
FIRST_BATCH_NUMBER = 4711


class BatchState(IntEnum):
    """Steps of the recipe, by the codes the server gives."""

    IDLE = 0
    FILLING = 1
    HEATING = 2
    REACTING = 3
    DRAINING = 4


def _lag(value: float, target: float, time_constant_s: float, step_s: float) -> float:
    return value + (target - value) * min(step_s / time_constant_s, 1.0)


class Reactor:
    """True state of the reactor, before any instrument looks at it; ``step`` moves it on."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.state = BatchState.IDLE
        self.batch_number, self.batches_done = FIRST_BATCH_NUMBER, 0
        self.level, self.temperature, self.jacket, self.pressure = EMPTY_PERCENT, 31.0, 30.0, 1.02
        self.charge_flow, self.speed, self.acidity = 0.0, 0.0, 7.0
        self.temperature_set_point, self.speed_set_point = REST_TEMPERATURE, 0.0
        self.inlet_open, self.outlet_open = False, False
        self.charged_kg = 1_204_380.0
        self.control = PidController(gain=4.0, integral_s=3.5, output=12.0)
        self._in_state_s = 0.0
        self._cooling_water = Drift(rng, sigma=1.0, time_constant_s=15.0)
        self._purity = Drift(rng, sigma=0.04, time_constant_s=10.0)

    @property
    def batch_id(self) -> str:
        """Identity of the running batch, or of the last one while the vessel is idle."""
        return f"B-{self.batch_number}"

    def step(self, step_s: float) -> None:
        """Move on by ``step_s`` seconds, which should be 0.1 or less."""
        self._step_sequence(step_s)
        self._step_material(step_s)
        self._step_heat(step_s)
        self._step_chemistry(step_s)

    def _step_sequence(self, step_s: float) -> None:
        self._in_state_s += step_s
        if self._state_is_complete():
            self.state = BatchState((self.state + 1) % len(BatchState))
            self._in_state_s = 0.0
            if self.state is BatchState.FILLING:
                self.batch_number += 1
            if self.state is BatchState.IDLE:
                self.batches_done += 1
        self.inlet_open = self.state is BatchState.FILLING
        self.outlet_open = self.state is BatchState.DRAINING
        self._ramp_set_point(step_s)
        self.speed_set_point = {BatchState.IDLE: 0.0, BatchState.REACTING: 300.0}.get(self.state, 120.0)

    def _state_is_complete(self) -> bool:
        return {
            BatchState.IDLE: self._in_state_s >= IDLE_S,
            BatchState.FILLING: self.level >= FULL_PERCENT,
            BatchState.HEATING: self.temperature >= REACTION_TEMPERATURE - 0.8,
            BatchState.REACTING: self._in_state_s >= REACT_S,
            BatchState.DRAINING: self.level <= EMPTY_PERCENT,
        }[self.state]

    def _wanted_temperature(self) -> float:
        if self.state is BatchState.HEATING:
            return REACTION_TEMPERATURE
        if self.state is BatchState.REACTING:
            return REACTION_TEMPERATURE if self._in_state_s < REACT_S / 2 else FINISHING_TEMPERATURE
        return REST_TEMPERATURE

    def _ramp_set_point(self, step_s: float) -> None:
        """Recipes ramp a temperature; a jump would only saturate the jacket."""
        missing = self._wanted_temperature() - self.temperature_set_point
        most = RAMP_PER_S * step_s
        self.temperature_set_point += min(max(missing, -most), most)

    def _step_material(self, step_s: float) -> None:
        self.charge_flow = max(_lag(self.charge_flow, FILL_FLOW if self.inlet_open else 0.0, 0.3, step_s), 0.0)
        charged_litres = self.charge_flow / 3.6 * step_s
        drained_litres = (DRAIN_FLOW if self.outlet_open else 0.0) / 3.6 * step_s
        held_litres = self.level / 100.0 * VESSEL_LITRES
        mixed = self.temperature * held_litres + SUPPLY_TEMPERATURE * charged_litres
        self.temperature = mixed / (held_litres + charged_litres)
        self.level = min(max((held_litres + charged_litres - drained_litres) / VESSEL_LITRES * 100.0, 1.0), 100.0)
        self.charged_kg += charged_litres
        self.speed = _lag(self.speed, self.speed_set_point, 0.6, step_s)

    def _step_heat(self, step_s: float) -> None:
        """Split range on the jacket: 0 % is cooling water, 100 % is steam; the reaction adds heat of its own."""
        output = self.control.update(self.temperature_set_point, self.temperature, step_s)
        cold = COLD_JACKET + self._cooling_water.step(step_s)
        self.jacket = _lag(self.jacket, cold + (HOT_JACKET - cold) * output / 100.0, 0.8, step_s)
        stirred = 5.0 if self.speed > 60.0 else 12.0
        reaction = 2.0 * float(np.exp(-self._in_state_s / 2.5)) if self.state is BatchState.REACTING else 0.0
        self.temperature += ((self.jacket - self.temperature) / stirred + reaction) * step_s

    def _step_chemistry(self, step_s: float) -> None:
        wanted = 4.2 if self.state in (BatchState.REACTING, BatchState.DRAINING) else 7.0
        self.acidity = _lag(self.acidity, wanted + self._purity.step(step_s), 2.0, step_s)
        gas = 0.4 if self.state is BatchState.REACTING else 0.0
        self.pressure = _lag(self.pressure, 1.0 + 0.018 * (self.temperature - 20.0) + gas, 1.0, step_s)
