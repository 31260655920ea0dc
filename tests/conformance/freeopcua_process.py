"""A server of python-opcua (FreeOpcUa 0.98) as a process: ``freeopcua_process.py PORT URI``; commands as lines of JSON.

The first command brings the points and is answered by the port; each of the others by one line.  In a process of its
own because the library is from before Python 3.8 and warns of much.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
from datetime import datetime

from opcua import Server, ua
from opcua.server.internal_server import InternalSession

true_write = InternalSession.write
writers: list[InternalSession] = []


def noted_write(self, params):
    writers.append(self)
    return true_write(self, params)


def say(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


def data_value(kind: str, value: object) -> ua.DataValue:
    answer = ua.DataValue(ua.Variant(value, getattr(ua.VariantType, kind)))
    answer.SourceTimestamp = answer.ServerTimestamp = datetime.utcnow()  # noqa: DTZ003 - what the library wants
    return answer


def stop_listening(server: Server) -> None:
    """Close the listening socket and all connections, in the server's own loop."""
    done = threading.Event()

    def close() -> None:
        server.bserver._server.close()
        for transport in list(server.iserver.asyncio_transports):
            transport.abort()
        done.set()

    server.bserver.loop.loop.call_soon_threadsafe(close)
    done.wait()


def main() -> None:
    logging.disable(logging.CRITICAL)
    InternalSession.write = noted_write
    points = json.loads(sys.stdin.readline())["points"]
    server = Server()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{sys.argv[1]}/")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    index = server.register_namespace(sys.argv[2])
    nodes = {}
    for name, (kind, value) in points.items():
        address, qualified = ua.NodeId(name, index), ua.QualifiedName(name, index)
        nodes[name] = server.nodes.objects.add_variable(address, qualified, value, getattr(ua.VariantType, kind))
    server.start()
    say(server.bserver._server.sockets[0].getsockname()[1])
    for line in sys.stdin:
        command = json.loads(line)
        if "restore" in command:
            for name, (kind, value) in points.items():
                nodes[name].set_value(data_value(kind, value))
        elif "set" in command:
            nodes[command["set"]].set_value(data_value(points[command["set"]][0], command["value"]))
        elif "refuse" in command:
            refused = ua.DataValue()
            refused.StatusCode = ua.StatusCode(ua.StatusCodes.BadSensorFailure)
            node = server.iserver.aspace._nodes[nodes[command["refuse"]].nodeid]
            node.attributes[ua.AttributeIds.Value].value = refused
        elif "listen" in command:
            server.bserver.start() if command["listen"] else stop_listening(server)
        say(sum(writer is not server.iserver.isession for writer in writers))


try:
    main()
finally:
    os._exit(0)  # its threads would go on for ever
