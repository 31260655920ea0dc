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

READ_US: Final = 200.0
"""Processor time of one reading of a group, and of each further request."""

VALUE_US: Final = {"modbus": 1.0, "opcua": 1.0}
"""Processor time of a value, from the device to the pipeline."""

VALUES_OF_A_REQUEST: Final = {"modbus": 60, "opcua": 1_000}
"""So many values come with a request, about."""

FULL: Final = 0.5
"""So much of a processor is planned for, of a process: what is measured differs by a factor of two between machines."""


def connection_of(settings: SourceSettings) -> Hashable:
    """Equal for sources that have to be read by the same process."""
    return settings.connection if isinstance(settings, ModbusSource) else ("opcua", settings.name)


def load_of(settings: SourceSettings, groups: Iterable[ScanGroup]) -> float:
    """The share of a processor that it takes to read these groups, roughly."""
    protocol = "modbus" if isinstance(settings, ModbusSource) else "opcua"
    per_request = VALUES_OF_A_REQUEST[protocol]
    return sum(
        (len(group.tags) * VALUE_US[protocol] + math.ceil(len(group.tags) / per_request) * READ_US) / group.rate_us
        for group in groups
    )


def workers_wanted(sources: Mapping[str, SourceSettings], groups: Sequence[ScanGroup], processors: int) -> int:
    """How many workers these sources need on a machine of so many processors; 0 when one process is enough for all."""
    mine = [group for group in groups if group.source in sources]
    load = sum(load_of(sources[group.source], [group]) for group in mine)
    if load <= FULL:
        return 0
    connections = {connection_of(sources[group.source]) for group in mine}
    return max(0, min(math.ceil(load / FULL), len(connections), processors - 1))


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
