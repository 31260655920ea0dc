"""Published examples of exception reporting and the swinging door, from other implementations' own tests."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from properties.compression_lanes import kept_of, marks_of, scans_of, streamed
from properties.compression_reference import REPORTED, Sample, Settings

VECTORS = Path(__file__).parents[4] / "shared" / "vectors" / "other.json"

pytestmark = pytest.mark.skipif(
    not VECTORS.is_file(), reason=f"{VECTORS} is not there: the examples are not ours to ship"
)

DOOR = ("trend", "trend1", "trend2", "maxdelta", "known", "constant")
DOOR_BUT_FOR_THE_END = ("trend3", "trend3_mini")
DEADBAND = ("trend", "known", "constant")

# Left out: gfoidl-sdt-mindelta, whose minimum interval is the vendor's own (error 3.5 with a deviation of 1), and
# gfoidl-deadband-maxDelta, which leaves out 0.4 after having kept 0.6 with a deviation of 0.1, against its own rule.


def example(name):
    found = {one["id"]: one for one in json.loads(VECTORS.read_text(encoding="utf-8"))["compression"]}[name]
    longest = found.get("max_interval")
    return samples(found["input"]), samples(found["kept"]), found["deviation"], longest and round(longest * 1e6)


def samples(pairs):
    return [Sample(round(time * 1e6), float(value)) for time, value in pairs]


def stored(given, look_ahead=False, **settings):
    """What is stored of one tag, as a stream and as a whole."""
    one = [Settings(look_ahead=look_ahead, **settings)]
    (kept,) = kept_of([given], one)
    assert streamed(scans_of([given]), one) == [kept]
    return kept


def reported(given, **settings):
    """The reports, and the last scan of all."""
    marks = marks_of([given], [Settings(**settings)])[0]
    return [one for one, mark in zip(given, marks, strict=True) if mark == REPORTED or one == given[-1]]


@pytest.mark.parametrize("name", DOOR)
def test_the_door_keeps_the_published_samples(name):
    given, kept, deviation, longest = example(f"gfoidl-sdt-{name}")
    assert stored(given, comp_dev=deviation, comp_max_us=longest) == kept


@pytest.mark.parametrize("name", DOOR_BUT_FOR_THE_END)
def test_the_door_keeps_the_published_samples_but_for_a_rule_at_the_end_of_data(name):
    given, kept, deviation, _ = example(f"gfoidl-sdt-{name}")
    without = [one for one in kept if one != Sample(8_000_000, 3.0)]
    assert stored(given, comp_dev=deviation) == without


@pytest.mark.parametrize("name", [*DOOR, *DOOR_BUT_FOR_THE_END])
def test_looking_ahead_keeps_no_more_than_was_published(name):
    given, kept, deviation, longest = example(f"gfoidl-sdt-{name}")
    assert len(stored(given, look_ahead=True, comp_dev=deviation, comp_max_us=longest)) <= len(kept)


@pytest.mark.parametrize("name", DEADBAND)
def test_exception_reporting_reports_the_published_samples_and_they_are_stored(name):
    given, kept, deviation, longest = example(f"gfoidl-deadband-{name}")
    assert reported(given, exc_dev=deviation, exc_max_us=longest) == kept
    assert set(kept) <= set(stored(given, exc_dev=deviation, exc_max_us=longest))


@pytest.mark.parametrize("name", ["single", "two"])
def test_one_and_two_samples_are_kept(name):
    given, kept, (comp_dev, exc_dev), _ = example(f"gfoidl-{name}")
    assert stored(given, comp_dev=comp_dev) == kept
    assert stored(given, look_ahead=True, exc_dev=exc_dev) == kept
