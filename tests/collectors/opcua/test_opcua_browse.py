"""Browsing: every variable once, with what the server says of it, whatever the answers look like."""

from __future__ import annotations

import itertools
import tracemalloc
from collections.abc import AsyncIterator, Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from asyncua import ua
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds
from hypothesis import given
from hypothesis import strategies as st

from cli.browse_rows import Matching
from collectors.opcua import browse as browsing
from collectors.opcua.browse import AddressSpace, Variable, path_text
from collectors.opcua.connection import Connection
from collectors.opcua.described import Described
from collectors.opcua.nodes import OBJECTS
from collectors.opcua.session import open_session
from collectors.opcua.waiting import WaitingPlaces
from conformance.opcua_servers import OTHER, PLANT, PLANT_URI, AsyncuaServer
from historian.config.opcua_address import BrowseName, format_opcua_address
from historian.model.tag import ValueType

Walk = Callable[..., Any]


@pytest.fixture(scope="module")
def plant_server() -> Iterator[AsyncuaServer]:
    """A server with a plant of its own, that other tests do not add to."""
    server = AsyncuaServer()
    server.start()
    server.do(build(server))
    yield server
    server.stop()


async def build(server: AsyncuaServer) -> None:
    plant = await server.server.nodes.objects.add_folder(ua.NodeId("Plant", PLANT), f"{PLANT}:Plant")
    reactor = await plant.add_object(ua.NodeId("Reactor", PLANT), f"{PLANT}:Reactor")
    tank = await plant.add_object(ua.NodeId("Tank", PLANT), f"{OTHER}:Tank")

    async def add(parent: Any, name: str, value: Any, kind: ua.VariantType, data_type: Any = None) -> Any:
        return await parent.add_variable(
            ua.NodeId(name, PLANT), f"{PLANT}:{name}", value, kind, datatype=data_type
        )

    level = await add(reactor, "LIC1", 41.5, ua.VariantType.Float)
    await level.add_property(PLANT, "EURange", ua.Range(0.0, 120.0))
    await level.add_property(PLANT, "EngineeringUnits", ua.EUInformation(DisplayName=ua.LocalizedText("m³/h")))
    description = ua.DataValue(ua.Variant(ua.LocalizedText("level,\n of \x1b[31m the \treactor")))
    await server.server.write_attribute_value(level.nodeid, description, AttributeIds.Description)
    alarm = await add(level, "Alarm", True, ua.VariantType.Boolean)
    for name, text in (("TrueState", "on"), ("FalseState", "off")):
        await alarm.add_property(PLANT, name, ua.LocalizedText(text))

    step = await add(reactor, "STEP", 2, ua.VariantType.UInt16)
    await step.add_property(PLANT, "EnumStrings", [ua.LocalizedText(text) for text in ("idle", "filling", "done")])
    mode = await add(reactor, "MODE", 5, ua.VariantType.Int32)
    pairs = ((1, "auto"), (5, "hand"))
    values = [ua.EnumValueType(Value=code, DisplayName=ua.LocalizedText(text)) for code, text in pairs]
    await mode.add_property(PLANT, "EnumValues", values)
    colours = await server.server.get_node(ObjectIds.Enumeration).add_data_type(PLANT, "Colours")
    await colours.add_property(0, "EnumStrings", [ua.LocalizedText(text) for text in ("red", "green")])
    await add(reactor, "COLOUR", 1, ua.VariantType.Int32, colours.nodeid)
    odd = await add(reactor, "ODD", 1.0, ua.VariantType.Double)
    await odd.add_property(PLANT, "EURange", ua.Range(10.0, 10.0))
    await odd.add_property(PLANT, "EnumStrings", [ua.LocalizedText("a"), ua.LocalizedText()])

    await add(tank, "ARRAY", [1, 2], ua.VariantType.Int32)
    secret = await add(tank, "SECRET", 1, ua.VariantType.Int32)
    await server.server.write_attribute_value(
        secret.nodeid, ua.DataValue(ua.Variant(0, ua.VariantType.Byte)), AttributeIds.UserAccessLevel
    )
    await tank.add_variable(ua.NodeId(4711, OTHER), f"{OTHER}:NUMBER", "text", ua.VariantType.String)
    await tank.add_property(PLANT, "Serial", "4711")  # of the tank, and no measurement
    await tank.add_reference(level.nodeid, ObjectIds.Organizes)  # the same node by another way


@pytest.fixture
async def walk(plant_server: AsyncuaServer) -> AsyncIterator[Walk]:
    """All variables of the server whose paths match, by path, and the counts."""
    connection, _ = await open_session(plant_server.source())

    async def browse(*patterns: str) -> tuple[dict[str, Variable], AddressSpace]:
        matching = Matching(patterns)
        space = AddressSpace(connection, matching.is_wanted, matching.may_hold)
        found = [each async for some in space.variables() for each in some]
        by_path = {path_text(each.path): each for each in found}
        assert len(by_path) == len(found) == space.counts.found
        return by_path, space

    yield browse
    await connection.close()


ALL = {
    "Plant/Reactor/LIC1": ValueType.FLOAT32,
    "Plant/Reactor/LIC1/Alarm": ValueType.BOOL,
    "Plant/Reactor/STEP": ValueType.UINT16,
    "Plant/Reactor/MODE": ValueType.INT32,
    "Plant/Reactor/COLOUR": ValueType.INT32,
    "Plant/Reactor/ODD": ValueType.FLOAT64,
    "Plant/Tank/NUMBER": ValueType.TEXT,
}


async def test_every_variable_once_with_its_type(walk: Walk) -> None:
    found, space = await walk()
    types = {path: each.value_type for path, each in found.items()}
    # Which of its two ways the level is found by is the server's choice.
    moved = {path.replace("Plant/Tank/LIC1", "Plant/Reactor/LIC1"): kind for path, kind in types.items()}
    assert moved == ALL
    assert (space.counts.unstorable, space.counts.unreadable, space.counts.refused) == (1, 1, 0)


async def test_what_the_server_says_of_them(walk: Walk) -> None:
    found, _ = await walk("Plant/*")
    said = {path.rpartition("/")[2]: each.described for path, each in found.items()}
    assert said["LIC1"] == Described("level, of [31m the reactor", "m³/h", 0.0, 120.0)
    assert said["Alarm"].states == {0: "off", 1: "on"}
    assert said["STEP"].states == {0: "idle", 1: "filling", 2: "done"}
    assert said["MODE"].states == {1: "auto", 5: "hand"}
    assert said["COLOUR"].states == {0: "red", 1: "green"}
    assert said["ODD"] == Described("ODD"), "a range without length and a state without text say nothing"


async def test_addresses_have_the_uri_of_the_namespace(walk: Walk, plant_server: AsyncuaServer) -> None:
    found, _ = await walk("*/STEP", "*/NUMBER")
    namespaces = plant_server.do(plant_server.server.get_namespace_array())
    addresses = {format_opcua_address(each.address(namespaces)) for each in found.values()}
    assert addresses == {f"nsu={PLANT_URI};s=STEP", "nsu=urn:other;i=4711"}


async def test_folders_that_cannot_match_are_not_entered(walk: Walk, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[ua.NodeId] = []
    whole = Connection.browse

    async def browse(self: Connection, parameters: ua.BrowseParameters) -> Any:
        asked.extend(each.NodeId for each in parameters.NodesToBrowse)
        return await whole(self, parameters)

    monkeypatch.setattr(Connection, "browse", browse)
    found, _ = await walk("/Plant/Reactor/[SM]*")
    assert set(found) == {"Plant/Reactor/STEP", "Plant/Reactor/MODE"}
    assert ua.NodeId("Tank", PLANT) not in asked


@pytest.mark.parametrize("keeps", [0, 1, 100])
async def test_answers_in_parts_and_servers_that_keep_few_of_them(
    walk: Walk, monkeypatch: pytest.MonkeyPatch, keeps: int
) -> None:
    """asyncua never answers in parts, so its answers are cut on the way, and no more than ``keeps`` rests are kept."""
    rest: dict[bytes, list[ua.ReferenceDescription]] = {}
    numbers = itertools.count()
    whole = Connection.browse
    no_more = ua.BrowseResult(StatusCode=ua.StatusCode(ua.UInt32(0x804B0000)))  # BadNoContinuationPoints

    def cut(references: list[ua.ReferenceDescription], alone: bool) -> ua.BrowseResult:
        if len(references) > 1 and len(rest) >= keeps and not alone:
            return no_more
        if len(references) <= 1:
            return ua.BrowseResult(References=references)
        point = str(next(numbers)).encode()
        rest[point] = references[1:]
        return ua.BrowseResult(ContinuationPoint=point, References=references[:1])

    async def browse(self: Connection, parameters: ua.BrowseParameters) -> list[ua.BrowseResult]:
        results = await whole(self, parameters)
        return [cut(result.References, len(results) == 1) for result in results]

    async def browse_next(_: Connection, points: list[bytes]) -> list[ua.BrowseResult]:
        return [cut(rest.pop(point), True) for point in points]

    monkeypatch.setattr(Connection, "browse", browse)
    monkeypatch.setattr(Connection, "browse_next", browse_next)
    found, space = await walk()
    assert len(found) == len(ALL)
    assert space.counts.refused == 0
    assert not rest, "nothing is left unfinished at the server"


async def test_a_folder_that_is_refused_is_counted_and_the_others_are_read(
    walk: Walk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    whole = Connection.browse

    async def browse(self: Connection, parameters: ua.BrowseParameters) -> list[ua.BrowseResult]:
        results = await whole(self, parameters)
        for asked, result in zip(parameters.NodesToBrowse, results, strict=True):
            if asked.NodeId == ua.NodeId("Tank", PLANT):
                result.StatusCode, result.References = ua.StatusCode(ua.UInt32(0x801F0000)), []  # BadUserAccessDenied
        return results

    monkeypatch.setattr(Connection, "browse", browse)
    found, space = await walk()
    assert set(found) == {path for path in ALL if "Tank" not in path}
    assert space.counts.refused == 1
    assert "Plant/Tank cannot be browsed to its end: BadUserAccessDenied" in caplog.text


class ManyNodes:
    """Stands for a connection to a server with folders of so many variables each, made as they are asked for."""

    def __init__(self, folders: int, variables: int) -> None:
        self.limits = SimpleNamespace(nodes_per_browse=100, nodes_per_read=1_000)
        self._folders, self._variables = folders, variables

    def _reference(self, name: str, kind: ua.NodeClass) -> ua.ReferenceDescription:
        return ua.ReferenceDescription(
            NodeId=ua.ExpandedNodeId(name, 2), BrowseName=ua.QualifiedName(name, 2), NodeClass=kind
        )

    def _page(self, node: ua.NodeId, start: int) -> ua.BrowseResult:
        name = str(node.Identifier)
        if node == OBJECTS:
            kind, beginning, count = ua.NodeClass.Object, "F", self._folders
        elif name.startswith("F"):
            kind, beginning, count = ua.NodeClass.Variable, f"V{name}.", self._variables
        else:
            return ua.BrowseResult(References=[])
        names = [f"{beginning}{number}" for number in range(start, min(start + 1_000, count))]
        point = f"{node.to_string()} {start + 1_000}".encode() if start + 1_000 < count else None
        return ua.BrowseResult(ContinuationPoint=point, References=[self._reference(each, kind) for each in names])

    async def browse(self, parameters: ua.BrowseParameters) -> list[ua.BrowseResult]:
        return [self._page(each.NodeId, 0) for each in parameters.NodesToBrowse]

    async def browse_next(self, points: list[bytes]) -> list[ua.BrowseResult]:
        name, start = points[0].decode().split()
        return [self._page(ua.NodeId.from_string(name), int(start))]


async def peak_bytes(folders: int, variables: int, monkeypatch: pytest.MonkeyPatch) -> int:
    """The most memory that browsing so many took; what is read of each is made up."""

    async def describe(_: AddressSpace, found: Any, __: Any) -> list[Variable]:
        return [Variable(*each, ValueType.FLOAT64, Described()) for each in found]

    monkeypatch.setattr(AddressSpace, "_describe", describe)
    space = AddressSpace(ManyNodes(folders, variables), lambda _: True, lambda _: True)  # type: ignore[arg-type]
    count = 0
    tracemalloc.start()
    try:
        async for some in space.variables():
            count += len(some)
        assert count == folders * variables
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("few", "many", "most_bytes"),
    [
        pytest.param((1, 2_000), (1, 12_000), 60, id="variables of one folder"),
        pytest.param((20, 100), (120, 100), 60, id="folders of many variables"),
        pytest.param((3_000, 1), (12_000, 1), 120, id="folders of one variable, all in one folder"),
    ],
)
async def test_memory_hardly_grows_with_the_server(
    monkeypatch: pytest.MonkeyPatch, few: tuple[int, int], many: tuple[int, int], most_bytes: int
) -> None:
    """What is remembered of a node is its hash, and of a folder until it is entered a few dozen bytes."""
    growth = await peak_bytes(*many, monkeypatch) - await peak_bytes(*few, monkeypatch)
    assert growth / (many[0] * many[1] - few[0] * few[1]) < most_bytes


async def test_ways_in_circles_are_gone_once(monkeypatch: pytest.MonkeyPatch) -> None:
    class Circle(ManyNodes):
        def _page(self, node: ua.NodeId, start: int) -> ua.BrowseResult:
            names = {"F0": "F1", "F1": "F0"}
            return ua.BrowseResult(References=[self._reference(names.get(node.Identifier, "F0"), ua.NodeClass.Object)])

    space = AddressSpace(Circle(1, 1), lambda _: True, lambda _: True)  # type: ignore[arg-type]
    assert [each async for each in space.variables()] == []


async def test_a_server_without_a_bottom_is_left_at_some_depth(monkeypatch: pytest.MonkeyPatch) -> None:
    class Bottomless(ManyNodes):
        def _page(self, node: ua.NodeId, start: int) -> ua.BrowseResult:
            below = self._reference(f"{node.Identifier}+", ua.NodeClass.Object)
            return ua.BrowseResult(References=[below])

    monkeypatch.setattr(browsing, "DEEPEST", 10)
    space = AddressSpace(Bottomless(1, 1), lambda _: True, lambda _: True)  # type: ignore[arg-type]
    assert [each async for each in space.variables()] == []


NAMES = st.builds(BrowseName, st.integers(0, 65_535), st.text(st.characters(codec=None), min_size=1, max_size=8))
NODES = st.one_of(
    st.builds(ua.NodeId, st.integers(0, 2**32 - 1), st.integers(0, 65_535)),
    st.builds(ua.NodeId, st.text(st.characters(exclude_categories=["Cs"]), max_size=8), st.integers(0, 65_535)),
    st.builds(ua.NodeId, st.binary(max_size=8), st.integers(0, 65_535)),
    st.builds(ua.NodeId, st.uuids(), st.integers(0, 65_535)),
)
PLACES = st.tuples(st.lists(NAMES, min_size=1, max_size=3).map(tuple), NODES)


@given(st.lists(st.lists(PLACES, max_size=25), max_size=3), st.integers(1, 30))
def test_places_that_wait_come_back_as_they_were(parts: list[list[tuple[Any, ua.NodeId]]], most: int) -> None:
    waiting, left = WaitingPlaces(), [place for part in parts for place in part]
    for part in parts:
        waiting.put(part)
    while taken := waiting.take(most):
        assert len(taken) <= max(most, 10)
        for place in taken:
            left.remove(place)
    assert left == []


async def test_a_folder_of_the_plant_may_be_numbered_among_the_nodes_of_the_standard() -> None:
    """As servers of open62541 number nodes when nobody says how; what is the standard's own is left out."""

    class Sloppy(ManyNodes):
        def _page(self, node: ua.NodeId, start: int) -> ua.BrowseResult:
            if node != OBJECTS:
                return ua.BrowseResult(References=[])
            return ua.BrowseResult(References=[
                ua.ReferenceDescription(
                    NodeId=ua.ExpandedNodeId(number, 0), BrowseName=ua.QualifiedName(name, space),
                    NodeClass=ua.NodeClass.Object,
                )
                for number, name, space in ((2253, "Server", 0), (50_021, "Area1", 1))
            ])  # fmt: skip

    asked: list[tuple[Any, ...]] = []
    space = AddressSpace(Sloppy(1, 1), lambda _: True, lambda path: asked.append(path) or True)  # type: ignore[arg-type, func-returns-value]
    assert [each async for each in space.variables()] == []
    assert asked == [(BrowseName(1, "Area1"),)]
