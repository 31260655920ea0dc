"""The collecting service in this process: what it says at the start, and that no task of it dies in silence."""

import asyncio
import gc
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from cli import service as service_module
from cli.service import CollectService
from conformance.store_data import SECOND, make_current, make_samples
from historian.config.settings import Configuration, ModbusSource, NetworkEndpoint, ScanClass, StoreSettings
from historian.model.clock import AnchoredClock, ClockStep, SystemClock
from historian.model.commit import Commit
from historian.model.status import GOOD
from historian.model.tag import Tag
from storage.reader import StoreReader
from storage.store import Store


@pytest.fixture
def configuration(tmp_path: Path, free_port: int) -> Configuration:
    """Two tags of a device that is not there."""
    return Configuration(
        tmp_path / "historian.toml",
        StoreSettings(tmp_path / "store", commit_us=20_000),
        {"fast": ScanClass("fast", 50_000)},
        {"plc": ModbusSource("plc", f"tcp://127.0.0.1:{free_port}", NetworkEndpoint("127.0.0.1", free_port))},
        tuple(Tag(name, "plc", "hr:0", "fast", type_text="uint16") for name in ("A", "B")),
    )


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def service(configuration: Configuration, said: list[str]) -> Iterator[Callable[[], CollectService]]:
    """Makes the service; what it has frozen for good is garbage of a test."""
    yield lambda: CollectService(configuration, said.append)
    gc.unfreeze()


async def test_a_task_that_ends_by_a_fault_ends_collecting_in_order_and_is_told(service, said, monkeypatch):
    def fail(_: AnchoredClock) -> ClockStep | None:
        raise ZeroDivisionError("a fault of ours")

    monkeypatch.setattr(service_module, "CLOCK_CHECK_S", 0.1)
    monkeypatch.setattr(AnchoredClock, "check", fail)
    with pytest.raises(ZeroDivisionError, match="a fault of ours"):
        await service().run()
    assert any("stopped in order" in line for line in said)


@pytest.mark.parametrize(("ahead_s", "told"), [(3600, True), (5, False)])
async def test_samples_ahead_of_our_clock_are_told_at_the_start(service, said, configuration, ahead_s, told):
    now_us = SystemClock().wall_us()
    with closing(Store.open(configuration.store.path, create=True)) as store:
        tag_id = store.register_tags(configuration.tags, now_us, "test")["B"]
        rows = [(tag_id, now_us + ahead_s * SECOND, 1.0, GOOD)]
        current = {0: make_current(rows, newest=[True], pending=[False])}
        store.commit(Commit(now_us, make_samples(rows), current), final=True)
    await service().run(0.1)
    lines = [line for line in said if "ahead of this machine's clock" in line]
    assert len(lines) == told
    assert all("samples of 1 tag" in line for line in lines)
    with closing(StoreReader.open(configuration.store.path)) as reader:
        actions = [event["action"] for event in reader.snapshot().audit.to_pylist()]
    assert actions.count("clock behind") == told


def test_a_process_without_any_input_has_no_terminal(monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    assert not service_module.has_terminal()


async def test_a_closed_terminal_stops_in_order(service, said, monkeypatch):
    if not service_module.HANG_UP:
        pytest.skip("this system has no SIGHUP")
    monkeypatch.setattr(service_module, "has_terminal", lambda: True)
    asyncio.get_running_loop().call_later(0.3, os.kill, os.getpid(), service_module.HANG_UP[0])
    await service().run(20)
    assert any("stopped in order" in line for line in said)


async def test_a_fault_while_following_the_configuration_does_not_end_collecting(service, said, monkeypatch):
    if not service_module.HANG_UP:
        pytest.skip("this system has no SIGHUP")
    monkeypatch.setattr("cli.reloader.load_configuration", lambda _: 1 / 0)
    monkeypatch.setattr(service_module, "has_terminal", lambda: False)
    asyncio.get_running_loop().call_later(0.2, os.kill, os.getpid(), service_module.HANG_UP[0])
    await service().run(1.0)
    assert any("could not be followed: ZeroDivisionError" in line for line in said)
    assert any("stopped in order" in line for line in said)
