"""What differs between two configurations."""

from dataclasses import replace
from pathlib import Path

import pytest

from historian.config.difference import are_other_samples, difference, followed
from historian.config.load import load_configuration
from historian.config.settings import Configuration
from support import plant_files


@pytest.fixture
def old(tmp_path: Path) -> Configuration:
    return load_configuration(plant_files.write(tmp_path))


def test_the_same_file_again_is_nothing(old):
    assert difference(old, load_configuration(old.path)).is_nothing


def test_tags(old):
    first, second, third = old.tags
    new = replace(old, tags=(replace(first, units="l/h"), third, replace(second, name="NEW")))
    found = difference(old, new)
    assert (found.added, found.changed, found.removed) == (("NEW",), ("FIC101.PV",), ("XV101.OPEN",))
    renamed = difference(old, new, {"XV101.OPEN": "NEW"})
    assert (renamed.added, renamed.changed, renamed.removed) == ((), ("FIC101.PV", "NEW"), ())


def test_sources_and_scan_classes(old):
    sources = {"boiler": replace(old.sources["boiler"], unit=2), "other": old.sources["mixer"]}
    classes = {"fast": replace(old.scan_classes["fast"], rate_us=1)}
    found = difference(old, replace(old, sources=sources, scan_classes=classes))
    assert found.sources_added == ("other",)
    assert found.sources_removed == ("mixer",)
    assert found.sources_changed == ("boiler",)
    assert found.scan_classes_changed == ("fast", "slow")
    assert not found.is_nothing


def test_what_is_looked_at_only_at_the_start_waits_and_stays(old):
    new = replace(old, store=replace(old.store, commit_us=1), future_limit_us=1)
    found = difference(old, new)
    assert found.is_nothing
    assert found.waiting == ("[store]", "[limits] future")
    assert followed(old, new) == old


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"units": "l/h", "description": "other", "low": 1.0}, False),
        ({"scan_class": "slow"}, False),
        ({"address": "hr:7"}, True),
        ({"scale": 2.0}, True),
        ({"source": "mixer"}, True),
    ],
)
def test_which_changes_make_other_samples(old, change, expected):
    assert are_other_samples(old.tags[0], replace(old.tags[0], **change)) is expected
