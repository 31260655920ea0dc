"""Servers of other makers than the library's own, each a process, where somebody has installed them.

Both have, below ``/Area1``: DOUBLE 41.5, FLOAT 0.25, INT32 -7, UINT64 2**63 + 1, BOOL true, TEXT "größe", ARRAY, and
COUNTER (Int32), which counts up every 200 ms (neither looks at its values more often than every 50 ms); every policy
and mode; anonymous sessions and those of ``operator`` with ``s3cret``.
CONTRIBUTING.md says how to install them.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from conformance.opcua_servers import make_certificate
from historian.config.settings import OpcUaSecurity, OpcUaSource

HERE: Final = Path(__file__).parent
START_S: Final = 30
URI: Final = "urn:test:open62541"


@dataclass(frozen=True, slots=True)
class Peer:
    """A server that answers on ``port``; ``namespace`` is the index of its nodes."""

    port: int
    namespace: int
    process: subprocess.Popen[str]

    def address(self, name: str) -> str:
        return f"ns={self.namespace};s={name}"

    def source(self, folder: Path, *way: Any, **settings: Any) -> OpcUaSource:
        """A source that trusts the first certificate it meets; ``folder`` is for these, ``way`` is policy and mode."""
        security = OpcUaSecurity(*way, folder=folder, trust_on_first_use=True)
        url = f"opc.tcp://127.0.0.1:{self.port}/"
        return OpcUaSource(f"peer {self.port}", url, security=security, timeout_us=10_000_000, **settings)

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


def open62541(folder: Path) -> Peer:
    """open62541, by way of the package o6."""
    if importlib.util.find_spec("o6") is None:
        pytest.skip("the package o6, a server of open62541, is not installed")
    key, certificate = make_certificate(URI)
    (folder / "key.pem").write_bytes(key)
    (folder / "certificate.der").write_bytes(certificate)
    script, port = HERE / "open62541_process.py", _free_port()
    return _started(
        [sys.executable, str(script), str(port), URI, str(folder / "certificate.der"), str(folder / "key.pem")], port
    )


def node_opcua(folder: Path, *options: str) -> Peer:
    """node-opcua, where NODE_PATH leads to it; with the option ``strict`` it takes no certificate it does not know."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node, which runs node-opcua, is not installed")
    found = subprocess.run([node, "-e", "require.resolve('node-opcua-server')"], check=False, capture_output=True)
    if found.returncode:
        pytest.skip("node-opcua-server is not where NODE_PATH leads")
    port = _free_port()
    script = HERE / "node_opcua_process.cjs"
    return _started([node, str(script), str(port), str(folder), *options], port)


def _started(command: Sequence[str], port: int) -> Peer:
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env={**os.environ}
    )
    watchdog = threading.Timer(START_S, process.kill)
    watchdog.start()
    try:
        assert process.stdout is not None
        ready = any(line.startswith("{") and json.loads(line)["port"] == port for line in process.stdout)
    finally:
        watchdog.cancel()
    if not ready:
        process.communicate()
        pytest.fail(f"{command[0]} {command[1]} has not begun to serve within {START_S} s")
    return Peer(port, 1, process)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
