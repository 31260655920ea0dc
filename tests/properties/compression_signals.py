"""Signals and settings for the properties of compression: what plants send, and what doubles make hard."""

from __future__ import annotations

from itertools import accumulate, chain

from hypothesis import strategies as st

from properties.compression_reference import Sample, Settings

GOOD = 0
UNCERTAIN = 0x40900000
BAD_TIMEOUT = 0x800A0000
BAD_DEVICE_FAILURE = 0x808B0000

LENGTH = 40

deviations = st.one_of(
    st.just(0.0), st.sampled_from([0.1, 0.5, 1.0, 2.5]), st.floats(0, 10), st.floats(0, 1e300), st.just(5e-324)
)
limits_us = st.one_of(st.none(), st.integers(1, 20_000_000))
gaps_us = st.one_of(st.just(1_000_000), st.integers(1, 3), st.integers(1, 10_000_000), st.integers(1, 10**13))


def _lists(values):
    return st.lists(values, min_size=0, max_size=LENGTH)


quantised = st.integers(-30, 30).map(lambda count: round(count * 0.1, 1))
random_walks = _lists(st.integers(-2, 2)).map(lambda steps: [round(level * 0.1, 1) for level in accumulate(steps)])
ramps = st.tuples(st.integers(0, LENGTH), st.floats(-100, 100), st.floats(-5, 5)).map(
    lambda ramp: [ramp[1] + ramp[2] * place for place in range(ramp[0])]
)
steps = _lists(st.sampled_from([0.0, -0.0, 1.0, 100.0, 110.0]))
noise = _lists(st.floats(-3, 3))
extremes = _lists(
    st.one_of(
        st.floats(allow_nan=False, allow_infinity=False),
        st.sampled_from([1e300, -1e300, 1.7e308, -1.7e308, 5e-324, -5e-324, 2.2e-308, 0.0, -0.0, 1e16, 1e16 + 2]),
    )
)
signals = st.one_of(random_walks, ramps, steps, noise, _lists(quantised))
statuses = st.one_of(st.just(GOOD), st.sampled_from([GOOD, GOOD, UNCERTAIN, BAD_TIMEOUT, BAD_DEVICE_FAILURE]))
odd_values = st.sampled_from([2**53 + 1, 2**53 + 3, 2**63 + 1, "open", "closed", 2.0**53, 0.0, 1.0])


def _stamped(values, gaps, codes):
    times = accumulate(gaps)
    return [
        Sample(time, None if code >= BAD_TIMEOUT else value, code)
        for time, value, code in zip(times, values, codes, strict=False)
    ]


def tags(values=signals, codes=statuses):
    """Lists of samples of one tag, in order of time, up to LENGTH of them."""
    full = {"min_size": LENGTH, "max_size": LENGTH}
    runs = st.one_of(st.just([GOOD] * LENGTH), st.lists(codes, **full), _runs(codes))
    gaps = st.one_of(st.just([1_000_000] * LENGTH), st.lists(gaps_us, **full))
    return st.builds(_stamped, values, gaps, runs)


def _runs(codes):
    """Statuses that stay for a while."""
    run = st.tuples(codes, st.integers(1, 8)).map(lambda pair: [pair[0]] * pair[1])
    return st.lists(run, min_size=LENGTH, max_size=LENGTH).map(lambda parts: list(chain(*parts))[:LENGTH])


any_tag = st.one_of(tags(), tags(_lists(odd_values)))

any_settings = st.builds(
    Settings,
    exc_dev=st.one_of(st.none(), deviations),
    exc_min_us=st.sampled_from([0, 0, 2_000_000]),
    exc_max_us=limits_us,
    comp_dev=st.one_of(st.none(), deviations),
    comp_min_us=st.sampled_from([0, 0, 2_000_000]),
    comp_max_us=limits_us,
    step=st.booleans(),
)
"""Everything that can be configured."""

promising_settings = st.builds(
    Settings,
    exc_dev=st.one_of(st.none(), deviations),
    exc_max_us=limits_us,
    comp_dev=deviations,
    comp_max_us=limits_us,
)
"""Those with which the bound holds: no minimum times."""
