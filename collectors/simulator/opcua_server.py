"""The mixer's control system: an OPC UA server with the tree /Objects/Plant/<area>/<tag>, source times and statuses."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Final

from asyncua import ua
from asyncua.common.node import Node
from asyncua.server.server import Server
from asyncua.ua.attribute_ids import AttributeIds

from collectors.simulator.instrument import Measurement
from collectors.simulator.lifetime import announce, wait_until_told
from collectors.simulator.opcua_types import VARIANTS, data_value, node_id, text
from collectors.simulator.pace import Pace, now_us
from collectors.simulator.points import MIXER, Point, points_of
from collectors.simulator.process import Process
from collectors.simulator.tasks import run_beside

LOOPBACK: Final = "127.0.0.1"
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
NAMESPACE_URI: Final = "urn:plant-historian:simulator"
AREAS: Final = {"BATCH": "Recipe"}
DEFAULT_AREA: Final = "Reactor"


def area_of(point: Point) -> str:
    """Folder of a point below /Objects/Plant."""
    return AREAS.get(point.name.partition(".")[0], DEFAULT_AREA)


class MixerServer:
    """The server's nodes; ``show`` writes what changed since it was last called."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._nodes: dict[str, ua.NodeId] = {}
        self._shown: dict[str, Measurement] = {}

    async def build(self, pace: Pace) -> None:
        """Make the tree."""
        index = await self._server.register_namespace(NAMESPACE_URI)
        plant = await self._server.nodes.objects.add_folder(node_id("Plant", index), f"{index}:Plant")
        folders = {}
        for point in points_of(MIXER):
            area = area_of(point)
            if area not in folders:
                folders[area] = await plant.add_folder(node_id(f"Plant.{area}", index), f"{index}:{area}")
            await self._add(point, index, folders[area], pace.process.measurements[point.name])
        await self.show(pace)

    async def _add(self, point: Point, index: int, folder: Node, measurement: Measurement) -> None:
        own_id = node_id(point.name, index)
        first = ua.Variant(measurement.value, VARIANTS[point.type_])
        node = await folder.add_variable(own_id, f"{index}:{point.name}", first)
        description = ua.DataValue(ua.Variant(text(point.description)))
        await self._server.write_attribute_value(own_id, description, AttributeIds.Description)
        await _describe(node, index, point)
        self._nodes[point.name] = own_id

    async def show(self, pace: Pace) -> None:
        """Write the measurements that changed, with the instant of the step as their source time."""
        source_time = EPOCH + timedelta(microseconds=pace.time_us)
        server_time = datetime.now(UTC)
        for point in points_of(MIXER):
            measurement = pace.process.measurements[point.name]
            if self._shown.get(point.name) != measurement:
                self._shown[point.name] = measurement
                shown = data_value(_variant(point, measurement), measurement.status, source_time, server_time)
                await self._server.write_attribute_value(self._nodes[point.name], shown)


async def _describe(node: Node, index: int, point: Point) -> None:
    """Units, range and texts as properties, as clients that browse expect them."""
    if point.units:
        await node.add_property(index, "EngineeringUnits", ua.EUInformation(DisplayName=text(point.units)))
    if point.low is not None and point.high is not None:
        await node.add_property(index, "EURange", ua.Range(Low=point.low, High=point.high))
    if point.enumeration is not None and point.type_ != "bool":
        await node.add_property(index, "EnumStrings", [text(each) for each in point.enumeration.values()])


def _variant(point: Point, measurement: Measurement) -> ua.Variant:
    return ua.Variant() if measurement.value is None else ua.Variant(measurement.value, VARIANTS[point.type_])


def port_of(server: Server) -> int:
    """The port a started server listens on, which it chose itself when told 0."""
    if server.bserver is None:
        raise RuntimeError("cannot tell the server's port, it has not been started")
    return server.bserver.port


@asynccontextmanager
async def listening(pace: Pace, port: int) -> AsyncIterator[tuple[MixerServer, str]]:
    """Serve what ``pace`` has come to on loopback; gives the nodes and the URL.  ``port`` 0 takes a free one.

    Raises OSError when the port is taken.
    """
    server = Server()
    await server.init()
    server.set_server_name("Plant simulator")
    server.set_endpoint(f"opc.tcp://{LOOPBACK}:{port}/plant")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    mixer = MixerServer(server)
    await mixer.build(pace)
    await server.start()
    try:
        yield mixer, f"opc.tcp://{LOOPBACK}:{port_of(server)}/plant"
    finally:
        await server.stop()


async def serve(port: int, seed: int, start_us: int | None) -> None:
    """Serve the mixer in real time until told to stop."""
    pace = Pace(Process(seed), start_us or now_us())
    async with listening(pace, port) as (mixer, url):

        async def show() -> None:
            await mixer.show(pace)

        pace.catch_up(now_us())
        await show()
        announce(url)
        await run_beside(pace.run(show), wait_until_told())
