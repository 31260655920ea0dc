"""The simulated plant behaves like a plant: physical, controlled, quantised, and the same every time."""

import itertools

import numpy as np
import pytest

from collectors.simulator.boiler import FIRST_ENERGY_WH, TOTALISER_ROLLOVER, Boiler
from collectors.simulator.disturbances import Drift, Episodes, Selector
from collectors.simulator.pid import PidController
from collectors.simulator.points import POINTS, points_of
from collectors.simulator.process import STEP_S, Process
from collectors.simulator.reactor import BatchState, Reactor
from historian.model.status import GOOD, status_code

STEPS = 1200


@pytest.fixture(scope="module")
def record() -> list[dict[str, object]]:
    """What all instruments show in two minutes."""
    process = Process(seed=7)
    shown = []
    for _ in range(STEPS):
        process.advance(1)
        shown.append({name: measurement.value for name, measurement in process.measurements.items()})
    return shown


def column(record, name):
    return [row[name] for row in record if row[name] is not None]


def test_about_forty_instruments_on_two_sources():
    assert 40 <= len(POINTS) <= 50
    assert len({point.name for point in POINTS}) == len(POINTS)
    assert len(points_of("boiler")) >= 15
    assert len(points_of("mixer")) >= 15


def test_the_same_seed_gives_the_same_plant_however_it_is_stepped():
    one, other = Process(seed=3), Process(seed=3)
    one.advance(250)
    for _ in range(50):
        other.advance(5)
    assert one.measurements == other.measurements


def test_another_seed_gives_another_plant():
    one, other = Process(seed=3), Process(seed=4)
    one.advance(100)
    other.advance(100)
    assert one.measurements != other.measurements


def test_what_the_instruments_show_stays_in_their_range(record):
    for point in POINTS:
        if point.low is not None and point.high is not None:
            values = column(record, point.name)
            assert point.low - 1e-9 <= min(values), point.name
            assert max(values) <= point.high + 1e-9, point.name


@pytest.mark.parametrize("name", ["FIC101.PV", "LIC102.PV", "TIC205.PV", "AI208.PV"])
def test_a_converter_of_so_many_bits_shows_only_its_own_steps(record, name):
    bits = {"FIC101.PV": 14, "LIC102.PV": 14, "TIC205.PV": 16, "AI208.PV": 12}[name]
    high = {"FIC101.PV": 120.0, "LIC102.PV": 100.0, "TIC205.PV": 300.0, "AI208.PV": 14.0}[name]
    counts = np.array(column(record, name)) / high * (2**bits - 1)
    assert np.abs(counts - np.round(counts)).max() < 1e-6
    assert len(set(np.round(counts))) > 20  # it does move


def test_every_analogue_signal_moves_and_every_state_changes(record):
    for point in POINTS:
        if point.name not in ("BS110.FLAME", "LSL102.ACT", "LSH102.ACT", "UA113.ACT"):  # rare by intention
            assert len(set(column(record, point.name))) > 1, point.name


def test_the_level_stays_between_the_drums_ends_and_near_its_set_point():
    boiler = Boiler(np.random.default_rng(1))
    errors = []
    for _ in range(6000):
        boiler.step(STEP_S)
        errors.append(boiler.level - boiler.level_set_point)
        assert 20 < boiler.level < 80
        assert 10 < boiler.pressure < 40
    assert abs(float(np.mean(errors))) < 1.0
    assert float(np.percentile(np.abs(errors), 50)) < 1.5


def test_the_water_in_the_drum_is_what_came_in_less_what_went_out():
    boiler = Boiler(np.random.default_rng(5))
    litres, level = 0.0, boiler.level
    for _ in range(300):
        boiler.step(STEP_S)
        litres += (boiler.feed_flow - boiler.steam_flow - (6.0 if boiler.blowdown_open else 0.0)) / 3.6 * STEP_S
    assert boiler.level - level == pytest.approx(litres / 12.0, abs=1e-9)


def test_the_totaliser_is_the_integral_of_the_flow_and_rolls_over_at_ten_thousand():
    boiler = Boiler(np.random.default_rng(2))
    shown, litres, first = [], 0.0, boiler.fed_litres
    for _ in range(7000):
        boiler.step(STEP_S)
        litres += boiler.feed_flow / 3.6 * STEP_S
        shown.append(boiler.totaliser)
    assert max(shown) > TOTALISER_ROLLOVER - 50
    assert min(shown) >= 0
    assert max(shown) < 10_000
    increments = [(later - earlier) % 10_000 for earlier, later in itertools.pairwise(shown)]
    assert sum(increments) == pytest.approx(litres, abs=10.0)
    assert sum(later < earlier for earlier, later in itertools.pairwise(shown)) == int((first + litres) // 10_000)


def test_the_energy_counter_needs_more_than_a_double():
    boiler = Boiler(np.random.default_rng(2))
    shown = []
    for _ in range(50):
        boiler.step(STEP_S)
        shown.append(boiler.energy)
    assert FIRST_ENERGY_WH > 2**53
    assert any(int(float(energy)) != energy for energy in shown)
    assert shown == sorted(shown)


def test_one_pump_runs_or_none_and_they_take_turns(record):
    running = [(row["P101.RUN"], row["P102.RUN"]) for row in record]
    assert (True, True) not in running
    turns = [pair for pair, _ in itertools.groupby(running)]
    assert turns[:3] == [(True, False), (False, False), (False, True)]


def test_the_batch_goes_through_its_states_in_order():
    reactor = Reactor(np.random.default_rng(1))
    states, batches = [], []
    for _ in range(1500):
        reactor.step(STEP_S)
        states.append(reactor.state)
        batches.append(reactor.batch_id)
        assert 0.0 <= reactor.level <= 100.0
        assert 10.0 < reactor.temperature < 120.0
    visited = [state for state, _ in itertools.groupby(states)]
    cycle = [BatchState.IDLE, BatchState.FILLING, BatchState.HEATING, BatchState.REACTING, BatchState.DRAINING]
    assert visited == [cycle[number % 5] for number in range(len(visited))]
    assert 4 <= reactor.batches_done <= 8
    assert len(set(batches)) in (reactor.batches_done, reactor.batches_done + 1, reactor.batches_done + 2)


def test_valves_and_temperature_follow_the_batch():
    reactor = Reactor(np.random.default_rng(1))
    hottest = 0.0
    for _ in range(600):
        reactor.step(STEP_S)
        assert reactor.inlet_open == (reactor.state is BatchState.FILLING)
        assert reactor.outlet_open == (reactor.state is BatchState.DRAINING)
        if reactor.state is BatchState.REACTING:
            hottest = max(hottest, reactor.temperature)
    assert 80.0 < hottest < 95.0


def test_a_failing_instrument_warns_dies_and_comes_back():
    process = Process(seed=1)
    statuses, values = [], []
    for _ in range(200):
        process.advance(1)
        statuses.append(process.measurements["AI208.PV"].status)
        values.append(process.measurements["AI208.PV"].value)
    order = [status for status, _ in itertools.groupby(statuses)]
    inaccurate, dead = status_code("UncertainSensorNotAccurate"), status_code("BadSensorFailure")
    assert order[:5] == [GOOD, inaccurate, dead, inaccurate, GOOD]
    assert all((value is None) == (status == dead) for value, status in zip(values, statuses, strict=True))


@pytest.mark.parametrize("gain", [0.5, 2.0, 6.0])
def test_the_controller_brings_a_slow_process_to_its_set_point(gain):
    controller = PidController(gain=gain, integral_s=5.0, output=0.0)
    value = 20.0
    for _ in range(3000):
        output = controller.update(60.0, value, STEP_S)
        assert 0.0 <= output <= 100.0
        value += (20.0 + 0.8 * output - value) / 10.0 * STEP_S
    assert value == pytest.approx(60.0, abs=0.05)


def test_the_controller_does_not_wind_up_while_it_is_saturated():
    controller = PidController(gain=2.0, integral_s=5.0, output=50.0)
    for _ in range(2000):
        controller.update(100.0, 20.0, STEP_S)
    assert controller.output == 100.0
    steps = 0
    while controller.output > 99.0:
        controller.update(20.0, 25.0, STEP_S)
        steps += 1
    assert steps <= 2


def test_drift_has_the_deviation_it_is_told_whatever_the_step():
    for step_s in (0.1, 2.0):
        drift = Drift(np.random.default_rng(1), sigma=2.0, time_constant_s=1.0)
        values = [drift.step(step_s) for _ in range(20_000)]
        assert np.std(values) == pytest.approx(2.0, rel=0.1)


def test_a_selector_always_jumps_to_another_choice_within_its_times():
    selector = Selector(np.random.default_rng(1), (1.0, 2.0, 3.0), first_s=1.0, shortest_s=2.0, longest_s=3.0)
    values = [selector.step(0.1) for _ in range(1000)]
    lengths = [len(list(run)) for _, run in itertools.groupby(values)]
    assert all(19 <= length <= 32 for length in lengths[1:-1])


def test_episodes_last_as_long_as_they_are_told():
    episodes = Episodes(np.random.default_rng(1), first_s=1.0, duration_s=2.0, pause_s=4.0)
    running = [episodes.step(0.1) is not None for _ in range(2000)]
    lengths = [(on, len(list(run))) for on, run in itertools.groupby(running)]
    assert all(19 <= length <= 21 for on, length in lengths[1:-1] if on)
    assert all(length <= 62 for on, length in lengths[1:-1] if not on)
