"""The plant keeps real time: two servers come to the same step, and a sleeping machine does not make them race."""

from collectors.simulator.pace import LONGEST_CATCH_UP_STEPS, Pace
from collectors.simulator.process import STEP_US, Process

START_US = 1_800_000_000_000_000


def test_the_steps_that_are_due_are_taken_however_often_it_is_asked():
    one, other = Pace(Process(), START_US), Pace(Process(), START_US)
    for late_us in (0, 40_000, 99_999, 100_000, 350_000, 351_000, 1_000_000):
        one.catch_up(START_US + late_us)
    other.catch_up(START_US + 1_000_000)
    assert one.process.steps == other.process.steps == 10
    assert one.process.measurements == other.process.measurements
    assert one.time_us == START_US + 1_000_000


def test_nothing_happens_before_the_next_step_is_due():
    pace = Pace(Process(), START_US)
    assert not pace.catch_up(START_US + STEP_US - 1)
    assert pace.catch_up(START_US + STEP_US)
    assert not pace.catch_up(START_US + STEP_US)


def test_after_a_long_sleep_the_plant_goes_on_from_where_it_was():
    pace = Pace(Process(), START_US)
    pace.catch_up(START_US + 5 * STEP_US)
    woken_us = START_US + (LONGEST_CATCH_UP_STEPS + 100) * STEP_US
    assert pace.catch_up(woken_us)
    assert pace.process.steps == 6
    assert pace.time_us == woken_us


def test_a_clock_set_far_back_does_not_stop_the_plant():
    pace = Pace(Process(), START_US)
    pace.catch_up(START_US + 5 * STEP_US)
    earlier_us = START_US - 3_600_000_000
    assert pace.catch_up(earlier_us)
    assert pace.time_us == earlier_us
    assert pace.catch_up(earlier_us + STEP_US)
