"""A value that a person types, as the type of its tag wants it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from historian.config.nearest import one_of
from historian.errors import UnusableValueError
from historian.model.tag import ValueType

_TRUE: Final = ("true", "yes", "on", "1")
_FALSE: Final = ("false", "no", "off", "0")


@dataclass(frozen=True, slots=True)
class TypedValue:
    """Reads values of one tag: ``type_`` None where nobody knows it yet; ``scaled``: values are not raw numbers."""

    type_: ValueType | None
    scaled: bool
    enumeration: Mapping[int, str]

    def parse(self, text: str) -> float | int | str:
        """The value that ``text`` says.  Raises UnusableValueError."""
        if self.type_ is ValueType.TEXT:
            return text
        for code, name in self.enumeration.items():
            if name.casefold() == text.strip().casefold():
                return code
        if self.type_ is ValueType.BOOL:
            return self._switch(text)
        if self.type_ is not None and self.type_.value.startswith(("int", "uint")) and not self.scaled:
            return self._whole(text, self.type_)
        return self._number(text)

    def _switch(self, text: str) -> float:
        word = text.strip().casefold()
        if word not in {*_TRUE, *_FALSE}:
            raise UnusableValueError(repr(text), self._or_state("true or false"))
        return float(word in _TRUE)

    def _whole(self, text: str, type_: ValueType) -> int:
        low, high = limits(type_)
        try:
            number = int(text)
        except ValueError:
            raise UnusableValueError(repr(text), self._or_state("a whole number"), f"the tag is {type_}") from None
        if not low <= number <= high:
            raise UnusableValueError(text, f"{low} to {high}", f"the tag is {type_}")
        if self.enumeration and number not in self.enumeration:
            raise UnusableValueError(text, self._or_state(one_of(map(str, self.enumeration))))
        return number

    def _number(self, text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            what = f"the tag is {self.type_}" if self.type_ else "no source has told the tag's type yet"
            raise UnusableValueError(repr(text), self._or_state("a number"), what) from None
        if not math.isfinite(number):
            raise UnusableValueError(text, "a number that is finite", "a sample without a value has a Bad status")
        return number

    def _or_state(self, wanted: str) -> str:
        states = one_of(self.enumeration.values())
        return f"{wanted}, or a state: {states}" if states else wanted


def limits(type_: ValueType) -> tuple[int, int]:
    """The smallest and the largest number of a type of whole numbers."""
    bits = int(type_.value.removeprefix("u").removeprefix("int"))
    return (0, 2**bits - 1) if type_.value.startswith("u") else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
