"""``[compaction]`` and ``[retention]``: what they mean, and what is said about mistakes in them."""

from __future__ import annotations

import pytest

from historian.config.load import load_configuration
from historian.config.settings import CompactionSettings, RetentionGroup, RetentionSettings, ThinningSettings
from historian.config.template import CONFIGURATION, TAG_LIST
from historian.errors import ConfigurationError
from support.plant_files import write

DAY = 86_400_000_000
BARE = CONFIGURATION[: CONFIGURATION.index("[compaction]")]


def load(tmp_path, text: str):
    return load_configuration(write(tmp_path, BARE + text, TAG_LIST))


def test_without_the_sections_nothing_goes(tmp_path):
    configuration = load(tmp_path, "")
    assert configuration.compaction == CompactionSettings()
    assert not configuration.retention.is_on


def test_everything_is_understood(tmp_path):
    configuration = load(
        tmp_path,
        """
[compaction]
enabled = false
settle = "6h"
cpu_percent = 10
[retention]
keep = "3650d"
max_bytes = "200GiB"
[retention.groups.flows]
tags = ["FIC*", "FI?01.PV"]
keep = "90d"
[retention.thinning]
after = "180d"
every = "15m"
""",
    )
    assert configuration.compaction == CompactionSettings(enabled=False, settle_us=DAY // 4, share=0.1)
    assert configuration.retention == RetentionSettings(
        3650 * DAY,
        200 << 30,
        (RetentionGroup("flows", ("FIC*", "FI?01.PV"), 90 * DAY),),
        ThinningSettings(180 * DAY, DAY // 96),
    )


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[retention]\nkeep = 90", 'got 90, wanted a duration .*needs a unit and quotes: "90s"'),
        ('[retention]\nkeep = "5m"', "got '5m', wanted 1d or more"),
        ('[retention]\nmax_bytes = "5kB"', "wanted 1MB or more"),
        ("[retention.groups.a]\ntags = []\nkeep = '90d'", r"retention\.groups\.a\.tags: got a list, wanted a list"),
        ("[retention.groups.a]\ntags = ['A*']", "keep: got nothing, wanted how long"),
        ("[retention.thinning]\nafter = '90d'\nevery = '7m'", "got 7m, wanted a duration of which a day has a whole"),
        ("[compaction]\ncpu_percent = 0", "wanted a whole number of percent from 1 to 100"),
        ("[compaction]\nsetle = '1h'", "did you mean 'settle'"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, text, fault):
    with pytest.raises(ConfigurationError, match=fault):
        load(tmp_path, text)
