"""The anchored clock: follows the system's, never goes back, and tells of steps."""

from hypothesis import given
from hypothesis import strategies as st

from historian.model.clock import AnchoredClock
from support.fake_clock import START_US, FakeClock


def test_without_steps_it_is_the_system_clock():
    system = FakeClock()
    clock = AnchoredClock(system)
    system.advance(seconds=12345.678)
    assert clock.check() is None
    assert clock.wall_us() == system.wall_us() == START_US + 12_345_678_000


def test_a_step_forward_is_followed_at_once_and_reported():
    system = FakeClock()
    clock = AnchoredClock(system)
    system.step_wall(seconds=3600)
    step = clock.check()
    assert step is not None
    assert step.by_us == 3_600_000_000
    assert clock.wall_us() == system.wall_us()
    system.advance(seconds=1)
    assert clock.check() is None


def test_a_step_back_is_reported_once_and_met_at_half_speed():
    system = FakeClock()
    clock = AnchoredClock(system)
    system.step_wall(seconds=-10)
    steps = []
    for _ in range(25):
        steps.append(clock.check())
        system.advance(seconds=1)
    assert [step.by_us for step in steps if step is not None] == [-10_000_000]
    assert clock.wall_us() == system.wall_us()


def test_a_second_step_while_the_first_is_being_met_is_reported_too():
    system = FakeClock()
    clock = AnchoredClock(system)
    system.step_wall(seconds=-100)
    assert clock.check() is not None
    system.advance(seconds=10)
    system.step_wall(seconds=-7)
    step = clock.check()
    assert step is not None
    assert step.by_us == -7_000_000


def test_small_differences_are_followed_without_a_word():
    system = FakeClock()
    clock = AnchoredClock(system)
    for drift_us in (20, -20, 40_000, -40_000):
        system.step_wall(drift_us)
        assert clock.check() is None
        system.advance(seconds=1)
    clock.check()
    assert clock.wall_us() == system.wall_us()


happenings = st.lists(
    st.tuples(st.sampled_from(["advance", "step", "check"]), st.integers(-(10**10), 10**10)), min_size=1, max_size=60
)


@given(happenings)
def test_it_never_goes_back(happenings):
    system = FakeClock()
    clock = AnchoredClock(system)
    last_us = clock.wall_us()
    for what, amount_us in happenings:
        if what == "advance":
            system.advance(abs(amount_us))
        elif what == "step":
            system.step_wall(amount_us)
        else:
            clock.check()
        now_us = clock.wall_us()
        assert now_us >= last_us
        last_us = now_us
