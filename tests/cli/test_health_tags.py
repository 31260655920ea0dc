"""The historian's own tags: which there are, and what they read."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cli.health_tags import OF_A_SOURCE, OF_THE_PROCESS, figures_now, health_group, health_tags
from collectors.figures_driver import FiguresDriver
from collectors.health import SourceHealth
from historian.config.load import load_configuration
from historian.config.settings import Configuration, HealthSettings
from historian.model.status import BAD_WAITING_FOR_INITIAL_DATA, GOOD
from support import plant_files
from support.fake_clock import START_US, FakeClock

SECOND = 1_000_000


@pytest.fixture
def configuration(tmp_path: Path) -> Configuration:
    found = load_configuration(plant_files.write(tmp_path))
    return replace(found, health=HealthSettings(tags=True))


def test_there_are_none_unless_asked_for(configuration):
    assert health_tags(replace(configuration, health=HealthSettings())) == ()


def test_the_section_switches_them(tmp_path):
    path = plant_files.write(tmp_path, plant_files.SETTINGS + "[health]\ntags = true\n")
    assert load_configuration(path).health == HealthSettings(tags=True)


def test_each_source_and_the_process_have_theirs(configuration):
    tags = health_tags(configuration)
    names = [tag.name for tag in tags]
    assert len(tags) == 2 * len(OF_A_SOURCE) + len(OF_THE_PROCESS) == len(set(names))
    assert {"historian.boiler.scan_ms", "historian.mixer.connected", "historian.process.memory_mb"} <= set(names)


def test_a_source_may_be_called_process(configuration):
    sources = {**configuration.sources, "process": configuration.sources["boiler"]}
    tags = (*configuration.tags, replace(configuration.tags[0], name="P", source="process"))
    names = [tag.name for tag in health_tags(replace(configuration, sources=sources, tags=tags))]
    assert len(set(names)) == len(names)


async def test_they_are_read_like_those_of_a_device(configuration):
    health = SourceHealth("modbus", "tcp://x", state="connected", last_good_us=START_US, bad=3)
    health.note_latency(12.5)
    figures = {"boiler": health.as_mapping()}
    process = {"memory_bytes": 50_000_000, "cpu_percent": 7.0}
    group = health_group(health_tags(configuration), 4)
    driver = FiguresDriver(lambda: figures_now(figures, process, START_US + 2 * SECOND), FakeClock())
    reading = await driver.read(group, await driver.plan(group))
    found = {
        tag.name: (value, status)
        for tag, value, status in zip(group.tags, reading.value.tolist(), reading.status.tolist(), strict=True)
    }
    assert found["historian.boiler.scan_ms"] == (12.5, GOOD)
    assert found["historian.boiler.connected"] == (1.0, GOOD)
    assert found["historian.boiler.silent_s"] == (2.0, GOOD)
    assert found["historian.boiler.bad"] == (3.0, GOOD)
    assert found["historian.process.memory_mb"] == (50.0, GOOD)
    value, status = found["historian.mixer.scan_ms"]
    assert np.isnan(value)
    assert status == BAD_WAITING_FOR_INITIAL_DATA
