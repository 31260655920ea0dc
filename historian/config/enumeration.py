"""Texts of a tag's states: ``closed|open`` numbered from 0, or with their codes ``0=closed|5=fault``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from historian.config.nearest import shown
from historian.errors import UnusableValueError

WANTED: Final = "texts such as closed|open, numbered from 0, or with their codes 0=closed|5=fault"

_CODED: Final = re.compile(r"([+-]?\d{1,20})\s*=\s*(.*)", re.ASCII | re.DOTALL)


@lru_cache(maxsize=1024)
def parse_enumeration(text: str) -> Mapping[int, str]:
    """Code and text of each state, in their order.

    Raises UnusableValueError when a text is empty, a code comes twice, or only some texts have codes.
    """
    parts = [part.strip() for part in text.split("|")]
    matches = [_CODED.fullmatch(part) for part in parts]
    coded = [(int(match[1]), match[2]) for match in matches if match is not None]
    if coded and len(coded) != len(parts):
        raise UnusableValueError(shown(text), "a code before every text or before none: 0=closed|5=fault")
    states = coded or list(enumerate(parts))
    for code, label in states:
        if not label:
            raise UnusableValueError(
                shown(text), f"a text for code {code}", "give codes to leave one out: 0=closed|2=open"
            )
    _refuse_repeated(text, [code for code, _ in states])
    return dict(states)


def _refuse_repeated(text: str, codes: list[int]) -> None:
    repeated = [code for code in codes if codes.count(code) > 1]
    if repeated:
        raise UnusableValueError(shown(text), f"each code once, {repeated[0]} comes {codes.count(repeated[0])} times")
