"""Servers that change behind a connection: nodes that move, go, come back, or become something else."""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from asyncua import ua

from collectors.driver import Reading
from collectors.opcua.driver import OpcUaDriver, OpcUaPlan
from conformance.collector_suite import group_of
from conformance.opcua_servers import PLANT, PLANT_URI, AsyncuaServer, tag_at
from historian.model.clock import SystemClock
from historian.model.scan import ScanGroup
from historian.model.status import BAD_NODE_ID_UNKNOWN, BAD_TYPE_MISMATCH, GOOD
from historian.model.tag import ValueType


@pytest.fixture
async def driver(server: AsyncuaServer) -> AsyncIterator[OpcUaDriver]:
    driver = OpcUaDriver(server.source(), SystemClock())
    await driver.connect()
    yield driver
    await driver.close()


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    return str(request.node.name)


async def plan_anew(driver: OpcUaDriver, group: ScanGroup) -> OpcUaPlan:
    """As the runner does for a plan that is not complete."""
    await driver.resolve([group])
    return await driver.plan(group)


async def add_number(server: AsyncuaServer, number: int, name: str, value: float) -> None:
    await server.server.nodes.objects.add_variable(ua.NodeId(number, PLANT), ua.QualifiedName(name, PLANT), value)


async def test_a_node_with_another_number_is_found_again_by_its_path(
    server: AsyncuaServer, driver: OpcUaDriver, name: str
) -> None:
    """A controller that numbers its nodes anew, as it does at every start, behind a gateway that keeps our session."""
    server.do(add_number(server, 70_001, name, 1.5))
    stays = server.add(f"{name}.other", 1, ua.VariantType.Int32)
    group = group_of(tag_at(f"/{name}", "A"), tag_at(stays, "B"))
    plan = await plan_anew(driver, group)
    assert plan.is_complete
    server.delete(f"ns={PLANT};i=70001")
    server.do(add_number(server, 70_002, name, 2.5))
    reading = await driver.read(group, plan)
    assert reading.status.tolist() == [BAD_NODE_ID_UNKNOWN, GOOD]
    assert not plan.is_complete, "so that the runner looks again"
    plan = await plan_anew(driver, group)
    assert (await driver.read(group, plan)).value.tolist() == [2.5, 1.0]
    assert plan.is_complete


async def test_a_node_that_comes_back_is_read_without_looking_for_it(
    server: AsyncuaServer, driver: OpcUaDriver, name: str
) -> None:
    address = server.add(name, 1.0, ua.VariantType.Double)
    group = group_of(tag_at(address), tag_at(f"nsu={PLANT_URI};s={name}"))
    plan = await plan_anew(driver, group)
    server.delete(address)
    assert (await driver.read(group, plan)).status.tolist() == [BAD_NODE_ID_UNKNOWN] * 2
    server.add(name, 3.0, ua.VariantType.Double)
    assert (await driver.read(group, plan)).value.tolist() == [3.0, 3.0]
    assert plan.is_complete


# What a server sends, and which tags it fits: fractions no tags of whole numbers, texts no numbers, bits do not count.
FITS = [
    ("Boolean", True, {"bool", "int16", "uint64", "float64"}),
    ("Byte", 7, {"int16", "uint64", "float64"}),
    ("Int32", 7, {"int16", "uint64", "float64"}),
    ("UInt64", 7, {"int16", "uint64", "float64"}),
    ("Float", 0.5, {"float64"}),
    ("Double", 7.0, {"float64"}),
    ("String", "7", {"text"}),
    ("LocalizedText", ua.LocalizedText("7"), {"text"}),
]


@pytest.mark.parametrize(("kind", "value", "fits"), FITS)
async def test_a_value_that_does_not_fit_its_tag_is_reported_and_not_recorded(
    *, server: AsyncuaServer, driver: OpcUaDriver, name: str, caplog: pytest.LogCaptureFixture,
    kind: str, value: Any, fits: set[str],
) -> None:  # fmt: skip
    address = server.add(name, value, ua.VariantType[kind])
    types = ["bool", "int16", "uint64", "float64", "text"]
    group = group_of(*(tag_at(address, f"T.{each}", ValueType(each)) for each in types), tag_at(address, "any"))
    plan = await driver.plan(group)
    for _ in range(2):
        reading: Reading = await driver.read(group, plan)
    expected = [GOOD if each in fits else BAD_TYPE_MISMATCH for each in types]
    assert reading.status.tolist() == [*expected, GOOD]
    (told,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    unlike = [f"T.{each} ({address}) is {each} and the server sends {kind}" for each in types if each not in fits]
    assert all(each in told for each in unlike)
    assert "T.any" not in told


async def test_a_node_that_becomes_something_else(server: AsyncuaServer, driver: OpcUaDriver, name: str) -> None:
    address = server.add(name, 1.0, ua.VariantType.Double)
    group = group_of(tag_at(address, "T", ValueType.FLOAT64), tag_at(f"{address}x", "gone", ValueType.FLOAT64))
    plan = await driver.plan(group)
    assert (await driver.read(group, plan)).status.tolist() == [GOOD, BAD_NODE_ID_UNKNOWN]
    server.write(address, "out of order", ua.VariantType.String)
    reading = await driver.read(group, plan)
    assert reading.status.tolist() == [BAD_TYPE_MISMATCH, BAD_NODE_ID_UNKNOWN]
    assert reading.text == {}
    server.write(address, 2.0, ua.VariantType.Double)
    assert (await driver.read(group, plan)).value[0] == 2.0


async def test_a_number_that_means_another_node_now_is_not_read(
    server: AsyncuaServer, driver: OpcUaDriver, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """As with controllers that number their nodes anew, of which all have the same type."""
    numbers = (70_011, 70_012)
    group = group_of(*(tag_at(f"/{name}{each}@nsu={PLANT_URI};i={each}", str(each)) for each in numbers))
    for number in numbers:
        server.do(add_number(server, number, f"{name}{number}", float(number)))
    plan = await plan_anew(driver, group)
    assert plan.is_complete
    assert (await driver.read(group, plan)).value.tolist() == [70_011.0, 70_012.0]
    for number, other in (numbers, numbers[::-1]):
        server.delete(f"ns={PLANT};i={number}")
        server.do(add_number(server, number, f"{name}{other}", float(other)))
    plan = await plan_anew(driver, group)
    assert (await driver.read(group, plan)).status.tolist() == [BAD_NODE_ID_UNKNOWN] * 2
    assert f"its path leads to ns={PLANT};i=70012 now; is it another node than it was?" in caplog.text
    assert not plan.is_complete, "so that the runner looks again"


async def test_a_namespace_that_is_not_there_is_said_with_those_that_are(
    driver: OpcUaDriver, caplog: pytest.LogCaptureFixture
) -> None:
    plan = await plan_anew(driver, group_of(tag_at("nsu=urn:planet;s=A", "A"), tag_at("nsu=http://xyz;s=A", "B")))
    assert plan.missing.tolist() == [BAD_NODE_ID_UNKNOWN] * 2
    assert "the server has no namespace 'urn:planet' (did you mean 'urn:plant'?)" in caplog.text
    assert re.search(r"no namespace 'http://xyz' \(it has '[^']+', 'urn:plant', 'urn:other'\)", caplog.text)


@pytest.mark.parametrize(("missing", "is_explained"), [(10, True), (11, False)])
async def test_where_many_paths_are_missing_none_is_explained(
    server: AsyncuaServer, driver: OpcUaDriver, caplog: pytest.LogCaptureFixture, missing: int, is_explained: bool
) -> None:
    server.add(f"motor{missing}", 1.0, ua.VariantType.Double)
    tags = (tag_at(f"/motor{missing}{each}", each) for each in "abcdefghijk"[:missing])
    await plan_anew(driver, group_of(*tags))
    assert (f"(did you mean 'motor{missing}'?)" in caplog.text) == is_explained
