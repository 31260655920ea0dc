"""Both servers of the simulated plant as processes of their own, and the configuration to collect from them."""

from __future__ import annotations

import contextlib
import json
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

from collectors.simulator.user_files import write_user_files
from historian.errors import SourceUnavailableError
from historian.model.status import BAD_NO_COMMUNICATION

START_TIMEOUT_S: Final = 30.0
STOP_TIMEOUT_S: Final = 5.0
OWN_GROUP: Final[int] = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
"""On Windows, the flag that keeps a Ctrl-C of the console away; elsewhere a session of its own does."""


class SimulatedServer:
    """One ``python -m collectors.simulator`` process; it ends with us, however we end."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and our own module
            [sys.executable, "-P", "-m", "collectors.simulator", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            # A Ctrl-C at the terminal is for the starter, which stops its servers in its own order.
            start_new_session=True,
            creationflags=OWN_GROUP,
        )
        self._name = arguments[0]
        self._lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        threading.Thread(target=self._read_line, daemon=True, name=f"{self._name} ready").start()
        self.url = ""

    @property
    def pid(self) -> int:
        """Process identifier."""
        return self._process.pid

    def _read_line(self) -> None:
        if self._process.stdout is not None:
            with contextlib.suppress(ValueError):  # closed by stop while waiting
                self._lines.put(self._process.stdout.readline())

    def wait_until_ready(self, timeout_s: float = START_TIMEOUT_S) -> str:
        """The server's URL, once it answers.  Raises SourceUnavailableError when it does not in time."""
        try:
            line = self._lines.get(timeout=timeout_s)
        except queue.Empty:
            line = b""
        if not line:
            self.stop()
            raise SourceUnavailableError(
                f"cannot start the simulated {self._name} server, wanted its URL within {timeout_s:g} s, "
                f"got: {self._complaint() or 'nothing'}",
                BAD_NO_COMMUNICATION,
            )
        self.url = str(json.loads(line)["url"])
        return self.url

    def _complaint(self) -> str:
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else ""

    def ask_to_stop(self) -> None:
        """Close the server's input, which stops it, and do not wait."""
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()

    def stop(self) -> None:
        """Stop the server; end it by force when it does not listen.  May be called twice."""
        self.ask_to_stop()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def close(self) -> None:
        """Stop, and forget what the server complained about."""
        self.stop()
        self._errors.close()


class Plant:
    """The simulated plant: boiler on Modbus TCP, mixer on OPC UA, computed from one ``seed``.

    ``start`` returns when both answer.  Use as a context manager, so that nothing is left behind.
    """

    def __init__(self, seed: int = 1, *, modbus_port: int = 0, opcua_port: int = 0) -> None:
        self._seed = seed
        self._ports = {"modbus": modbus_port, "opcua": opcua_port}
        self._servers: dict[str, SimulatedServer] = {}

    @property
    def modbus_url(self) -> str:
        """``tcp://127.0.0.1:port`` of the boiler."""
        return self._servers["modbus"].url

    @property
    def opcua_url(self) -> str:
        """``opc.tcp://127.0.0.1:port/plant`` of the mixer."""
        return self._servers["opcua"].url

    @property
    def pids(self) -> tuple[int, ...]:
        """Process identifiers of both servers."""
        return tuple(server.pid for server in self._servers.values())

    def start(self) -> None:
        """Start both and wait until they answer.  Raises SourceUnavailableError, with nothing left running."""
        start_us = time.time_ns() // 1000
        try:
            for kind, port in self._ports.items():
                self._servers[kind] = SimulatedServer(
                    [kind, "--port", str(port), "--seed", str(self._seed), "--start-us", str(start_us)]
                )
            for server in self._servers.values():
                server.wait_until_ready()
        except BaseException:
            # Whatever it was, Ctrl-C included: no server may be left behind.
            self.stop()
            raise

    def stop(self) -> None:
        """Stop both.  May be called twice."""
        for server in self._servers.values():
            server.ask_to_stop()
        for server in self._servers.values():
            server.close()

    def write_configuration(self, folder: Path) -> Path:
        """Write ``historian.toml`` and ``tags.csv`` for collecting from this plant; returns the first one's path."""
        return write_user_files(folder, self.modbus_url, self.opcua_url)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
