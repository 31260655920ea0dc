"""What the OPC UA driver does beyond the common suite: nodes, limits, times, users, types."""

from __future__ import annotations

import asyncio
import gc
import logging
import time
import uuid
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from asyncua import ua

from collectors.driver import Reading
from collectors.opcua import connection
from collectors.opcua.connection import Connection
from collectors.opcua.driver import OpcUaDriver
from collectors.opcua.session import forget_limits
from collectors.opcua.values import BAD_NO_VALUE
from conformance.collector_suite import SLACK_S, eventually, group_of
from conformance.opcua_servers import OTHER, OTHER_URI, PLANT, PLANT_URI, USERS, AsyncuaServer, tag_at
from historian.config.settings import OpcUaSource
from historian.errors import SourceUnavailableError
from historian.model.clock import SystemClock
from historian.model.status import (
    BAD_CONFIGURATION_ERROR,
    BAD_DECODING_ERROR,
    BAD_NO_COMMUNICATION,
    BAD_NODE_ID_UNKNOWN,
    BAD_TIMEOUT,
    BAD_TYPE_MISMATCH,
    GOOD,
)
from historian.model.tag import ValueType
from support.fake_clock import FakeClock

Connect = Callable[..., Any]

VARIABLE = "MIXER_PASSWORD"
MAX_NODES_PER_READ = "i=11705"
NAMESPACE_ARRAY = "i=2255"


@pytest.fixture
async def connect(server: AsyncuaServer) -> AsyncIterator[Connect]:
    """Connect a driver with these settings; closed after the test."""
    drivers: list[OpcUaDriver] = []

    async def open_driver(clock: Any = None, **settings: Any) -> OpcUaDriver:
        drivers.append(OpcUaDriver(server.source(**settings), clock or SystemClock()))
        await drivers[-1].connect()
        return drivers[-1]

    forget_limits()
    yield open_driver
    for driver in drivers:
        await driver.close()


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A name for nodes of this test alone, because the server serves them all."""
    return str(request.node.name)


async def read(driver: OpcUaDriver, *addresses: str) -> Reading:
    group = group_of(*(tag_at(address, f"T{lane}") for lane, address in enumerate(addresses)))
    return await driver.read(group, await driver.plan(group))


# -- which node


async def test_a_namespace_uri_is_followed_when_the_table_changes(
    server: AsyncuaServer, connect: Connect, name: str
) -> None:
    for namespace, value in ((PLANT, 10), (OTHER, 20)):
        server.add(name, value, ua.VariantType.Int32, namespace=namespace)
    addresses = [f"nsu={PLANT_URI};s={name}", f"nsu={OTHER_URI};s={name}"]
    driver = await connect()
    assert (await read(driver, *addresses)).value.tolist() == [10, 20]

    # As after a restart of the server that loads its parts in another order.
    table = server.do(server.server.get_namespace_array())
    server.write(NAMESPACE_ARRAY, [*table[:2], OTHER_URI, PLANT_URI], ua.VariantType.String)
    server.write(f"ns={OTHER};s={name}", 10, ua.VariantType.Int32)
    server.write(f"ns={PLANT};s={name}", 20, ua.VariantType.Int32)
    try:
        await driver.connect()
        assert (await read(driver, *addresses)).value.tolist() == [10, 20]
    finally:
        server.write(NAMESPACE_ARRAY, table, ua.VariantType.String)


async def test_an_unknown_namespace_is_bad_alone_and_found_at_the_next_connect(
    server: AsyncuaServer, connect: Connect, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    good = server.add(name, 1, ua.VariantType.Int32)
    driver = await connect()
    reading = await read(driver, good, f"nsu=urn:not there;s={name}")
    assert reading.status.tolist() == [GOOD, BAD_NODE_ID_UNKNOWN]
    assert "T1" in caplog.text
    assert "urn:not there" in caplog.text
    before = server.do(server.server.get_namespace_array())
    server.write(NAMESPACE_ARRAY, [*before[:2], "urn:not there", OTHER_URI], ua.VariantType.String)
    try:
        await driver.connect()
        assert (await read(driver, good, f"nsu=urn:not there;s={name}")).value.tolist() == [1, 1]
    finally:
        server.write(NAMESPACE_ARRAY, before, ua.VariantType.String)


async def test_nodes_that_come_later_are_found_on_the_same_connection(
    server: AsyncuaServer, connect: Connect, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    group = group_of(tag_at(f"/{name}", "A"), tag_at(f"nsu=urn:late;s={name}", "B"))
    driver = await connect()
    for _ in range(2):
        await driver.resolve([group])
        plan = await driver.plan(group)
        assert not plan.is_complete
    assert caplog.text.count("no node for 2 of 2 tags") == 1, "said once"
    server.add(name, 7, ua.VariantType.Int32)
    before = server.do(server.server.get_namespace_array())
    server.write(NAMESPACE_ARRAY, [*before[:PLANT], "urn:late", *before[PLANT + 1 :]], ua.VariantType.String)
    try:
        assert await driver.resolve([group]) == {"A": ValueType.INT32, "B": ValueType.INT32}
        plan = await driver.plan(group)
        assert plan.is_complete
        assert (await driver.read(group, plan)).value.tolist() == [7, 7]
    finally:
        server.write(NAMESPACE_ARRAY, before, ua.VariantType.String)


async def test_all_kinds_of_identifiers(server: AsyncuaServer, connect: Connect) -> None:
    guid = "09087e75-8e5e-499b-954f-f2a9603db28a"
    addresses = ["ns=2;i=4711", "ns=2;i=4000000000", "ns=2;s=with;semi=colon", f"ns=2;g={guid}", "ns=2;b=M/RbKBs="]

    async def add(identifier: Any, kind: ua.NodeIdType | None = None) -> None:
        await server.server.nodes.objects.add_variable(
            ua.NodeId(identifier, PLANT, kind), ua.QualifiedName("ids", OTHER), 5
        )

    for identifier in (4711, 4_000_000_000, "with;semi=colon", uuid.UUID(guid), b"\x33\xf4\x5b\x28\x1b"):
        server.do(add(identifier))
    reading = await read(await connect(), *addresses)
    assert reading.status.tolist() == [GOOD] * 5
    assert reading.value.tolist() == [5] * 5


async def test_browse_paths(server: AsyncuaServer, connect: Connect, caplog: pytest.LogCaptureFixture) -> None:
    plant = server.do(server.server.nodes.objects.add_object(PLANT, "Plant"))
    unit = server.do(plant.add_object(OTHER, "TIC205"))
    server.add("path.PV", 41.5, ua.VariantType.Double, parent=unit)
    server.do(unit.add_variable(PLANT, "PV", 1.0))
    server.do(unit.add_variable(OTHER, "PV", 2.0))
    server.do(unit.add_variable(PLANT, "A/B", 3.0))
    server.do(unit.add_variable(PLANT, "only", 4.0))
    reading = await read(
        await connect(),
        "/Plant/TIC205/path.PV",
        "/Plant/TIC205/2:PV",
        "/2:Plant/3:TIC205/3:PV",
        "/Plant/TIC205/A&/B",
        "/Plant/TIC205/PV",
        "/Plant/TIC206/PV",
        "/3:Plant/TIC205/only",
    )
    assert reading.status.tolist() == [GOOD] * 4 + [BAD_NODE_ID_UNKNOWN] * 3
    assert reading.value[:4].tolist() == [41.5, 1.0, 2.0, 3.0]
    assert "2 nodes have this path" in caplog.text
    assert "/Plant has nothing named 'TIC206' (did you mean 'TIC205'?)" in caplog.text
    assert "Objects folder has nothing named 'Plant' (there is one in namespace 2)" in caplog.text


async def test_a_folder_that_comes_in_parts(
    server: AsyncuaServer, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither server here ever answers a browse in parts, so its answers are cut on the way, two references each."""
    folder = server.do(server.server.nodes.objects.add_object(PLANT, "Parts"))
    for number in range(5):
        server.do(folder.add_variable(PLANT, f"V{number}", number))
    rest: dict[bytes, list[ua.ReferenceDescription]] = {}

    def cut(references: list[ua.ReferenceDescription]) -> ua.BrowseResult:
        point = b"%d" % len(rest)
        rest[point] = references[2:]
        return ua.BrowseResult(ContinuationPoint=point if rest[point] else None, References=references[:2])

    whole = Connection.browse

    async def browse(self: Connection, parameters: ua.BrowseParameters) -> list[ua.BrowseResult]:
        return [cut(result.References) for result in await whole(self, parameters)]

    async def browse_next(_: Connection, points: list[bytes]) -> list[ua.BrowseResult]:
        return [cut(rest[point]) for point in points]

    monkeypatch.setattr(Connection, "browse", browse)
    monkeypatch.setattr(Connection, "browse_next", browse_next)
    reading = await read(await connect(), *(f"/Parts/V{number}" for number in range(5)))
    assert reading.value.tolist() == [0, 1, 2, 3, 4]


async def test_a_node_that_is_deleted_turns_bad_alone(server: AsyncuaServer, connect: Connect, name: str) -> None:
    stays, goes = (server.add(f"{name}.{part}", 1.0, ua.VariantType.Double) for part in "ab")
    driver = await connect()
    group = group_of(tag_at(stays), tag_at(goes))
    plan = await driver.plan(group)
    server.delete(goes)
    assert (await driver.read(group, plan)).status.tolist() == [GOOD, BAD_NODE_ID_UNKNOWN]


# -- how much at a time


async def test_reads_are_cut_to_the_servers_limit(server: AsyncuaServer, connect: Connect, name: str) -> None:
    addresses = [server.add(f"{name}.{number}", number, ua.VariantType.Int32) for number in range(23)]
    server.write(MAX_NODES_PER_READ, 7, ua.VariantType.UInt32)
    try:
        driver = await connect()
    finally:
        server.write(MAX_NODES_PER_READ, 0, ua.VariantType.UInt32)
    group = group_of(*map(tag_at, addresses))
    plan = await driver.plan(group)
    server.reads.clear()
    reading = await driver.read(group, plan)
    assert [count for count in server.reads if count > 1] == [7, 7, 7, 2]
    assert plan.requests == 4
    assert reading.value.tolist() == list(range(23))


async def test_a_refused_size_is_halved_and_remembered(server: AsyncuaServer, connect: Connect, name: str) -> None:
    addresses = [server.add(f"{name}.{number}", number, ua.VariantType.Int32) for number in range(20)]
    server.most_nodes = 6
    driver = await connect()
    group = group_of(*map(tag_at, addresses))
    plan = await driver.plan(group)
    assert (await driver.read(group, plan)).value.tolist() == list(range(20))
    server.reads.clear()
    assert (await driver.read(group, plan)).value.tolist() == list(range(20))
    assert max(server.reads) <= 6
    server.reads.clear()
    again = await connect()
    assert (await read(again, *addresses)).value.tolist() == list(range(20))
    assert max(server.reads) <= 6


async def test_many_nodes_are_read_without_holding_up_the_loop(server: AsyncuaServer, connect: Connect) -> None:
    group = group_of(*(tag_at(f"ns=2;s=none {number}") for number in range(2_500)))
    assert (await (await connect()).plan(group)).requests == 3


async def test_an_answer_that_cannot_be_decoded_spoils_one_lane(
    server: AsyncuaServer, connect: Connect, name: str
) -> None:
    """Dimensions that promise more than is there make the library's decoder give up."""
    addresses = [server.add(f"{name}.{number}", number, ua.VariantType.Int32) for number in range(9)]
    broken = ua.Variant([1, 2], ua.VariantType.Int32, Dimensions=[50_000, 50_000])
    server.put(addresses[4], ua.DataValue(broken))
    driver = await connect()
    group = group_of(*map(tag_at, addresses))
    plan = await driver.plan(group)
    for _ in range(2):
        reading = await driver.read(group, plan)
        assert reading.status.tolist() == [GOOD] * 4 + [BAD_DECODING_ERROR] + [GOOD] * 4
    server.write(addresses[4], 4, ua.VariantType.Int32)
    assert (await driver.read(group, plan)).value.tolist() == list(range(9))


# -- values over the wire


async def test_null_array_and_structure(server: AsyncuaServer, connect: Connect, name: str) -> None:
    addresses = [server.add(f"{name}.{number}", 0, ua.VariantType.Int32) for number in range(4)]
    server.write(addresses[0], None)
    server.write(addresses[1], [1, 2, 3], ua.VariantType.Int32)
    server.write(addresses[2], ua.Range(0.0, 1.0), ua.VariantType.ExtensionObject)
    reading = await read(await connect(), *addresses)
    assert reading.status.tolist() == [BAD_NO_VALUE, BAD_TYPE_MISMATCH, BAD_TYPE_MISMATCH, GOOD]


@pytest.mark.parametrize("choice", ["source", "server", "arrival"])
async def test_times_are_those_of_the_chosen_clock(
    server: AsyncuaServer, connect: Connect, name: str, fake_clock: FakeClock, choice: str
) -> None:
    source, at_server = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC), datetime(2026, 1, 2, 3, 4, 6, 1, tzinfo=UTC)
    address = server.add(f"{name}", 1.0, ua.VariantType.Double)
    server.put(address, ua.DataValue(ua.Variant(1.0), SourceTimestamp=source, ServerTimestamp=at_server))
    driver = await connect(fake_clock, timestamps=choice)
    expected = {
        "source": 1_767_323_045_678_901,  # date -u -d '2026-01-02 03:04:05.678901' +%s%6N
        "server": 1_767_323_046_000_001,
        "arrival": fake_clock.wall_us(),
    }
    reading = await read(driver, address)
    assert reading.time_us.tolist() == [expected[choice]]
    assert reading.skewed == 0


async def test_a_clock_that_is_ahead_is_reported_and_counted(
    server: AsyncuaServer, connect: Connect, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    address = server.add(name, 1.0, ua.VariantType.Double)
    later = datetime.now(UTC) + timedelta(hours=1)
    server.put(address, ua.DataValue(ua.Variant(1.0), SourceTimestamp=later))
    behind = FakeClock(wall_us=SystemClock().wall_us() - 7_200_000_000)
    driver = await connect(behind, max_skew_us=60_000_000)
    assert "ahead of ours" in caplog.text
    assert (await read(driver, address)).skewed == 1


# -- types


async def test_types_come_from_the_value_or_the_declaration(server: AsyncuaServer, connect: Connect, name: str) -> None:
    told = {
        "Boolean": (True, ValueType.BOOL),
        "SByte": (-1, ValueType.INT16),
        "Byte": (1, ValueType.UINT16),
        "Int16": (-1, ValueType.INT16),
        "UInt16": (1, ValueType.UINT16),
        "Int32": (-1, ValueType.INT32),
        "UInt32": (1, ValueType.UINT32),
        "Int64": (-1, ValueType.INT64),
        "UInt64": (1, ValueType.UINT64),
        "Float": (0.5, ValueType.FLOAT32),
        "Double": (0.5, ValueType.FLOAT64),
        "String": ("a", ValueType.TEXT),
        "LocalizedText": (ua.LocalizedText("a"), ValueType.TEXT),
        "DateTime": (datetime(2026, 1, 1, tzinfo=UTC), ValueType.TEXT),
        "ByteString": (b"a", None),
    }
    expected = {kind: value_type for kind, (_, value_type) in told.items() if value_type is not None}
    tags = []
    for kind, (value, _) in told.items():
        address = server.add(f"{name}.{kind}", value, ua.VariantType[kind])
        tags.append(tag_at(address, kind))
        empty = server.add(f"{name}.{kind}.empty", value, ua.VariantType[kind])
        server.put(empty, ua.DataValue(StatusCode=ua.StatusCode(ua.StatusCodes.BadWaitingForInitialData)))
        tags.append(tag_at(empty, f"{kind} empty"))
        if kind in expected:
            expected[f"{kind} empty"] = expected[kind]
    tags += [tag_at("ns=2;s=none", "none"), tag_at(NAMESPACE_ARRAY, "array")]
    tags.append(tag_at(tags[0].address, "configured", ValueType.INT16))
    assert await (await connect()).resolve([group_of(*tags)]) == expected


async def test_a_declared_enumeration_is_an_int32(server: AsyncuaServer, connect: Connect, name: str) -> None:
    async def add() -> str:
        colours = await server.server.get_node(ua.ObjectIds.Enumeration).add_data_type(PLANT, "Colours")
        node = await server.server.nodes.objects.add_variable(
            ua.NodeId(name, PLANT), "state", 0, ua.VariantType.Int32, colours.nodeid
        )
        return str(node.nodeid.to_string())

    address = server.do(add())
    server.put(address, ua.DataValue(StatusCode=ua.StatusCode(ua.StatusCodes.BadWaitingForInitialData)))
    assert await (await connect()).resolve([group_of(tag_at(address, "state"))]) == {"state": ValueType.INT32}


# -- users


async def test_a_user_gets_in_by_environment_and_by_file(
    server: AsyncuaServer, connect: Connect, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(VARIABLE, USERS["operator"])
    await connect(user="operator", password_env=VARIABLE)
    file = tmp_path / "password.txt"
    file.write_text(USERS["operator"] + "\r\n", encoding="utf-8-sig")
    await connect(user="operator", password_file=file)


async def test_a_wrong_password_is_said_and_never_shown(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv(VARIABLE, "hunter2")
    with pytest.raises(SourceUnavailableError, match=r"'plant'.*'operator'.*BadUserAccessDenied") as caught:
        await connect(user="operator", password_env=VARIABLE)
    assert caught.value.status == BAD_CONFIGURATION_ERROR
    assert "hunter2" not in caplog.text
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"password_env": "HISTORIAN_NOT_SET"}, "HISTORIAN_NOT_SET"),
        ({"password_file": Path("/no such folder/password")}, "no such folder"),
    ],
)
async def test_a_missing_password_is_said_before_connecting(
    server: AsyncuaServer, connect: Connect, settings: dict[str, Any], what: str
) -> None:
    with pytest.raises(SourceUnavailableError, match=what) as caught:
        await connect(user="operator", **settings)
    assert caught.value.status == BAD_CONFIGURATION_ERROR


# -- servers that are none


async def test_a_server_that_accepts_and_says_nothing_costs_one_time_out(caplog: pytest.LogCaptureFixture) -> None:
    held: list[asyncio.StreamWriter] = []
    listener = await asyncio.start_server(lambda _, writer: held.append(writer), "127.0.0.1", 0)
    url = f"opc.tcp://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    driver = OpcUaDriver(OpcUaSource("plant", url, timeout_us=300_000), SystemClock())
    started = time.monotonic()
    with pytest.raises(SourceUnavailableError, match=r"no answer within 0\.3 s") as caught:
        await driver.connect()
    assert time.monotonic() - started < 0.3 + SLACK_S
    assert caught.value.status == BAD_TIMEOUT
    for writer in held:
        writer.transport.abort()
    listener.close()
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"ACKF\xff\xff\xff\x7f", b"\0" * 64, b""])
async def test_a_server_of_another_protocol_is_an_error_of_one_line(
    answer: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(answer)
        writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"opc.tcp://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    driver = OpcUaDriver(OpcUaSource("plant", url, timeout_us=2_000_000), SystemClock())
    with pytest.raises(SourceUnavailableError, match="cannot connect to source 'plant'") as caught:
        await driver.connect()
    assert "\n" not in str(caught.value)
    assert caught.value.status in (BAD_NO_COMMUNICATION, BAD_TIMEOUT)
    await driver.close()
    listener.close()
    assert capfd.readouterr().err == ""


async def test_a_session_that_the_server_forgot_is_unavailable(
    server: AsyncuaServer, connect: Connect, name: str
) -> None:
    address = server.add(name, 1.0, ua.VariantType.Double)
    driver = await connect()
    group = group_of(tag_at(address))
    plan = await driver.plan(group)

    async def forget() -> None:
        for protocol in list(server.server.bserver.clients):
            await protocol.processor.session.close_session(True)

    server.do(forget())
    with pytest.raises(SourceUnavailableError, match="BadSession"):
        await driver.read(group, plan)
    await driver.connect()
    assert (await read(driver, address)).value.tolist() == [1.0]


async def test_a_renewal_that_fails_prints_nothing(
    server: AsyncuaServer, connect: Connect, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The library leaves the renewal's exception in its task, where asyncio would complain of it."""
    make_client = connection._client

    def impatient(source: OpcUaSource, password: str | None) -> Any:
        client = make_client(source, password)
        client.secure_channel_timeout = 100
        return client

    monkeypatch.setattr(connection, "_client", impatient)
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    driver = await connect()
    renewal = driver._connection._client._renew_channel_task
    server.listen(False)
    try:
        await eventually(renewal.done, "the renewal fails")
    finally:
        server.listen(True)
    assert isinstance(renewal._exception, ConnectionError)  # exception() would take it, as the driver should
    del renewal
    await driver.close()
    del driver
    gc.collect()
    await asyncio.sleep(0)
    assert complaints == []
    assert capfd.readouterr().err == ""
