"""What a scan of a Modbus device is going to take, without a connection: for ``historian check``.

Makes the same plan that the driver would, with what earlier runs found out about the device.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from collectors.memory import SourceMemory
from collectors.modbus.cost import BITS_PER_REGISTER, Cost
from collectors.modbus.device_notes import DeviceNotes
from collectors.modbus.driver import first_cost, plan_of
from historian.config.settings import ModbusSource
from historian.model.scan import ScanGroup


@dataclass(frozen=True, slots=True)
class Forecast:
    """One scan of a group: ``requests`` that read ``registers`` and ``bits`` together, gaps included, in ``time_us``.

    ``cost`` is what that was worked out with, measured in an earlier run or assumed.
    """

    source: ModbusSource
    group: ScanGroup
    requests: int
    registers: int
    bits: int
    cost: Cost

    @property
    def time_us(self) -> float:
        """How long the scan takes on the connection."""
        return self.cost.of(self.requests, self.registers + self.bits / BITS_PER_REGISTER)

    @property
    def share(self) -> float:
        """The part of the connection's time that the group takes."""
        return self.time_us / self.group.rate_us


def forecast(source: ModbusSource, groups: Sequence[ScanGroup], memory: SourceMemory) -> list[Forecast]:
    """What a scan of each of the source's groups is going to take."""
    notes = DeviceNotes(memory, source)
    cost, known = notes.cost() or first_cost(source), notes.known(time.time_ns() // 1000)
    found = []
    for group in groups:
        blocks = plan_of(group, source, cost, known).layout.blocks
        registers = sum(block.count for block in blocks if block.is_register)
        bits = sum(block.count for block in blocks if not block.is_register)
        found.append(Forecast(source, group, len(blocks), registers, bits, cost))
    return found
