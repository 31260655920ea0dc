"""What is kept of a Modbus device across restarts: what it refuses, and what its requests cost.

Between the driver and a :class:`collectors.memory.SourceMemory`, which keeps texts.  Notes are of a device and not of a
source's name: with another address in the configuration they do not count.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from collectors.memory import SourceMemory
from collectors.modbus.cost import Cost
from collectors.modbus.known import Known, from_json, news, to_json
from historian.config.settings import ModbusSource
from historian.model.clock import US_PER_S

REFUSED: Final = "modbus refused"
COST: Final = "modbus cost"

BELIEVED_US: Final = 30 * 86_400 * US_PER_S
"""What a device refuses is found out afresh after this time: it may have got another program meanwhile."""


def found_out(note: str) -> str:
    """What a note under :data:`REFUSED` says, for a person; empty when it says nothing."""
    try:
        return news(Known(), from_json(json.loads(note)))
    except (KeyError, TypeError, ValueError, AttributeError):
        return ""  # no note that this version wrote


@dataclass(frozen=True, slots=True)
class DeviceNotes:
    """The notes of one source's device."""

    memory: SourceMemory
    source: ModbusSource

    def known(self, now_us: int) -> Known:
        """What it was found to refuse, unless that is long ago."""
        data = self._read(REFUSED)
        try:
            return from_json(data) if now_us - data["since_us"] < BELIEVED_US else Known()
        except (KeyError, TypeError, ValueError, AttributeError):
            return Known()  # no notes, or none that this version wrote: all of it can be found out again

    def keep_known(self, known: Known, now_us: int) -> None:
        """Note what it was found to refuse."""
        self._write(REFUSED, {**to_json(known), "since_us": now_us})

    def cost(self) -> Cost | None:
        """What its requests cost when that was last measured."""
        data = self._read(COST)
        try:
            cost = Cost(float(data["request_us"]), float(data["register_us"]), measured=True)
        except (KeyError, TypeError, ValueError):
            return None  # as above
        return cost if cost.request_us > 0 and cost.register_us >= 0 else None

    def keep_cost(self, cost: Cost) -> None:
        """Note what its requests cost."""
        self._write(COST, {"request_us": round(cost.request_us, 1), "register_us": round(cost.register_us, 3)})

    def _read(self, key: str) -> dict[str, Any]:
        try:
            data = json.loads(self.memory.recall(key) or "{}")
        except ValueError:
            return {}
        return data if isinstance(data, dict) and data.get("device") == self._device() else {}

    def _write(self, key: str, data: dict[str, Any]) -> None:
        self.memory.remember(key, json.dumps({"device": self._device(), **data}, separators=(",", ":")))

    def _device(self) -> str:
        return f"{self.source.url} unit {self.source.unit}"
