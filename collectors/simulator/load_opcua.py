"""Many changing nodes at little cost, for measuring a collector: an OPC UA server that answers reads from bytes.

Node ``ns=2;s=N<number>`` is a Double, or one of several types when they are mixed.  Subscribers get nothing from that;
for them all nodes are written now and then.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Final

from asyncua import ua
from asyncua.server import binary_server_asyncio
from asyncua.server.server import Server
from asyncua.ua.attribute_ids import AttributeIds

from collectors.simulator.lifetime import announce, wait_until_told
from collectors.simulator.load_reads import LoadProcessor, Reads
from collectors.simulator.load_values import Values
from collectors.simulator.opcua_server import LOOPBACK, NAMESPACE_URI, port_of
from collectors.simulator.opcua_types import data_value, node_id
from collectors.simulator.tasks import run_beside
from historian.model.status import GOOD

NODES_PER_FOLDER: Final = 100


async def serve(port: int, nodes: int, report_s: float = 0.0, *, mixed: bool = False) -> None:
    """Serve ``nodes`` variables on loopback until told to stop.  Raises OSError when the port is taken.

    With ``report_s`` they are written every so many seconds, and are what was written.
    """
    server = Server()
    await server.init()
    server.set_endpoint(f"opc.tcp://{LOOPBACK}:{port}/load")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    values = Values(nodes, mixed=mixed)
    numbers = await _build(server, values, are_live=not report_s)
    if not report_s:
        # The library makes one for each connection, and there is no other way to give it ours.
        setattr(binary_server_asyncio, "UaProcessor", partial(LoadProcessor, Reads(values, numbers)))  # noqa: B010 - untyped
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


async def _build(server: Server, values: Values, *, are_live: bool) -> dict[ua.NodeId, int]:
    """Make the nodes; the number of each."""
    index = await server.register_namespace(NAMESPACE_URI)
    load = await server.nodes.objects.add_folder(node_id("Load", index), f"{index}:Load")
    numbers: dict[ua.NodeId, int] = {}
    # asyncua looks at all children of a folder to add one more, so no folder gets many.
    for first in range(0, len(values.kinds), NODES_PER_FOLDER):
        name = f"Load{first}"
        folder = await load.add_folder(node_id(name, index), f"{index}:{name}")
        for number in range(first, min(first + NODES_PER_FOLDER, len(values.kinds))):
            own_id = node_id(f"N{number}", index)
            await folder.add_variable(own_id, f"{index}:N{number}", values.variant(number))
            numbers[own_id] = number
            if are_live:
                server.set_attribute_value_callback(own_id, _reading(values, number), AttributeIds.Value)
    return numbers


def _reading(values: Values, number: int) -> Callable[[ua.NodeId, AttributeIds], ua.DataValue]:
    def read(_node: ua.NodeId, _attribute: AttributeIds) -> ua.DataValue:
        now = datetime.now(UTC)
        return data_value(values.variant(number), GOOD, now, now)

    return read
