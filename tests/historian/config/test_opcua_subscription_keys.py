"""The keys of OPC UA subscriptions."""

from __future__ import annotations

from pathlib import Path

import pytest

from historian.config.load import load_configuration
from historian.config.settings import OpcUaSource
from historian.errors import ConfigurationError
from support.plant_files import SETTINGS, write

SUBSCRIBE = SETTINGS.replace('mode = "poll"', 'mode = "subscribe"')


def test_all_keys(tmp_path: Path) -> None:
    lines = 'sampling = "100ms"\nqueue_size = 50\ndeadband = "exc_dev"\n'
    source = load_configuration(write(tmp_path, SUBSCRIBE + lines)).sources["mixer"]
    assert isinstance(source, OpcUaSource)
    assert source.mode == "subscribe"
    assert (source.sampling_us, source.queue_size, source.deadband) == (100_000, 50, "exc_dev")


def test_without_them_the_scan_class_decides(tmp_path: Path) -> None:
    source = load_configuration(write(tmp_path, SUBSCRIBE)).sources["mixer"]
    assert isinstance(source, OpcUaSource)
    assert (source.sampling_us, source.queue_size, source.deadband) == (0, 0, "off")


@pytest.mark.parametrize(
    ("settings", "key", "said"),
    [
        (SUBSCRIBE + "queue_size = -1", "queue_size", "0 or more"),
        (SUBSCRIBE + 'sampling = "0s"', "sampling", "1ms or more"),
        (SUBSCRIBE + 'deadband = "1%"', "deadband", '"off" or "exc_dev"'),
        (SETTINGS.replace('"poll"', '"subscribed"'), "mode", '"poll" or "subscribe"'),
    ],
)
def test_faults(tmp_path: Path, settings: str, key: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_configuration(write(tmp_path, settings))
    (fault,) = caught.value.faults
    assert fault.place.endswith(f"sources.mixer.{key}")
    assert said in str(fault)


def test_gaps_are_filled_where_that_is_asked_for(tmp_path: Path) -> None:
    source = load_configuration(write(tmp_path, SETTINGS)).sources["mixer"]
    assert isinstance(source, OpcUaSource)
    assert not source.backfill
    lines = 'backfill = true\nbackfill_limit = "7d"\n'
    source = load_configuration(write(tmp_path, SETTINGS + lines)).sources["mixer"]
    assert isinstance(source, OpcUaSource)
    assert (source.backfill, source.backfill_limit_us) == (True, 7 * 86_400_000_000)
