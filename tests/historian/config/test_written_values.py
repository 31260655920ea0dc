"""Durations, sizes, numbers, deviations and texts of states, as people write them."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from historian.config.byte_size import parse_byte_size
from historian.config.deviation import check_deviation, parse_deviation
from historian.config.duration import format_duration, parse_duration
from historian.config.enumeration import parse_enumeration
from historian.config.number import parse_number
from historian.errors import UnusableValueError
from historian.model.error_bound import ErrorBound

# Durations -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "microseconds"),
    [
        ("250ms", 250_000),
        ("1s", 1_000_000),
        ("1.5s", 1_500_000),
        ("5m", 300_000_000),
        ("8h", 28_800_000_000),
        ("2d", 172_800_000_000),
        ("0.001ms", 1),
        ("0", 0),
        ("0s", 0),
        ("0.1s", 100_000),
    ],
)
def test_durations(text, microseconds):
    assert parse_duration(text) == microseconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "5",
        "s",
        "-1s",
        "1 s",
        "1S",
        "1h30m",
        "1,5s",
        "0.0001ms",
        "40000d",
        "nan",
        "\N{ARABIC-INDIC DIGIT ONE}s",
        "1e3s",
        "9" * 5000 + "s",
    ],
)
def test_what_is_no_duration(text):
    with pytest.raises(UnusableValueError):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "hint"),
    [("5min", "'5m'"), ("10 sec", "'10s'"), ("1,5s", "'1.5s'"), ("30", "30s"), ("1S", "'1s'"), ("2weeks", "units")],
)
def test_hint_of_a_duration(text, hint):
    with pytest.raises(UnusableValueError) as caught:
        parse_duration(text)
    assert hint in caught.value.hint


@given(st.integers(0, 36_500 * 86_400_000).map(lambda milliseconds: milliseconds * 1000))
def test_a_formatted_duration_reads_back(microseconds):
    assert parse_duration(format_duration(microseconds)) == microseconds


@given(st.text(max_size=8))
def test_any_text_is_a_duration_or_refused(text):
    with suppress(UnusableValueError):
        assert parse_duration(text) >= 0


# Sizes and numbers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "size"),
    [("256MiB", 268_435_456), ("1GB", 1_000_000_000), ("2kB", 2000), ("1KiB", 1024), ("3GiB", 3 << 30)],
)
def test_sizes(text, size):
    assert parse_byte_size(text) == size


@pytest.mark.parametrize("text", ["", "256", "256 MB", "1.5GB", "1gb", "-1MB", "MB"])
def test_what_is_no_size(text):
    with pytest.raises(UnusableValueError):
        parse_byte_size(text)


@pytest.mark.parametrize(("text", "number"), [("12", 12.0), ("-0.5", -0.5), ("1e3", 1000.0), (".5", 0.5), ("+3.", 3.0)])
def test_numbers(text, number):
    assert parse_number(text) == number


@pytest.mark.parametrize(
    "text", ["", "nan", "inf", "1e999", "1_000", "1,5", "1.234,5", "0x10", "\N{FULLWIDTH DIGIT ONE}", "1 2", "--1"]
)
def test_what_is_no_number(text):
    # float() accepts several of these, and each would be a wrong scale or limit in silence.
    with pytest.raises(UnusableValueError):
        parse_number(text)


# Deviations ----------------------------------------------------------------------------------------------------------


def test_a_deviation_in_engineering_units_needs_no_span():
    assert parse_deviation("0.25", None, None) == ErrorBound(0.25)


def test_a_percentage_is_of_the_span():
    assert parse_deviation("0.5%", -50.0, 150.0) == ErrorBound(1.0)


@pytest.mark.parametrize("text", ["-0.1", "-1%", "x", "%", "nan", "5%%", "0,5%"])
def test_what_is_no_deviation(text):
    with pytest.raises(UnusableValueError):
        parse_deviation(text, 0.0, 100.0)
    with pytest.raises(UnusableValueError):
        check_deviation(text)


@pytest.mark.parametrize("span", [(None, None), (0.0, None), (None, 1.0), (5.0, 5.0), (6.0, 5.0)])
def test_a_percentage_needs_a_span(span):
    with pytest.raises(UnusableValueError, match="low"):
        parse_deviation("1%", *span)


# Texts of states -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "states"),
    [
        ("closed|open", {0: "closed", 1: "open"}),
        ("0=closed|5=fault", {0: "closed", 5: "fault"}),
        (" off | on ", {0: "off", 1: "on"}),
        ("-1 = unknown|3=a=b", {-1: "unknown", 3: "a=b"}),
        ("fault|fault", {0: "fault", 1: "fault"}),
        ("only", {0: "only"}),
    ],
)
def test_states(text, states):
    assert parse_enumeration(text) == states


@pytest.mark.parametrize("text", ["", "a||b", "0=", "0=a|b", "a|1=b", "1=a|1=b", "|"])
def test_what_is_no_list_of_states(text):
    with pytest.raises(UnusableValueError):
        parse_enumeration(text)
