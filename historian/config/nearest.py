"""What a misspelt word probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Final

CONSIDERED: Final = 10
"""So many likely words are compared closely."""


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The word of ``known`` that is most like ``word``, None when none is.

    Upper and lower case count as the same, because that is the commonest slip of all.
    """
    by_lower, lower = {name.lower(): name for name in known}, word.lower()
    matches = difflib.get_close_matches(lower, by_lower, n=CONSIDERED, cutoff=0.6)
    return by_lower[max(matches, key=lambda name: _likeness(lower, name))] if matches else None


def _likeness(word: str, name: str) -> tuple[float, int]:
    """How like; among equals, letters in their places count: FIC101.PW is FIC101.PV, not FIC101.SP."""
    in_place = sum(one == other for one, other in zip(word, name, strict=False))
    return difflib.SequenceMatcher(None, name, word).ratio(), in_place


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``did you mean 'timeout'?`` for the nearest of ``known``, or nothing when none is near."""
    name = nearest(word, known)
    return f"did you mean '{name}'?" if name is not None else ""


def one_of(known: Iterable[str]) -> str:
    """``a, b or c``: the words that are allowed."""
    words = list(known)
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} or {words[-1]}"


def shown(value: object, limit: int = 60) -> str:
    """A value as a person wrote it, cut where it is long; tables and lists by what they are."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "a list"
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= limit else f"{text[: limit - 4]} ..."
