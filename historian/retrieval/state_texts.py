"""The texts of samples: what a device sent, or what the tag's enumeration called a code at the time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from historian.model.samples import EXACT_LIMIT, IndexArray, Int64Array, Samples
from storage.arrays import chosen_texts, present


@dataclass(frozen=True, slots=True)
class States:
    """The enumerations of a tag: ``texts[k]`` by code holds from ``since_us[k]`` on; the first one also before it."""

    since_us: Int64Array
    texts: tuple[Mapping[int, str], ...]


def states_of(column: pa.ChunkedArray) -> dict[int, States]:
    """By row of a table of tags; those that ever had an enumeration."""
    found: dict[int, States] = {}
    for row in np.flatnonzero(present(column)).tolist():
        sets = column[row]
        since_us = np.array([int(each["since"].value or 0) for each in sets], np.int64)
        found[row] = States(since_us, tuple(dict(each["texts"].as_py() or ()) for each in sets))
    return found


def value_texts(samples: Samples, rows: IndexArray, states: Mapping[int, States]) -> pa.Array:
    """``value_text`` of samples whose tags are ``rows``: strings, null where there is none."""
    stated = np.unique(rows[np.isin(rows, np.fromiter(states, np.intp, len(states)))]) if states else ()
    if not samples.text and not len(stated):
        return pa.nulls(len(samples), pa.string())
    texts: list[str | None] = [None]
    place = np.zeros(len(samples), np.int64)
    for tag in stated:
        _name_codes(samples, np.flatnonzero(rows == tag), states[int(tag)], (texts, place))
    place[np.fromiter(samples.text, np.intp, len(samples.text))] = len(texts) + np.arange(len(samples.text))
    return chosen_texts([*texts, *samples.text.values()], place)


def _name_codes(samples: Samples, mine: IndexArray, states: States, found: tuple[list[str | None], Int64Array]) -> None:
    """Add the texts of the codes at the rows ``mine`` to ``found``: texts, and which of them each row has.

    Loops over the different codes of each enumeration, not over samples.
    """
    texts, place = found
    value = samples.value[mine]
    is_code = (np.abs(value) <= EXACT_LIMIT) & (value == np.trunc(value))
    code = np.where(is_code, value, 0).astype(np.int64)
    chosen = np.maximum(states.since_us.searchsorted(samples.time_us[mine], side="right") - 1, 0)
    for number, names in enumerate(states.texts):
        rows = np.flatnonzero(is_code & (chosen == number))
        codes, which = np.unique(code[rows], return_inverse=True)
        place[mine[rows]] = len(texts) + which
        texts += [names.get(each) for each in codes.tolist()]
    for row in samples.exact.keys() & set(mine.tolist()) if samples.exact else ():
        place[row] = len(texts)
        texts.append(states.texts[chosen[mine.searchsorted(row)]].get(samples.exact[row]))
