"""The simulated plant as its instruments show it: the same seed and the same number of steps give the same values.

Both servers compute the whole plant from the same start, so that what they show fits together though they are two
processes.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from collectors.simulator.boiler import Boiler
from collectors.simulator.disturbances import Episodes
from collectors.simulator.instrument import (
    GOOD,
    SENSOR_FAILURE,
    Measurement,
    Signal,
    failing_status,
    measure,
)
from collectors.simulator.points import POINTS
from collectors.simulator.reactor import Reactor

STEP_US: Final = 100_000
STEP_S: Final = STEP_US / 1_000_000

ACIDITY_FAILURE_S: Final = 4.5


class Process:
    """Boiler, reactor and their instruments.  ``measurements`` holds what each instrument shows now, by tag name."""

    def __init__(self, seed: int = 1) -> None:
        plant, instruments, failures = (np.random.default_rng(part) for part in np.random.SeedSequence(seed).spawn(3))
        self.boiler = Boiler(plant)
        self.reactor = Reactor(plant)
        self.steps = 0
        self.measurements: dict[str, Measurement] = {}
        self._instruments = instruments
        self._oxygen_failure = Episodes(failures, first_s=6.0, duration_s=2.5, pause_s=30.0)
        self._conductivity_failure = Episodes(failures, first_s=12.0, duration_s=2.0, pause_s=40.0)
        self._acidity_failure = Episodes(failures, first_s=8.0, duration_s=ACIDITY_FAILURE_S, pause_s=35.0)
        self._look()

    def advance(self, steps: int) -> None:
        """Move on by ``steps`` of ``STEP_S`` seconds each; the instruments look at the end."""
        for _ in range(steps):
            self.boiler.step(STEP_S)
            self.reactor.step(STEP_S)
            for failure in (self._oxygen_failure, self._conductivity_failure, self._acidity_failure):
                failure.step(STEP_S)
            self.steps += 1
            self._look()

    def _look(self) -> None:
        truth = boiler_signals(self.boiler) | reactor_signals(self.reactor)
        draws = self._instruments.standard_normal(len(POINTS)).tolist()
        statuses = self._statuses()
        for point, draw in zip(POINTS, draws, strict=True):
            status = statuses.get(point.name, GOOD)
            value = None if status == SENSOR_FAILURE else measure(point, truth[point.name], draw)
            self.measurements[point.name] = Measurement(value, status)

    def _statuses(self) -> dict[str, int]:
        return {
            "AI108.PV": GOOD if self._oxygen_failure.elapsed_s is None else SENSOR_FAILURE,
            "AI109.PV": GOOD if self._conductivity_failure.elapsed_s is None else SENSOR_FAILURE,
            "AI208.PV": failing_status(self._acidity_failure, ACIDITY_FAILURE_S),
        }


def boiler_signals(boiler: Boiler) -> dict[str, Signal]:
    """True value of every instrument of the boiler, by tag name."""
    pump = boiler.running_pump
    return {
        "FIC101.PV": boiler.feed_flow,
        "FIC101.SP": boiler.flow_set_point,
        "FIC101.OUT": boiler.flow_control.output,
        "LIC102.PV": boiler.level,
        "LIC102.SP": boiler.level_set_point,
        "LIC102.OUT": boiler.level_control.output,
        "PIC103.PV": boiler.pressure,
        "PIC103.SP": boiler.pressure_set_point,
        "PIC103.OUT": boiler.pressure_control.output,
        "FI104.PV": boiler.steam_flow,
        "TI105.PV": boiler.feed_temperature,
        "TI106.PV": boiler.flue_temperature,
        "II107.PV": 28.0 + 0.45 * boiler.feed_flow if pump else 0.0,
        "AI108.PV": boiler.oxygen,
        "AI109.PV": boiler.conductivity,
        "P101.RUN": pump == 1,
        "P102.RUN": pump == 2,
        "XV101.OPEN": pump != 0,
        "XV102.OPEN": boiler.blowdown_open,
        "LSH102.ACT": boiler.alarms.level_high,
        "LSL102.ACT": boiler.alarms.level_low,
        "BS110.FLAME": boiler.alarms.flame,
        "UA113.ACT": boiler.alarms.common,
        "FIC101.MODE": int(boiler.feed_mode),
        "FQ101.TOT": boiler.totaliser,
        "FQ111.TOT": boiler.gas_volume,
        "EQ112.TOT": boiler.energy,
        "FUEL.NAME": boiler.fuel,
    }


def reactor_signals(reactor: Reactor) -> dict[str, Signal]:
    """True value of every instrument of the reactor, by tag name."""
    return {
        "TIC205.PV": reactor.temperature,
        "TIC205.SP": reactor.temperature_set_point,
        "TIC205.OUT": reactor.control.output,
        "TI206.PV": reactor.jacket,
        "LI203.PV": reactor.level,
        "PI204.PV": reactor.pressure,
        "FI201.PV": reactor.charge_flow,
        "SIC207.PV": reactor.speed,
        "SIC207.SP": reactor.speed_set_point,
        "AI208.PV": reactor.acidity,
        "M207.RUN": reactor.speed_set_point > 0.0,
        "XV201.OPEN": reactor.inlet_open,
        "XV202.OPEN": reactor.outlet_open,
        "WQ209.TOT": int(reactor.charged_kg),
        "BATCH.STATE": int(reactor.state),
        "BATCH.ID": reactor.batch_id,
        "BATCH.COUNT": reactor.batches_done,
    }
