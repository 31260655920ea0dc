"""From raw values to engineering units: scale and offset, enumerations, and what is no value at all.

Vectorised over the lanes of a scan group.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from historian.model.samples import BoolArray, FloatArray, IndexArray, UInt32Array
from historian.model.scan import LateValues, Scan
from historian.model.status import BAD_OUT_OF_RANGE, BAD_TYPE_MISMATCH, is_bad
from historian.model.tag import Tag, ValueType


class Scaling:
    """Scales the scans of one group: value = raw * scale + offset, for the lanes that have a scale or an offset.

    A code that the tag's enumeration does not know, and NaN or infinity as a number, become BadOutOfRange; a text where
    the tag list says that there is a number becomes BadTypeMismatch.
    """

    def __init__(self, tags: Sequence[Tag]) -> None:
        self._rules = _Rules.of(tags)

    def apply(self, scan: Scan) -> Scan:
        """The scan in engineering units; raw arrays are left as they are."""
        return self._rules.apply(scan)

    def apply_late(self, late: LateValues, now_us: int) -> Scan:
        """Values of the past in engineering units: a scan whose rows are these, not lanes."""
        rows = Scan(late.group, now_us, late.time_us, late.value, late.status, late.exact, late.text)
        return self._rules.of_rows(late.lane).apply(rows)


@dataclass(frozen=True, slots=True)
class _Rules:
    """What is to be done with which rows of a scan; a row is a lane, or a sample of one.

    ``lanes`` intp[k] are scaled by ``multiplier``, ``divisor`` and ``offset`` float64[k]; ``scaled`` are the same as a
    set. ``codes``: rows with the codes that they can have.  ``numbers``: rows that are no texts for sure.
    """

    lanes: IndexArray
    multiplier: FloatArray
    divisor: FloatArray
    offset: FloatArray
    scaled: frozenset[int]
    codes: Sequence[tuple[IndexArray, FloatArray]]
    numbers: frozenset[int]

    @classmethod
    def of(cls, tags: Sequence[Tag]) -> _Rules:
        """The rules of ``tags``, whose lanes are their places."""
        scaled = [lane for lane, tag in enumerate(tags) if tag.scale is not None or tag.offset is not None]
        scale = np.array([1.0 if tags[lane].scale is None else tags[lane].scale for lane in scaled], np.float64)
        numbers = (lane for lane, tag in enumerate(tags) if tag.value_type not in {None, ValueType.TEXT})
        return cls(
            np.array(scaled, np.intp),
            *_as_fractions(scale),
            np.array([tags[lane].offset or 0.0 for lane in scaled], np.float64),
            frozenset(scaled),
            _lanes_by_codes(tags),
            frozenset(numbers),
        )

    def of_rows(self, lane: IndexArray) -> _Rules:
        """The rules of rows that are samples of these lanes (intp[m]), several of one lane among them."""
        rows = np.flatnonzero(np.isin(lane, self.lanes))
        at = np.searchsorted(self.lanes, lane[rows])
        numbers = np.fromiter(self.numbers, np.intp, len(self.numbers))
        return _Rules(
            rows,
            self.multiplier[at],
            self.divisor[at],
            self.offset[at],
            frozenset(rows.tolist()),
            [(np.flatnonzero(np.isin(lane, members)), codes) for members, codes in self.codes],
            frozenset(np.flatnonzero(np.isin(lane, numbers)).tolist()),
        )

    def apply(self, scan: Scan) -> Scan:
        """The scan in engineering units; raw arrays are left as they are."""
        value, exact = scan.value, scan.exact
        if len(self.lanes):
            value = value.copy()
            raw = value[self.lanes]
            with np.errstate(over="ignore", invalid="ignore"):
                value[self.lanes] = raw * self.multiplier / self.divisor + self.offset
            exact = {lane: number for lane, number in exact.items() if lane not in self.scaled}
        return self._without_non_values(self._without_unexpected_texts(replace(scan, value=value, exact=exact)))

    def _without_unexpected_texts(self, scan: Scan) -> Scan:
        # A loop over texts, of which a scan has few.
        unexpected = [lane for lane in scan.text if lane in self.numbers and not is_bad(scan.status[lane])]
        if not unexpected:
            return scan
        status = scan.status.copy()
        status[unexpected] = BAD_TYPE_MISMATCH
        return replace(scan, status=status)

    def _without_non_values(self, scan: Scan) -> Scan:
        bad = is_bad(scan.status)
        no_number = ~np.isfinite(scan.value)
        if scan.text:
            no_number[np.fromiter(scan.text, np.intp, len(scan.text))] = False
        for lanes, codes in self.codes:
            no_number[lanes] |= ~np.isin(scan.value[lanes], codes)
        refused = no_number & ~bad
        if not (refused.any() or (bad & ~np.isnan(scan.value)).any() or _any_bad(scan.exact, scan.text, bad)):
            return scan
        return _without_values(scan, refused, bad | refused)


def _lanes_by_codes(tags: Sequence[Tag]) -> list[tuple[IndexArray, FloatArray]]:
    """The lanes of each set of codes, float64: a plant has few of these, however many its valves and motors are."""
    lanes: dict[tuple[int, ...], list[int]] = {}
    for lane, tag in enumerate(tags):
        if tag.enumeration is not None:
            lanes.setdefault(tuple(sorted(tag.enumeration)), []).append(lane)
    return [(np.array(members, np.intp), np.array(codes, np.float64)) for codes, members in lanes.items()]


def _any_bad(exact: Mapping[int, int], text: Mapping[int, str], bad: BoolArray) -> bool:
    return any(bad[lane] for lane in exact) or any(bad[lane] for lane in text)


def _without_values(scan: Scan, refused: BoolArray, bad: BoolArray) -> Scan:
    status: UInt32Array = np.where(refused, np.uint32(BAD_OUT_OF_RANGE), scan.status)
    value: FloatArray = np.where(bad, np.nan, scan.value)
    exact = {lane: number for lane, number in scan.exact.items() if not bad[lane]}
    text = {lane: words for lane, words in scan.text.items() if not bad[lane]}
    return replace(scan, value=value, status=status, exact=exact, text=text)


def _as_fractions(scale: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Multiplier and divisor of each scale.

    A scale such as 0.1 is no double, and 3 * 0.1 is 0.30000000000000004; 3 / 10 is the double nearest to 0.3.  Where
    the scale is one over a whole number, dividing gives the value that was meant.
    """
    with np.errstate(divide="ignore", over="ignore"):
        inverse = np.rint(1.0 / scale)
        use = (np.abs(scale) < 1) & np.isfinite(inverse) & (inverse != 0) & (1.0 / inverse == scale)
    return np.where(use, 1.0, scale), np.where(use, inverse, 1.0)
