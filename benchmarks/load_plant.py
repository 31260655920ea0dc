"""Devices that cost little, each in a process of its own, and the configuration of a historian that reads them."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from collectors.simulator.plant import SimulatedServer

START_S = 120.0
"""A server of 10,000 nodes takes 7 s to make them, several at once on two processors longer."""

FLOATS_OF_TEN = 3
COLUMNS = (
    "tag", "source", "address", "type", "scan_class", "units", "scale", "offset", "low", "high", "exc_dev", "comp_dev"
)  # fmt: skip
DEVIATIONS = ("0.1%", "0.3%")
NODE_TYPES = (
    "float64", "float32", "float64", "int32", "float64", "float32", "float64", "bool", "float64", "float32"
)  # fmt: skip
"""As :mod:`collectors.simulator.load_values` mixes them."""


@dataclass(frozen=True, slots=True)
class Device:
    """One device or server, all of whose tags are read at one rate.

    ``name`` is that of its source and of its scan class.  Registers are words and floats, nodes of several types.
    """

    name: str
    protocol: Literal["modbus", "opcua"]
    tags: int
    rate_ms: int

    @property
    def values_per_s(self) -> float:
        """What comes from it."""
        return self.tags * 1000 / self.rate_ms

    @property
    def floats(self) -> int:
        """So many registers are numbers of two registers."""
        return self.tags * FLOATS_OF_TEN // 10

    def server(self) -> SimulatedServer:
        """Start it."""
        if self.protocol == "opcua":
            return SimulatedServer(["load-opcua", "--nodes", str(self.tags), "--mixed"])
        words = ["--registers", str(self.tags - self.floats), "--floats", str(self.floats)]
        return SimulatedServer(["load-modbus", *words])

    def rows(self) -> Iterator[Sequence[object]]:
        """Its lines of the tag list."""
        words = self.tags - self.floats
        for number in range(self.tags):
            tag = f"{self.name}.{number:05d}"
            if self.protocol == "opcua":
                kind = NODE_TYPES[number % len(NODE_TYPES)]
                low_high = ("", "", "", "") if kind == "bool" else (0, 100, *DEVIATIONS)
                yield (tag, self.name, f"ns=2;s=N{number}", kind, self.name, "%", "", "", *low_high)
            elif number < words:
                scaled = ("degC", 0.01, -100, -100, 500)
                yield (tag, self.name, f"hr:{number}", "uint16", self.name, *scaled, *DEVIATIONS)
            else:
                address = f"hr:{words + 2 * (number - words)}"
                yield (tag, self.name, address, "float32", self.name, "bar", "", "", 0, 100, *DEVIATIONS)


def write_configuration(folder: Path, devices: Sequence[Device], urls: Sequence[str]) -> None:
    """``historian.toml`` and ``tags.csv``: every tag but states with exception reporting and compression."""
    sections = ['tag_files = ["tags.csv"]\n[store]\npath = "store"\n']
    for device, url in zip(devices, urls, strict=True):
        sections.append(f'[scan_classes.{device.name}]\nrate = "{device.rate_ms}ms"\n')
        sections.append(f'[sources.{device.name}]\nprotocol = "{device.protocol}"\nurl = "{url}"\ntimeout = "10s"\n')
    (folder / "historian.toml").write_text("".join(sections))
    with (folder / "tags.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for device in devices:
            writer.writerows(device.rows())


@contextmanager
def running(devices: Sequence[Device], folder: Path) -> Iterator[list[SimulatedServer]]:
    """The devices' servers, with a configuration for them in ``folder``."""
    with ExitStack() as stack:
        servers = [stack.enter_context(closing(device.server())) for device in devices]
        urls = [server.wait_until_ready(START_S) for server in servers]
        write_configuration(folder, devices, urls)
        yield servers
