"""From a source's settings to the driver of its protocol: the one place that knows which protocols there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collectors.driver import Driver
from collectors.memory import SourceMemory
from historian.config.settings import ModbusSource, OpcUaSource, SourceSettings
from historian.model.clock import Clock

if TYPE_CHECKING:
    from collectors.modbus.bus import Buses  # for the type checker only: loaded when there is a Modbus source


class Drivers:
    """Makes the drivers of one process; those of Modbus sources with the same address share their connection."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._buses: Buses | None = None

    def make(self, source: SourceSettings, memory: SourceMemory | None = None) -> Driver:
        """A driver of ``source``, not connected; ``memory`` keeps what it finds out about the device.

        Imports the protocol's library only here, when it is needed.
        """
        if not isinstance(source, ModbusSource):
            return _opcua_driver(source, self._clock, memory)
        from collectors.modbus.bus import Buses  # noqa: PLC0415 - ssl costs start-up time
        from collectors.modbus.driver import ModbusDriver  # noqa: PLC0415 - as above

        self._buses = self._buses or Buses(self._clock)
        return ModbusDriver(source, self._clock, memory, self._buses.of(source))


def _opcua_driver(source: OpcUaSource, clock: Clock, memory: SourceMemory | None) -> Driver:
    if source.mode == "subscribe":
        from collectors.opcua.subscribe_driver import OpcUaSubscriptionDriver  # noqa: PLC0415 - as below

        return OpcUaSubscriptionDriver(source, clock, memory)
    from collectors.opcua.driver import OpcUaDriver  # noqa: PLC0415 - asyncua costs start-up time

    return OpcUaDriver(source, clock, memory)


def make_driver(source: SourceSettings, clock: Clock, memory: SourceMemory | None = None) -> Driver:
    """The driver of one source that shares its connection with nobody."""
    return Drivers(clock).make(source, memory)
