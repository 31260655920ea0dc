"""From a source's settings to the driver of its protocol: the one place that knows which protocols there are."""

from __future__ import annotations

from collectors.driver import Driver
from collectors.memory import SourceMemory
from historian.config.settings import ModbusSource, SourceSettings
from historian.model.clock import Clock


def make_driver(source: SourceSettings, clock: Clock, memory: SourceMemory | None = None) -> Driver:
    """The driver of ``source``, not connected; ``memory`` keeps what it finds out about the device.

    Imports the protocol's library only here, when it is needed.
    """
    if isinstance(source, ModbusSource):
        from collectors.modbus.driver import ModbusDriver  # noqa: PLC0415 - pymodbus costs start-up time

        return ModbusDriver(source, clock, memory)
    if source.mode == "subscribe":
        from collectors.opcua.subscribe_driver import OpcUaSubscriptionDriver  # noqa: PLC0415 - as below

        return OpcUaSubscriptionDriver(source, clock)
    from collectors.opcua.driver import OpcUaDriver  # noqa: PLC0415 - asyncua costs start-up time

    return OpcUaDriver(source, clock)
