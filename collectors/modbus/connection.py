"""A source's part in a connection: what is read through it, and in what words a failure reaches a person.

Between the driver, which knows blocks and lanes, and :mod:`collectors.modbus.bus`, which other sources may share.
"""

from __future__ import annotations

import asyncio

from collectors.modbus.bus import Bus, Member
from collectors.modbus.link import CONNECTION_LOST, LinkError, NoAnswerError
from collectors.modbus.request import Answer, Function, ReadRequest
from historian.config.settings import ModbusSource, SerialEndpoint
from historian.errors import SourceUnavailableError
from historian.model.status import BAD_COMMUNICATION_ERROR, BAD_NO_COMMUNICATION


class ModbusConnection:
    """Reads one unit.  Raises SourceUnavailableError when there is no connection or no answer in time."""

    def __init__(self, source: ModbusSource, bus: Bus) -> None:
        self._source = source
        self._bus = bus
        self._member: Member | None = None

    async def open(self) -> None:
        """Connect anew, whatever there was."""
        await self.close()
        try:
            self._member = await self._bus.join(self._source)
        except LinkError as error:
            raise self._unavailable("connect to", error) from error

    async def ask(self, function: Function, address: int, count: int) -> Answer:
        """Read ``count`` registers or bits.  A refusal or rubbish is an Answer with a Bad status."""
        request = ReadRequest(function, address, count, self._source.unit)
        member = self._member
        if member is None:
            raise self._unavailable("read", LinkError("there is no connection", BAD_NO_COMMUNICATION))
        try:
            return await self._bus.ask(member, request)
        except LinkError as error:
            raise self._unavailable("read", error) from error

    async def close(self) -> None:
        """Take no more part in the connection; what waits fails.  Never raises."""
        member, self._member = self._member, None
        if member is not None:
            self._bus.leave(member)
            await asyncio.sleep(0)  # one turn of the loop, in which asyncio closes the socket

    def _unavailable(self, action: str, error: LinkError) -> SourceUnavailableError:
        source = self._source
        return SourceUnavailableError(
            f"cannot {action} source {source.name!r} at {source.endpoint}, unit {source.unit}: {error.reason};"
            f" wanted {self._wanted(error)}",
            error.status,
        )

    def _wanted(self, error: LinkError) -> str:
        """What should be there, and what to look at where it is not."""
        source = self._source
        if error.status == BAD_COMMUNICATION_ERROR:
            return "Modbus TCP, check the URL: frames of a serial line come through rtu+tcp:// or ascii+tcp://"
        is_serial = isinstance(source.endpoint, SerialEndpoint)
        if isinstance(error, NoAnswerError):
            line = ", the cable, the baud rate and the parity" if is_serial else ""
            several = ", in_flight (many devices answer only the first of several requests)"
            return (
                f"an answer of this unit, check its number, its power{line}, the timeout"
                f"{several if source.in_flight > 1 else ''}"
            )
        if source.endpoint.transport == "tls":
            return "a Modbus device with TLS there, check trusted_certificates, server_name, certificate, private_key"
        if error.reason == CONNECTION_LOST:
            return "a connection that holds, check how many clients the device takes at once, and its own time-out"
        check = "its name, and that no other program uses it" if is_serial else "that it is on and reachable"
        return f"a {'serial port' if is_serial else 'Modbus device'} there, check {check}"
