"""The grid of scan times: on whole multiples of the rate, and without drift."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.schedule import ScanGrid, SystemTimer
from historian.model.clock import SystemClock
from support.fake_clock import FakeClock

rates = st.integers(min_value=1_000, max_value=86_400_000_000)
times = st.integers(min_value=0, max_value=2**52)


@given(
    wall_us=times,
    monotonic_us=times,
    rate_us=rates,
    phase_us=st.integers(0, 86_400_000_000),
    index=st.integers(-5, 10**6),
)
def test_due_times_are_multiples_of_the_rate_plus_the_phase(wall_us, monotonic_us, rate_us, phase_us, index):
    grid = ScanGrid.anchored(FakeClock(wall_us, monotonic_us), rate_us, phase_us)
    wall_at_due_us = grid.due_us(index) - monotonic_us + wall_us
    assert (wall_at_due_us - phase_us) % rate_us == 0


@given(wall_us=times, monotonic_us=times, rate_us=rates, now_us=times)
def test_the_next_scan_is_the_first_later_one(wall_us, monotonic_us, rate_us, now_us):
    grid = ScanGrid.anchored(FakeClock(wall_us, monotonic_us), rate_us, 0)
    index = grid.index_after(now_us)
    assert grid.due_us(index - 1) <= now_us < grid.due_us(index)


def test_a_step_of_the_wall_clock_does_not_move_the_grid():
    clock = FakeClock()
    grid = ScanGrid.anchored(clock, 1_000_000, 0)
    before = grid.due_us(1000)
    clock.step_wall(seconds=-3600)
    assert grid.due_us(1000) == before


@pytest.mark.parametrize("late_us", [0, 5_000])
async def test_the_system_timer_never_wakes_early(late_us):
    timer = SystemTimer(SystemClock())
    due_us = timer.clock.monotonic_us() + 10_000 - 2 * late_us
    await timer.sleep_until(due_us)
    assert timer.clock.monotonic_us() >= due_us
