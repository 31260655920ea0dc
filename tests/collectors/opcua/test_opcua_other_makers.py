"""Servers of open62541 and node-opcua: polled, subscribed to, browsed, and secured in every way."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from collectors.opcua.browse import AddressSpace, path_text
from collectors.opcua.driver import OpcUaDriver
from collectors.opcua.history import NodeHistory, read_history
from collectors.opcua.session import open_session
from collectors.opcua.subscribe_driver import OpcUaSubscriptionDriver
from conformance.collector_suite import eventually
from conformance.opcua_servers import tag_at
from conformance.opcua_subscribing import collected, group_of
from conformance.peers import Peer, node_opcua, open62541
from conformance.relay import Relay
from historian.config.settings import OpcUaSource
from historian.errors import SourceUnavailableError
from historian.model.clock import SystemClock
from historian.model.status import BAD_CONFIGURATION_ERROR, BAD_NODE_ID_UNKNOWN, BAD_TYPE_MISMATCH, GOOD
from historian.model.tag import ValueType

Connect = Callable[..., Any]
MAKERS = {"open62541": open62541, "node-opcua": node_opcua}
TYPES = {
    "DOUBLE": ValueType.FLOAT64, "FLOAT": ValueType.FLOAT32, "INT32": ValueType.INT32, "UINT64": ValueType.UINT64,
    "BOOL": ValueType.BOOL, "TEXT": ValueType.TEXT, "COUNTER": ValueType.INT32,
}  # fmt: skip
POLICIES = ["Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss"]
WAYS = [(policy, mode) for policy in POLICIES for mode in ("Sign", "SignAndEncrypt")]


@pytest.fixture(scope="module", params=MAKERS)
def peer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    server = MAKERS[request.param](tmp_path_factory.mktemp("server"))
    yield server
    server.end()


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pki")


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """A connected driver of a source; closed after the test."""
    drivers: list[OpcUaDriver] = []

    async def open_driver(source: OpcUaSource) -> OpcUaDriver:
        make = OpcUaSubscriptionDriver if source.mode == "subscribe" else OpcUaDriver
        drivers.append(make(source, SystemClock()))
        await drivers[-1].connect()
        return drivers[-1]

    yield open_driver
    for driver in drivers:
        await driver.close()


@pytest.mark.parametrize("mode", ["poll", "subscribe"])
async def test_values_of_every_kind(peer: Peer, pki: Path, connect: Connect, mode: str) -> None:
    driver = await connect(peer.source(pki, mode=mode))
    names = [*TYPES, "ARRAY", "NONE"]
    group = group_of(*(tag_at(peer.address(name), name) for name in names))
    types = await driver.resolve([group])
    assert types == TYPES
    reading = await driver.read(group, await driver.plan(group))
    assert reading.value[:3].tolist() == [41.5, 0.25, -7.0]
    assert reading.exact == {3: 2**63 + 1}
    assert reading.value[4] == 1.0
    assert reading.text == {5: "größe"}
    assert reading.status.tolist() == [GOOD] * 7 + [BAD_TYPE_MISMATCH, BAD_NODE_ID_UNKNOWN]


async def test_subscribed_to_every_count_comes(peer: Peer, pki: Path, connect: Connect) -> None:
    driver = await connect(peer.source(pki, mode="subscribe", sampling_us=10_000, queue_size=100))
    group = group_of(tag_at(peer.address("COUNTER"), "COUNTER", ValueType.INT32), rate_us=200_000)
    plan = await driver.plan(group)
    first = (await driver.read(group, plan)).value[0]
    readings = await collected(driver, group, plan, lambda reading: reading.value[0] > first + 10)
    counts = sorted({int(reading.value[0]) for reading in readings if reading.value[0] > first})
    assert counts == list(range(int(first) + 1, counts[-1] + 1))
    assert sum(reading.lost for reading in readings) == 0


@pytest.mark.parametrize("way", [("None", "SignAndEncrypt"), ("Aes256_Sha256_RsaPss", "SignAndEncrypt")], ids="-".join)
async def test_a_short_loss_of_the_connection_costs_nothing(
    peer: Peer, pki: Path, connect: Connect, caplog: pytest.LogCaptureFixture, way: tuple[str, str]
) -> None:
    relay = Relay(peer.port)
    await relay.open()
    source = peer.source(pki, *way, mode="subscribe", sampling_us=10_000, queue_size=1_000)
    driver = await connect(replace(source, url=f"opc.tcp://127.0.0.1:{relay.port}/"))
    group = group_of(tag_at(peer.address("COUNTER"), "COUNTER", ValueType.INT32), rate_us=200_000)
    try:
        plan = await driver.plan(group)
        first = (await driver.read(group, plan)).value[0]
        readings = await collected(driver, group, plan, lambda reading: reading.value[0] > first + 3)
        relay.hang()  # answers are on their way when the line is cut
        cut_us = SystemClock().wall_us()
        await eventually(lambda: SystemClock().wall_us() > cut_us + 500_000, "some reports are on their way")
        await relay.cut()
        relay.resume()
        await relay.open()
        readings += await collected(driver, group, plan, lambda reading: reading.value[0] > first + 15)
    finally:
        await driver.close()
        await relay.cut()
    assert "the session goes on" in caplog.text
    counts = sorted({int(reading.value[0]) for reading in readings if reading.value[0] > first})
    assert counts == list(range(int(first) + 1, counts[-1] + 1))
    assert sum(reading.lost for reading in readings) == 0


async def test_browsed(peer: Peer, pki: Path) -> None:
    connection, _ = await open_session(peer.source(pki))
    try:
        space = AddressSpace(connection, lambda _: True, lambda _: True)
        found = {path_text(each.path): each async for some in space.variables() for each in some}
    finally:
        await connection.close()
    types = {path.removeprefix("Area1/"): each.value_type for path, each in found.items()}
    assert TYPES.items() <= types.items()
    assert (space.counts.unstorable, space.counts.unreadable, space.counts.refused) == (1, 0, 0)
    if "LEVEL" in types:  # open62541 is given none
        level, mode = found["Area1/LEVEL"].described, found["Area1/MODE"].described
        assert (level.units, level.low, level.high) == ("°C", 0.0, 100.0)
        assert mode.states == {0: "off", 1: "on"}


@pytest.mark.parametrize("way", WAYS, ids="-".join)
async def test_every_policy_and_mode_with_a_user(
    peer: Peer, pki: Path, connect: Connect, monkeypatch: pytest.MonkeyPatch, way: tuple[str, str]
) -> None:
    monkeypatch.setenv("PEER_PASSWORD", "s3cret")
    login = {"user": "operator", "password_env": "PEER_PASSWORD"}
    driver = await connect(peer.source(pki, *way, **login))
    group = group_of(tag_at(peer.address("DOUBLE")))
    assert (await driver.read(group, await driver.plan(group))).value.tolist() == [41.5]
    monkeypatch.setenv("PEER_PASSWORD", "wrong")
    with pytest.raises(SourceUnavailableError, match="does not let us in as user 'operator'") as caught:
        await connect(peer.source(pki, *way, **login))
    assert caught.value.status == BAD_CONFIGURATION_ERROR


async def test_a_history_in_pages(
    tmp_path_factory: pytest.TempPathFactory, pki: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of node-opcua alone; open62541 keeps none by itself."""
    monkeypatch.setattr("collectors.opcua.history.VALUES_PER_PAGE", 3)
    monkeypatch.setattr("collectors.opcua.history.LEAST_PER_NODE", 3)
    peer = node_opcua(tmp_path_factory.mktemp("server"))
    try:
        driver = OpcUaDriver(peer.source(pki), SystemClock())
        await driver.connect()
        group = group_of(tag_at(peer.address("COUNTER")))
        plan: Any = await driver.plan(group)
        begin_us = SystemClock().wall_us()
        await eventually(lambda: SystemClock().wall_us() > begin_us + 2_000_000, "the counter counts on")
        pages: list[list[NodeHistory]] = [
            page async for page in read_history(driver._connected(), plan.found, begin_us, begin_us + 2_000_000)
        ]
        await driver.close()
    finally:
        peer.end()
    counts = [int(value) for page in pages for each in page for value in each.values.value.tolist()]
    assert len(pages) > 1
    assert counts == list(range(counts[0], counts[0] + len(counts)))
    assert 3 < len(counts) <= 11


async def test_a_server_that_refuses_our_certificate_is_said(
    tmp_path_factory: pytest.TempPathFactory, pki: Path
) -> None:
    """node-opcua answers with a fault in the place of the secure channel."""
    peer = node_opcua(tmp_path_factory.mktemp("server"), "strict")
    try:
        with pytest.raises(SourceUnavailableError, match="does not take our certificate") as caught:
            await open_session(peer.source(pki, "Basic256Sha256"))
        assert caught.value.status == BAD_CONFIGURATION_ERROR
    finally:
        peer.end()
