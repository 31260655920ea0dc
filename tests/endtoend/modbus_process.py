"""The Modbus device of ``modbus_device.py``, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).with_name("modbus_device.py")


class Device:
    """The device's process; the same port and the same mode after ``restart``."""

    def __init__(self, folder: Path) -> None:
        self._mode = folder / "device.mode"
        self.behave("answer")
        self.port = 0
        self.restart()

    def restart(self) -> None:
        """Start the process (again)."""
        self.process = subprocess.Popen(
            [sys.executable, SCRIPT, str(self.port), self._mode], stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())

    def behave(self, mode: str) -> None:
        """How to answer from now on."""
        new = self._mode.with_suffix(".new")
        new.write_text(mode, encoding="ascii")
        new.replace(self._mode)  # never half a word

    def kill(self) -> None:
        """``kill -9``, also when it is stopped."""
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def requests(self) -> list[list[int]]:
        """Unit, address, count and whether it was refused, of every request so far."""
        log = self._mode.with_suffix(".log").read_text(encoding="ascii")
        return [[int(word) for word in line.split()] for line in log.splitlines()]
