"""The boiler of the simulated plant: drum level in cascade with the feed flow, steam pressure on the fuel.

A small steam boiler in real time: 1 t/h of imbalance moves the drum level by 1.4 % a minute.  Flows are in m3/h of
water (which is t/h of steam), so that the totaliser is the integral of the flow.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from collectors.simulator.disturbances import Drift, Episodes, Selector
from collectors.simulator.pid import PidController

LITRES_PER_PERCENT = 12.0
STEAM_PER_FIRING = 1.1
BAR_PER_TONNE_HOUR = 0.05
FLOW_AT_FULL_VALVE = 120.0
TOTALISER_ROLLOVER = 10_000
KWH_PER_TONNE = 650.0
GAS_PER_FIRING = 0.02
FIRST_ENERGY_WH = 2**53 + 1
PUMP_CHANGE_S = 1.2
HIGH_LEVEL, LOW_LEVEL = 55.0, 45.0
SECONDS_PER_HOUR = 3600.0


class FeedMode(IntEnum):
    """Where the flow controller's set point comes from, by the codes the device gives."""

    MANUAL = 0
    AUTOMATIC = 1
    CASCADE = 2


@dataclass(slots=True)
class Alarms:
    """Switches of the drum and the burner."""

    level_high: bool = False
    level_low: bool = False
    flame: bool = True

    @property
    def common(self) -> bool:
        """The lamp that is lit by any of them."""
        return self.level_high or self.level_low or not self.flame


def _lag(value: float, target: float, time_constant_s: float, step_s: float) -> float:
    return value + (target - value) * min(step_s / time_constant_s, 1.0)


class Boiler:
    """True state of the boiler, before any instrument looks at it; ``step`` moves it on."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.level, self.pressure, self.feed_flow, self.steam_flow = 49.0, 24.0, 55.0, 55.0
        self.valve, self.firing = 46.0, 50.0
        self.feed_temperature, self.flue_temperature, self.oxygen, self.conductivity = 105.0, 180.0, 3.5, 2.2
        self.level_set_point, self.flow_set_point, self.pressure_set_point = 50.0, 55.0, 24.0
        self.alarms = Alarms()
        self.blowdown_open, self.feed_mode, self.fuel = False, FeedMode.CASCADE, "NATURAL GAS"
        self.fed_litres, self.gas_volume, self.energy_wh = 9_850.0, 41_770.0, float(0)
        self.level_control = PidController(gain=7.0, integral_s=12.0, output=46.0)
        self.flow_control = PidController(gain=0.35, integral_s=0.8, output=46.0)
        self.pressure_control = PidController(gain=12.0, integral_s=9.0, output=50.0)
        self._demand = Selector(rng, (55.0, 47.0, 62.0, 68.0), first_s=11.0, shortest_s=10.0, longest_s=30.0)
        self._demand_drift = Drift(rng, sigma=1.5, time_constant_s=8.0)
        self._temperature_drift = Drift(rng, sigma=0.8, time_constant_s=20.0)
        self._oxygen_drift = Drift(rng, sigma=0.15, time_constant_s=3.0)
        self._level_choice = Selector(rng, (50.0, 54.0, 47.0), first_s=7.0, shortest_s=25.0, longest_s=45.0)
        self._pressure_choice = Selector(rng, (24.0, 26.0, 22.5), first_s=18.0, shortest_s=30.0, longest_s=60.0)
        self._fuel_choice = Selector(rng, (0, 1), first_s=24.0, shortest_s=40.0, longest_s=90.0)
        self._pump_change = Episodes(rng, first_s=14.0, duration_s=PUMP_CHANGE_S, pause_s=45.0)
        self._blowdown = Episodes(rng, first_s=9.0, duration_s=3.0, pause_s=18.0)
        self._flame_loss = Episodes(rng, first_s=75.0, duration_s=2.0, pause_s=120.0)
        self._changing_pump, self._chosen_pump = False, 1

    @property
    def running_pump(self) -> int:
        """1 or 2, or 0 during a change-over."""
        return 0 if self._changing_pump else self._chosen_pump

    @property
    def totaliser(self) -> int:
        """Litres fed, as the counter shows them: back to 0 at its rollover."""
        return int(self.fed_litres) % TOTALISER_ROLLOVER

    @property
    def energy(self) -> int:
        """Watt-hours as a whole number that a double cannot hold."""
        return FIRST_ENERGY_WH + int(self.energy_wh)

    def step(self, step_s: float) -> None:
        """Move on by ``step_s`` seconds, which should be 0.1 or less."""
        self._step_operator(step_s)
        self._step_feed(step_s)
        self._step_steam(step_s)
        self._step_drum(step_s)
        self._step_counters(step_s)

    def _step_operator(self, step_s: float) -> None:
        """What people and sequences do: set points, pumps, blowdown, fuel."""
        self.level_set_point = self._level_choice.step(step_s)
        self.pressure_set_point = self._pressure_choice.step(step_s)
        self.fuel = ("NATURAL GAS", "BIOGAS")[int(self._fuel_choice.step(step_s))]
        changing = self._pump_change.step(step_s) is not None
        if self._changing_pump and not changing:
            self._chosen_pump = 3 - self._chosen_pump
        self._changing_pump = changing
        self.blowdown_open = self._blowdown.step(step_s) is not None
        self.alarms.flame = self._flame_loss.step(step_s) is None

    def _step_feed(self, step_s: float) -> None:
        """Level controller sets the flow's set point; while no pump runs, the flow controller is held in manual."""
        level_output = self.level_control.update(self.level_set_point, self.level, step_s)
        self.flow_set_point = level_output / 100.0 * FLOW_AT_FULL_VALVE
        self.feed_mode = FeedMode.MANUAL if self._changing_pump else FeedMode.CASCADE
        if not self._changing_pump:
            self.flow_control.update(self.flow_set_point, self.feed_flow, step_s)
        self.valve = _lag(self.valve, self.flow_control.output, 0.4, step_s)
        head = 1.0 if self.running_pump else 0.25
        self.feed_flow = _lag(self.feed_flow, self.valve / 100.0 * FLOW_AT_FULL_VALVE * head, 0.3, step_s)

    def _step_steam(self, step_s: float) -> None:
        """Pressure controller sets the fuel; the consumers take what they take."""
        self.pressure_control.update(self.pressure_set_point, self.pressure, step_s)
        fuel = self.pressure_control.output if self.alarms.flame else 0.0
        self.firing = _lag(self.firing, fuel, 1.0, step_s)
        demand = self._demand.step(step_s) + self._demand_drift.step(step_s)
        self.steam_flow = max(_lag(self.steam_flow, demand, 1.5, step_s), 0.0)
        surplus = self.firing * STEAM_PER_FIRING - self.steam_flow
        self.pressure = max(self.pressure + surplus * BAR_PER_TONNE_HOUR * step_s, 0.0)
        self.flue_temperature = _lag(self.flue_temperature, 180.0 + 0.8 * (self.firing - 50.0), 6.0, step_s)
        lean = 0.02 * (50.0 - self.firing) + (0.4 if self.fuel == "BIOGAS" else 0.0)
        self.oxygen = max(3.5 + lean + self._oxygen_drift.step(step_s), 0.0)

    def _step_drum(self, step_s: float) -> None:
        """Water balance, salts and the switches with their hysteresis."""
        blowdown = 6.0 if self.blowdown_open else 0.0
        litres_per_s = (self.feed_flow - self.steam_flow - blowdown) / 3.6
        self.level = min(max(self.level + litres_per_s / LITRES_PER_PERCENT * step_s, 0.0), 100.0)
        self.conductivity += (0.03 - (0.22 if self.blowdown_open else 0.0)) * step_s
        self.conductivity = min(max(self.conductivity, 1.5), 4.0)
        self.feed_temperature = 105.0 + self._temperature_drift.step(step_s)
        self.alarms.level_high = self.level > (HIGH_LEVEL - 0.5 if self.alarms.level_high else HIGH_LEVEL)
        self.alarms.level_low = self.level < (LOW_LEVEL + 0.5 if self.alarms.level_low else LOW_LEVEL)

    def _step_counters(self, step_s: float) -> None:
        self.fed_litres += self.feed_flow / 3.6 * step_s
        self.gas_volume += self.firing * GAS_PER_FIRING * step_s
        self.energy_wh += self.steam_flow * KWH_PER_TONNE * 1000.0 / SECONDS_PER_HOUR * step_s
