"""Signals and settings for the properties of compression: what plants send, and what doubles make hard.

Short signals are drawn number by number, so that hypothesis finds the odd corner and shrinks to it.  Long ones come
from a seeded generator, because what compression gets wrong often needs a long segment to show.
"""

from __future__ import annotations

import struct
from itertools import accumulate
from random import Random

from hypothesis import strategies as st

from properties.compression_reference import Sample, Settings

GOOD = 0
UNCERTAIN = 0x40900000
BAD_TIMEOUT = 0x800A0000
BAD_DEVICE_FAILURE = 0x808B0000

SHORT = 6
LONG = 60

deviations = st.one_of(
    st.sampled_from([0.0, 0.1, 0.5, 1.0, 2.5]), st.floats(0, 10), st.sampled_from([5e-324, 1e290, 1e300, 1.7e308])
)
limits_us = st.one_of(st.none(), st.integers(1, 20_000_000))


def _maxima_above_minima(one: Settings) -> bool:
    """As the configuration demands."""
    pairs = ((one.exc_min_us, one.exc_max_us), (one.comp_min_us, one.comp_max_us))
    return all(longest is None or longest > least for least, longest in pairs)


def _random_walk(random: Random, length: int) -> list[float]:
    return [round(level * 0.1, 1) for level in accumulate(random.choices((-2, -1, 0, 1, 2), k=length))]


def _ramp(random: Random, length: int) -> list[float]:
    start, slope, scatter = random.uniform(-100, 100), random.choice((0, 1, 0.3, -2.7)), random.choice((0, 0, 0.2))
    return [start + slope * place + random.uniform(-scatter, scatter) for place in range(length)]


def _steps(random: Random, length: int) -> list[float]:
    level, levels = 0.0, []
    for _ in range(length):
        level = random.choice((0.0, -0.0, 1.0, 100.0, 110.0)) if random.random() < 0.15 else level
        levels.append(level)
    return levels


def _noise(random: Random, length: int) -> list[float]:
    return [random.gauss(20, 0.4) for _ in range(length)]


def _extremes(random: Random, length: int) -> list[float]:
    hard = (1e300, -1e300, 1.7e308, -1.7e308, 5e-324, -5e-324, 1.5e-323, 2.3e-308, 0.0, -0.0, 1e16, 1e16 + 2, 1.0)
    anchor = random.choice(hard)
    near = [anchor, anchor * (1 + 2**-52), anchor * 0.9, anchor, -anchor, *random.choices(hard, k=2)]
    bits = [struct.unpack("<d", random.randbytes(8))[0] for _ in range(2)]
    return random.choices([*near, *(one for one in bits if abs(one) < float("inf"))], k=length)


def _odd(random: Random, length: int) -> list[float | int | str]:
    levels = _steps(random, length)
    odd = random.choices((2**53 + 1, 2**53 + 3, 2**63 + 1, "open", "closed", 2.0**53), k=3)
    return [odd[int(level) % 3] if level > 1 else level for level in levels]


def _statuses(random: Random, length: int) -> list[int]:
    code, codes, restless = GOOD, [], random.choice((0, 0, 0.05, 0.3))
    for _ in range(length):
        if random.random() < restless:
            code = random.choice((GOOD, GOOD, UNCERTAIN, BAD_TIMEOUT, BAD_DEVICE_FAILURE))
        codes.append(code)
    return codes


def _gaps_us(random: Random, length: int) -> list[int]:
    regular = random.random() < 0.5
    return [1_000_000 if regular else int(10 ** random.uniform(0, random.choice((1, 7, 13)))) for _ in range(length)]


def _tag(values, gaps, codes) -> list[Sample]:
    return [
        Sample(time, None if code >= BAD_TIMEOUT else value, code)
        for time, value, code in zip(accumulate(gaps), values, codes, strict=True)
    ]


def _long_tags(*signals):
    def make(signal, seed, length):
        random = Random(seed)
        return _tag(signal(random, length), _gaps_us(random, length), _statuses(random, length))

    return st.builds(make, st.sampled_from(signals), st.integers(0, 2**32), st.integers(0, LONG))


def _short_tags(values):
    gaps = st.one_of(st.just(1_000_000), st.integers(1, 3), st.integers(1, 10**13))
    codes = st.sampled_from([GOOD, GOOD, GOOD, UNCERTAIN, BAD_TIMEOUT])
    rows = st.lists(st.tuples(values, gaps, codes), max_size=SHORT)
    return rows.map(lambda drawn: _tag(*zip(*drawn, strict=True)) if drawn else [])


quantised = st.integers(-30, 30).map(lambda count: round(count * 0.1, 1))
any_double = st.floats(allow_nan=False, allow_infinity=False)

plant_tags = st.one_of(_short_tags(quantised), _long_tags(_random_walk, _ramp, _steps, _noise))
"""Numbers as devices send them."""

extreme_tags = st.one_of(_short_tags(any_double), _long_tags(_extremes))
"""Any numbers that doubles can be."""

any_tags = st.one_of(plant_tags, _long_tags(_odd))
"""Numbers as devices send them, whole numbers that a double would round, and text, also in one tag."""

any_settings = st.builds(
    Settings,
    exc_dev=st.one_of(st.none(), deviations),
    exc_min_us=st.sampled_from([0, 0, 2_000_000]),
    exc_max_us=limits_us,
    comp_dev=st.one_of(st.none(), deviations),
    comp_min_us=st.sampled_from([0, 0, 2_000_000]),
    comp_max_us=limits_us,
    step=st.sampled_from([False, False, True]),
    look_ahead=st.booleans(),
).filter(_maxima_above_minima)
"""Everything that can be configured."""

promising_settings = st.builds(
    Settings,
    exc_dev=st.one_of(st.none(), deviations),
    exc_max_us=limits_us,
    comp_dev=st.one_of(st.none(), deviations, deviations),
    comp_max_us=limits_us,
    look_ahead=st.booleans(),
)
"""Those with which the bound holds: no minimum times."""
