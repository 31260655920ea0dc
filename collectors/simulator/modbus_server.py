"""The boiler's controller: a Modbus TCP device with all four tables, which refuses to be written.

A request sees one instant of the process: registers change between requests, never within one.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final, cast

from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from collectors.simulator.instrument import Measurement
from collectors.simulator.lifetime import announce, wait_until_told
from collectors.simulator.pace import Pace, now_us
from collectors.simulator.points import BOILER, Point, points_of
from collectors.simulator.process import Process
from collectors.simulator.registers import to_counts, to_registers
from collectors.simulator.tasks import run_beside

LOOPBACK: Final = "127.0.0.1"
UNIT: Final = 1
WORDS: Final = 256
BITS: Final = 64
CONDUCTIVITY: Final = "AI109.PV"
TABLE_OF_FUNCTION: Final = {1: "coil", 2: "di", 3: "hr", 4: "ir"}


class Image:
    """The device's memory: words of the tables ``hr`` and ``ir``, bits of ``coil`` and ``di``, by table name."""

    def __init__(self) -> None:
        self.words: dict[str, list[int]] = {"hr": [0] * WORDS, "ir": [0] * WORDS}
        self.bits: dict[str, list[bool]] = {"coil": [False] * BITS, "di": [False] * BITS}
        self.failed: dict[str, set[int]] = {"hr": set(), "ir": set()}

    def show(self, measurements: Mapping[str, Measurement]) -> None:
        """Write what the boiler's instruments show."""
        for point in points_of(BOILER):
            self._write(point, measurements[point.name])

    def _write(self, point: Point, measurement: Measurement) -> None:
        table, _, place = point.address.partition(":")
        number, _, bit = place.partition(".")
        address = int(number)
        if table in self.bits:
            self.bits[table][address] = bool(measurement.value)
            return
        if bit:
            others = self.words[table][address] & ~(1 << int(bit))
            self.words[table][address] = others | bool(measurement.value) << int(bit)
            return
        words = _words(point, measurement)
        self.words[table][address : address + len(words)] = words
        if point.name == CONDUCTIVITY:
            self.failed[table] = set() if measurement.value is not None else {address, address + 1}

    def registers(self, table: str) -> list[int]:
        """A table in words; bits are packed 16 a word, the first in the lowest bit."""
        if table in self.words:
            return self.words[table]
        bits = self.bits[table]
        return [sum(bit << place for place, bit in enumerate(bits[start : start + 16])) for start in range(0, BITS, 16)]


def _words(point: Point, measurement: Measurement) -> list[int]:
    """Registers of one measurement; an instrument without a value shows NaN."""
    value = measurement.value
    if value is None:
        return to_registers(math.nan, point.type_)
    return to_registers(value if isinstance(value, str) else to_counts(value, point.scale), point.type_)


class BoilerDevice:
    """A :class:`SimDevice` that answers from an :class:`Image`."""

    def __init__(self, image: Image) -> None:
        self.image = image

    def build(self) -> SimDevice:
        """The device, with every address of its tables readable."""
        bits = [SimData(0, values=[False] * BITS, datatype=DataType.BITS)]
        words = [SimData(0, values=0, count=WORDS, datatype=DataType.REGISTERS)]
        return SimDevice(UNIT, simdata=(list(bits), list(bits), list(words), list(words)), action=self._answer)

    async def _answer(
        self,
        function: int,
        _start: int,
        address: int,
        count: int,
        registers: list[int],
        written: list[int] | list[bool] | None,
    ) -> ExcCodes | None:
        table = TABLE_OF_FUNCTION.get(function)
        if table is None or written is not None:
            return ExcCodes.ILLEGAL_FUNCTION
        if self.image.failed.get(table, set()) & set(range(address, address + count)):
            return ExcCodes.DEVICE_FAILURE
        current = self.image.registers(table)
        registers[: len(current)] = current
        return None


@asynccontextmanager
async def listening(image: Image, port: int) -> AsyncIterator[str]:
    """Answer from ``image`` on loopback and give the URL; ``port`` 0 takes a free one.

    Raises RuntimeError when the port is taken.
    """
    server = ModbusTcpServer(BoilerDevice(image).build(), address=(LOOPBACK, port))
    await server.serve_forever(background=True)
    try:
        own_port = cast("asyncio.Server", server.transport).sockets[0].getsockname()[1]
        yield f"tcp://{LOOPBACK}:{own_port}"
    finally:
        await server.shutdown()  # type: ignore[no-untyped-call]  # pymodbus leaves this one without types


async def serve(port: int, seed: int, start_us: int | None) -> None:
    """Serve the boiler in real time until told to stop."""
    pace = Pace(Process(seed), start_us or now_us())
    image = Image()

    async def show() -> None:
        image.show(pace.process.measurements)

    pace.catch_up(now_us())
    await show()
    async with listening(image, port) as url:
        announce(url)
        await run_beside(pace.run(show), wait_until_told())
