"""Which source goes to which worker, and how many workers a configuration needs.

What is shared stays together: Modbus sources with one connection take turns on it, which only one process can mind.
Otherwise the load is spread evenly, by what a source is expected to cost.
"""

from __future__ import annotations

import math
import os
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Final

from historian.config.settings import ModbusSource, SourceSettings
from historian.model.scan import ScanGroup

REQUEST_US: Final = {"modbus": 140.0, "opcua": 400.0}
VALUE_US: Final = {"modbus": 0.3, "opcua": 1.2}
"""Processor time of a request and of each value in it, in the process that reads.  Measured: 1.2 microseconds a value
in Modbus requests of 125 registers, 1.6 in OPC UA requests of 1,000 nodes."""

VALUES_OF_A_REQUEST: Final = {"modbus": 60, "opcua": 1_000}
"""So many values come with a request, about."""

STORED_US: Final = 1.2
"""Processor time of a value from there to its commit, in the main process; measured as above."""

FULL: Final = 0.5
"""So much of a processor is planned for, of a process: what is measured differs by a factor of two between machines."""


def connection_of(settings: SourceSettings) -> Hashable:
    """Equal for sources that have to be read by the same process."""
    return settings.connection if isinstance(settings, ModbusSource) else ("opcua", settings.name)


def load_of(settings: SourceSettings, groups: Iterable[ScanGroup]) -> float:
    """The share of a processor that it takes to read these groups, roughly."""
    protocol = settings.protocol
    return sum(
        (
            len(group.tags) * VALUE_US[protocol]
            + math.ceil(len(group.tags) / VALUES_OF_A_REQUEST[protocol]) * REQUEST_US[protocol]
        )
        / group.rate_us
        for group in groups
    )


def workers_wanted(sources: Mapping[str, SourceSettings], groups: Sequence[ScanGroup], processors: int) -> int:
    """How many workers these sources need on a machine of so many processors; 0 when one process is enough for all."""
    mine = [group for group in groups if group.source in sources]
    load = sum(load_of(sources[group.source], [group]) for group in mine)
    stored = sum(len(group.tags) * STORED_US / group.rate_us for group in mine)
    if load + stored <= FULL:
        return 0
    connections = {connection_of(sources[group.source]) for group in mine}
    return max(0, min(math.ceil(load / FULL), len(connections), processors - 1))


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
