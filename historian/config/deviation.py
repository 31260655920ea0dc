"""Deviations of exception reporting and compression: engineering units (``0.25``) or a part of the span (``0.5%``)."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from historian.config.nearest import shown
from historian.config.number import parse_number
from historian.errors import UnusableValueError
from historian.model.error_bound import ErrorBound

WANTED: Final = "a deviation in engineering units such as 0.25, or a percentage of low..high such as 0.5%"


@lru_cache(maxsize=4096)
def parse_deviation(text: str, low: float | None, high: float | None) -> ErrorBound:
    """The bound that ``text`` states; ``low`` and ``high`` are the tag's span, wanted for percentages only.

    Raises UnusableValueError when it is no number, negative, or a percentage of a span that is not known.
    """
    number = _non_negative(text)
    if not text.endswith("%"):
        return ErrorBound(number)
    if low is None or high is None:
        raise UnusableValueError(
            shown(text), "low and high beside a percentage", "fill in both, or give engineering units"
        )
    try:
        return ErrorBound.percent_of_span(number, low, high)
    except ValueError as error:
        raise UnusableValueError(shown(text), "low below high beside a percentage") from error


def check_deviation(text: str) -> str:
    """``text`` itself when it has the form of a deviation; its span, if it is a percentage, comes with the tag."""
    _non_negative(text)
    return text


def _non_negative(text: str) -> float:
    try:
        number = parse_number(text.removesuffix("%").rstrip())
    except UnusableValueError as error:
        raise UnusableValueError(shown(text), WANTED, error.hint) from None
    if number < 0:
        raise UnusableValueError(shown(text), "a deviation of 0 or more", "it is one-sided, half the total width")
    return number
