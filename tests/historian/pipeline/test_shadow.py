"""Which tags are shadowed, and what of their scans is kept."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from historian.config.load import load_configuration
from historian.config.settings import ShadowSettings
from historian.model.commit import Commit
from historian.model.error_bound import ErrorBound
from historian.model.samples import Samples
from historian.model.scan import Scan
from historian.model.tag import CompressionSettings, ExceptionSettings, Tag, ValueType
from historian.pipeline.commit_loop import merged
from historian.pipeline.pipeline import Pipeline
from historian.pipeline.shadow import shadowed
from support.fake_clock import START_US, FakeClock
from support.plant_files import HEADER, SETTINGS, write

LOSSY = CompressionSettings(ErrorBound(0.5))


def tag(name: str, **settings) -> Tag:
    return Tag(name, "boiler", "hr:0", "fast", **{"compression": LOSSY, **settings})


MANY = [tag(f"TIC{number}.PV") for number in range(1000)]


def test_nothing_without_being_asked():
    assert shadowed(MANY, ShadowSettings()) == frozenset()


def test_a_share_of_them_the_same_every_time():
    chosen = shadowed(MANY, ShadowSettings(share=0.01))
    assert len(chosen) == 10
    assert chosen == shadowed(MANY[::-1], ShadowSettings(share=0.01))
    assert chosen < shadowed(MANY, ShadowSettings(share=0.02))


def test_a_tag_that_goes_changes_at_most_one_choice():
    chosen = shadowed(MANY, ShadowSettings(share=0.01))
    left = [each for each in MANY if each.name != min(chosen)]
    assert len(chosen & shadowed(left, ShadowSettings(share=0.01))) >= 9


def test_at_least_one():
    assert len(shadowed(MANY[:3], ShadowSettings(share=0.01))) == 1


def test_names_and_patterns():
    assert shadowed(MANY, ShadowSettings(patterns=("TIC99?.PV", "TIC5.PV", "FIC1.PV"))) == {
        "TIC5.PV", *(f"TIC99{digit}.PV" for digit in range(10)),
    }  # fmt: skip


def test_only_tags_that_leave_something_out():
    tags = [
        tag("raw", compression=CompressionSettings()),
        tag("state", step=True),
        tag("text", value_type=ValueType.TEXT),
        tag("reported", compression=CompressionSettings(), exception=ExceptionSettings(ErrorBound(0.1))),
        tag("exact", compression=CompressionSettings(ErrorBound(0.0))),
    ]
    assert shadowed(tags, ShadowSettings(share=1.0)) == {"reported", "exact"}
    assert shadowed(tags, ShadowSettings(patterns=("*",))) == {"reported", "exact"}


# Scans ----------------------------------------------------------------------------------------------------------------

LIST = f"""\
{HEADER}
FIC101.PV,boiler,hr:100,float32,fast,,,2,1,,,,0.5,,,0.5,,,
LIC102.PV,boiler,hr:102,float32,fast,,,,,,,,,,,0.5,,,
"""
BAD = 0x800A0000


@pytest.fixture
def pipeline(tmp_path):
    settings = SETTINGS + '[shadow]\ntags = ["FIC*"]\n'
    configuration = load_configuration(write(tmp_path, settings, LIST))
    ids = {"FIC101.PV": 7, "LIC102.PV": 8}
    return Pipeline(configuration, configuration.groups(), ids, Samples.empty(), FakeClock())


def scan(second: int, value: float, status: int = 0) -> Scan:
    """Arrived in the first minute, whatever time the device gives."""
    time_us = START_US + second * 1_000_000
    status_of = np.array([status, status], np.uint32)
    return Scan(0, START_US + 60_000_000, np.full(2, time_us), np.array([value, value]), status_of)


def test_what_was_scanned_goes_with_the_commit(pipeline):
    for second in range(5):
        pipeline.accept(scan(second, 10.0))
    pipeline.accept(scan(5, math.nan, BAD))
    commit = pipeline.take({})
    assert commit.shadow.tag_id.tolist() == [7] * 6
    assert commit.shadow.time_us.tolist() == [START_US + second * 1_000_000 for second in range(6)]
    # Scaled, as it is stored, but nothing is left out.
    assert commit.shadow.value[:5].tolist() == [21.0] * 5
    assert commit.shadow.status.tolist() == [0] * 5 + [BAD]
    assert len(commit.stored.take(np.flatnonzero(commit.stored.tag_id == 7))) < 5
    assert len(pipeline.take({}).shadow) == 0


def test_what_the_guard_refuses_is_not_kept(pipeline):
    pipeline.accept(scan(0, 10.0))
    pipeline.accept(scan(0, 10.0))
    pipeline.accept(scan(10**9, 10.0))
    assert len(pipeline.take({}).shadow) == 1


def test_commits_that_wait_keep_theirs(pipeline):
    pipeline.accept(scan(0, 10.0))
    first = pipeline.take({})
    pipeline.accept(scan(1, 11.0))
    both = merged(first, pipeline.take({}))
    assert both.shadow.value.tolist() == [21.0, 23.0]
    assert isinstance(replace(both), Commit)
