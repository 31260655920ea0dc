"""``python -m collectors.simulator``: one simulated server in this process, for ``plant`` and for tests to start.

Prints one line of JSON with its URL when it answers, and stops at SIGTERM, Ctrl-C or the end of standard input.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from collections.abc import Coroutine, Sequence
from typing import Any


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m collectors.simulator", description=__doc__)
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="KIND")
    for kind, what in (("modbus", "the boiler, over Modbus TCP"), ("opcua", "the mixer, over OPC UA")):
        plant = kinds.add_parser(kind, help=what)
        plant.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 takes a free one")
        plant.add_argument("--seed", type=int, default=1, help="what happens in the plant follows from it")
        plant.add_argument("--start-us", type=int, default=None, help="start of the plant, us since 1970 UTC")
    for kind, what, name in (
        ("load-modbus", "many changing registers", "--registers"),
        ("load-opcua", "many changing nodes", "--nodes"),
    ):
        load = kinds.add_parser(kind, help=what)
        load.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 takes a free one")
        load.add_argument(name, type=int, default=5000, dest="count", help=what)
        if kind == "load-opcua":
            load.add_argument("--report-s", type=float, default=0.0, help="give all nodes new values this often")
            load.add_argument("--mixed", action="store_true", help="nodes of several types instead of doubles")
        else:
            load.add_argument("--floats", type=int, default=0, help="so many numbers of two registers behind these")
    return parser


def _serving(arguments: argparse.Namespace) -> Coroutine[Any, Any, None]:
    """What was asked for.  Imported by need: neither protocol's library is small."""
    if arguments.kind == "modbus":
        from collectors.simulator.modbus_server import serve as serve_modbus  # noqa: PLC0415 - see above

        return serve_modbus(arguments.port, arguments.seed, arguments.start_us)
    if arguments.kind == "opcua":
        from collectors.simulator.opcua_server import serve as serve_opcua  # noqa: PLC0415 - see above

        return serve_opcua(arguments.port, arguments.seed, arguments.start_us)
    if arguments.kind == "load-modbus":
        from collectors.simulator.load_modbus import serve as serve_registers  # noqa: PLC0415 - see above

        return serve_registers(arguments.port, arguments.count, arguments.floats)
    from collectors.simulator.load_opcua import serve as serve_nodes  # noqa: PLC0415 - see above

    return serve_nodes(arguments.port, arguments.count, arguments.report_s, mixed=arguments.mixed)


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until told to stop; 1 when the port cannot be had."""
    logging.basicConfig(level=logging.CRITICAL)
    parsed = _parser().parse_args(arguments)
    try:
        asyncio.run(_serving(parsed))
    except (OSError, RuntimeError) as error:
        sys.stderr.write(f"cannot serve {parsed.kind} on 127.0.0.1:{parsed.port}: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
