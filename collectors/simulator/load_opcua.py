"""Many changing nodes at little cost, for measuring a collector: an OPC UA server whose values are made beforehand.

Node ``ns=2;s=N<number>`` is a Double.  A read takes a ready DataValue from a ring; only its source time is new, once
for each frame, ten times a second.  Subscribers get nothing from that; for them all nodes are written now and then.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

import numpy as np
from asyncua import ua
from asyncua.server.server import Server
from asyncua.ua.attribute_ids import AttributeIds

from collectors.simulator.lifetime import announce, wait_until_told
from collectors.simulator.opcua_server import LOOPBACK, NAMESPACE_URI, port_of
from collectors.simulator.opcua_types import data_value, node_id
from collectors.simulator.tasks import run_beside
from historian.model.status import GOOD

FRAMES: Final = 64
FRAME_S: Final = 0.1
NO_FRAME: Final = -1
NODES_PER_FOLDER: Final = 100


class Ring:
    """Values of all frames; nodes start at different places, so that they differ."""

    def __init__(self) -> None:
        turn = np.arange(FRAMES) / FRAMES
        values = (50 + 40 * np.sin(2 * np.pi * turn)).tolist()
        self._variants = [ua.Variant(value, ua.VariantType.Double) for value in values]
        self._ready: list[ua.DataValue] = []
        self._frame = NO_FRAME

    def value(self, offset: int) -> ua.DataValue:
        """The value that a node with this ``offset`` has now."""
        frame = int(time.monotonic() / FRAME_S)
        if frame != self._frame:
            self._frame, now = frame, datetime.now(UTC)
            self._ready = [data_value(variant, GOOD, now, now) for variant in self._variants]
        return self._ready[(frame + offset) % FRAMES]


async def serve(port: int, nodes: int, report_s: float = 0.0) -> None:
    """Serve ``nodes`` variables on loopback until told to stop.  Raises OSError when the port is taken.

    With ``report_s`` they are written every so many seconds, and are not read from the ring.
    """
    server = Server()
    await server.init()
    server.set_endpoint(f"opc.tcp://{LOOPBACK}:{port}/load")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    await _build(server, nodes, from_ring=not report_s)
    await server.start()
    try:
        announce(f"opc.tcp://{LOOPBACK}:{port_of(server)}/load")
        if report_s:
            await run_beside(_report(server, nodes, report_s), wait_until_told())
        else:
            await wait_until_told()
    finally:
        await server.stop()


async def _report(server: Server, nodes: int, every_s: float) -> None:
    """Write all nodes every so many seconds, each time other values."""
    index = await server.get_namespace_index(NAMESPACE_URI)
    own_ids = [node_id(f"N{number}", index) for number in range(nodes)]
    turn = 0
    while True:
        turn += 1
        started, now = time.monotonic(), datetime.now(UTC)
        variant = ua.Variant(float(turn), ua.VariantType.Double)
        for own_id in own_ids:
            await server.write_attribute_value(own_id, data_value(variant, GOOD, now, now))
        await asyncio.sleep(max(0.0, every_s - (time.monotonic() - started)))


async def _build(server: Server, nodes: int, *, from_ring: bool) -> None:
    index = await server.register_namespace(NAMESPACE_URI)
    load = await server.nodes.objects.add_folder(node_id("Load", index), f"{index}:Load")
    ring = Ring()
    # asyncua looks at all children of a folder to add one more, so no folder gets many.
    for first in range(0, nodes, NODES_PER_FOLDER):
        name = f"Load{first}"
        folder = await load.add_folder(node_id(name, index), f"{index}:{name}")
        for number in range(first, min(first + NODES_PER_FOLDER, nodes)):
            own_id = node_id(f"N{number}", index)
            await folder.add_variable(own_id, f"{index}:N{number}", 0.0, ua.VariantType.Double)
            if from_ring:
                server.set_attribute_value_callback(own_id, _reading(ring, number), AttributeIds.Value)


def _reading(ring: Ring, offset: int) -> Callable[[ua.NodeId, AttributeIds], ua.DataValue]:
    return lambda _node, _attribute: ring.value(offset)
