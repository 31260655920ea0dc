"""From raw values to engineering units."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from historian.model.scan import Scan
from historian.model.status import (
    BAD_NO_COMMUNICATION,
    BAD_OUT_OF_RANGE,
    BAD_TYPE_MISMATCH,
    GOOD,
    UNCERTAIN_LAST_USABLE_VALUE,
)
from historian.model.tag import Tag, ValueType
from historian.pipeline.scaling import Scaling


def tag(**settings) -> Tag:
    return Tag("T", "s", "hr:0", "fast", **settings)


def scan(*values, status=None, exact=None, text=None) -> Scan:
    count = len(values)
    return Scan(
        0, 1, np.ones(count, np.int64), np.array(values, np.float64),
        np.array(status or [GOOD] * count, np.uint32), exact or {}, text or {},
    )  # fmt: skip


def test_scale_and_offset_give_engineering_units_and_leave_the_raw_scan_alone():
    raw = scan(100, 100, 100, 100)
    tags = [tag(), tag(scale=2.0), tag(offset=-5.0), tag(scale=2.0, offset=-5.0)]
    assert Scaling(tags).apply(raw).value.tolist() == [100, 200, 95, 195]
    assert raw.value.tolist() == [100, 100, 100, 100]


@given(st.integers(-32768, 65535), st.sampled_from(["0.1", "0.01", "0.001", "0.5", "0.25", "0.0001"]))
def test_a_decimal_scale_gives_the_double_nearest_to_the_decimal_value(code, scale):
    value = Scaling([tag(scale=float(scale))]).apply(scan(code)).value[0]
    assert value == float(Fraction(code) * Fraction(scale))


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e3), st.floats(-1e3, 1e3))
def test_any_scale_is_a_multiplication(raw, scale, offset):
    value = Scaling([tag(scale=scale, offset=offset)]).apply(scan(raw)).value[0]
    assert value == pytest.approx(raw * scale + offset, rel=1e-15, abs=1e-12)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_bad_and_has_no_value(value):
    scaled = Scaling([tag()]).apply(scan(value))
    assert scaled.status.tolist() == [BAD_OUT_OF_RANGE]
    assert np.isnan(scaled.value[0])


def test_a_value_that_scaling_makes_infinite_is_bad():
    assert Scaling([tag(scale=1e200)]).apply(scan(1e200)).status.tolist() == [BAD_OUT_OF_RANGE]


def test_a_code_that_the_enumeration_does_not_know_is_bad_not_text():
    tags = [tag(enumeration={0: "closed", 1: "open"})] * 3
    scaled = Scaling(tags).apply(scan(0, 1, 2))
    assert scaled.status.tolist() == [GOOD, GOOD, BAD_OUT_OF_RANGE]
    assert scaled.value[:2].tolist() == [0, 1]


def test_each_tag_is_held_to_its_own_enumeration():
    valve, mode = {0: "closed", 1: "open"}, {1: "manual", 7: "cascade"}
    tags = [tag(enumeration=mode), tag(), tag(enumeration=valve), tag(enumeration=mode)]
    scaled = Scaling(tags).apply(scan(0, 0, 0, 7))
    assert scaled.status.tolist() == [BAD_OUT_OF_RANGE, GOOD, GOOD, GOOD]


def test_a_bad_sample_has_no_value_of_any_kind():
    bad = scan(5.0, 2.0**60, np.nan, status=[BAD_NO_COMMUNICATION] * 3, exact={1: 2**60 + 1}, text={2: "on"})
    scaled = Scaling([tag(), tag(), tag()]).apply(bad)
    assert np.isnan(scaled.value).all()
    assert (scaled.exact, scaled.text) == ({}, {})
    assert set(scaled.status.tolist()) == {BAD_NO_COMMUNICATION}


def test_an_uncertain_value_stays_a_value():
    scaled = Scaling([tag()]).apply(scan(5.0, status=[UNCERTAIN_LAST_USABLE_VALUE]))
    assert (scaled.value[0], scaled.status[0]) == (5.0, UNCERTAIN_LAST_USABLE_VALUE)


def test_text_and_large_whole_numbers_pass_as_they_are():
    raw = scan(np.nan, 2.0**53, text={0: "batch 7"}, exact={1: 2**53 + 1})
    scaled = Scaling([tag(), tag()]).apply(raw)
    assert scaled.status.tolist() == [GOOD, GOOD]
    assert (scaled.text, scaled.exact) == ({0: "batch 7"}, {1: 2**53 + 1})


def test_a_scaled_whole_number_is_a_double():
    scaled = Scaling([tag(scale=0.5)]).apply(scan(2.0**54, exact={0: 2**54 + 2}))
    assert (scaled.value[0], scaled.exact) == (2.0**53, {})


def test_a_text_where_the_tag_list_says_a_number_is_no_value():
    tags = [tag(value_type=ValueType.FLOAT64), tag(value_type=ValueType.TEXT), tag(), tag(value_type=ValueType.FLOAT64)]
    nan, texts = np.nan, dict.fromkeys(range(4), "B-4712")
    raw = scan(nan, nan, nan, nan, status=[GOOD, GOOD, GOOD, BAD_NO_COMMUNICATION], text=texts)
    result = Scaling(tags).apply(raw)
    assert result.status.tolist() == [BAD_TYPE_MISMATCH, GOOD, GOOD, BAD_NO_COMMUNICATION]
    assert result.text == {1: "B-4712", 2: "B-4712"}
    assert raw.status.tolist()[0] == GOOD
