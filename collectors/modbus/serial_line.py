"""A serial port as a transport of asyncio: what the event loop itself does not have.

Below :mod:`collectors.modbus.link`.  Where the loop can watch the port (POSIX) it does; elsewhere (Windows) the port is
looked at every few milliseconds.  Frames are short, so that the system's buffer takes a request at once.
"""

from __future__ import annotations

import asyncio
import errno
from typing import Final

import serial

from historian.config.settings import SerialEndpoint

LOOK_S: Final = 0.002
"""Where the loop cannot watch the port, it is looked at this often: two characters at 9,600 baud."""

READ_BYTES: Final = 1024

_PARITIES: Final = {"none": serial.PARITY_NONE, "even": serial.PARITY_EVEN, "odd": serial.PARITY_ODD}


def open_port(endpoint: SerialEndpoint) -> serial.Serial:
    """The port, locked against other programs.  Raises OSError; may take as long as the system likes."""
    try:
        return serial.Serial(
            endpoint.device, endpoint.baudrate, endpoint.bytesize, _PARITIES[endpoint.parity], endpoint.stopbits,
            timeout=0, write_timeout=0, exclusive=True,
        )  # fmt: skip
    except OSError as error:
        if error.errno == errno.EAGAIN:
            raise OSError("another program uses the port, or another source with other settings of it") from error
        raise
    except Exception as error:
        # The last line of defence: ValueError, and termios has an error of its own on systems that have termios.
        settings = f"{endpoint.baudrate} baud, {endpoint.bytesize} bits, parity {endpoint.parity}"
        raise OSError(f"the port does not take {settings}, stop bits {endpoint.stopbits} ({error.args[-1]})") from error


class SerialTransport(asyncio.Transport):
    """An open port, given to a protocol."""

    def __init__(self, port: serial.Serial, protocol: asyncio.Protocol) -> None:
        super().__init__()
        self._loop = asyncio.get_running_loop()
        self._port = port
        self._protocol = protocol
        self._timer: asyncio.TimerHandle | None = None
        self._open = True
        protocol.connection_made(self)
        self._watch()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send; what the system does not take at once is lost, as noise on the line would lose it."""
        if self._open:
            try:
                self._port.write(data)
            except OSError as error:
                self._lost(error)

    def is_closing(self) -> bool:
        """Whether it is closed."""
        return not self._open

    def close(self) -> None:
        """Let go of the port."""
        self._lost(None)

    def abort(self) -> None:
        """Let go of the port."""
        self._lost(None)

    def _watch(self) -> None:
        try:
            self._loop.add_reader(self._port.fileno(), self._read)
        except (NotImplementedError, OSError):
            self._look()

    def _look(self) -> None:
        self._timer = self._loop.call_later(LOOK_S, self._look)
        self._read()

    def _read(self) -> None:
        try:
            data = self._port.read(READ_BYTES)
        except OSError as error:
            self._lost(error)
            return
        if data:
            self._protocol.data_received(data)

    def _lost(self, error: Exception | None) -> None:
        if not self._open:
            return
        self._open = False
        if self._timer is not None:
            self._timer.cancel()
        else:
            self._loop.remove_reader(self._port.fileno())
        self._port.close()
        self._loop.call_soon(self._protocol.connection_lost, error)
