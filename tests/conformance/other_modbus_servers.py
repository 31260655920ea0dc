"""Modbus servers of more makers: umodbus as a serial slave, and where they are installed pyModbusTCP and libmodbus."""

from __future__ import annotations

import asyncio
import ctypes
import ctypes.util
import select
import socket
import threading
from types import SimpleNamespace
from typing import Any

import pytest
from umodbus.exceptions import IllegalDataAddressError
from umodbus.server.serial import get_server
from umodbus.server.serial.rtu import RTUServer

from conformance.modbus_image import UNIT
from conformance.modbus_servers import TABLES, ModbusPlant

CELLS = 1024
RTU_REQUEST_BYTES = 8
ILLEGAL_ADDRESS = 2
FIELDS = {"coil": "tab_bits", "di": "tab_input_bits", "hr": "tab_registers", "ir": "tab_input_registers"}


class UmodbusRtuPlant(ModbusPlant):
    """umodbus' serial slave, behind a TCP port that passes its frames on as they are."""

    scheme = "rtu+tcp"

    def __init__(self) -> None:
        super().__init__()
        self._slave: Any = get_server(RTUServer, SimpleNamespace(baudrate=19_200))
        self._slave.route_map.add_rule(self._value, [UNIT], [1, 2, 3, 4], None)
        self._listener: asyncio.Server | None = None
        self._transports: set[asyncio.Transport] = set()

    async def start(self) -> None:
        plant = self

        class Line(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                self._transport: Any = transport
                self._received = b""
                plant._transports.add(self._transport)

            def data_received(self, data: bytes) -> None:
                self._received += data
                while len(self._received) >= RTU_REQUEST_BYTES:
                    frame, self._received = self._received[:RTU_REQUEST_BYTES], self._received[RTU_REQUEST_BYTES:]
                    plant.functions.append(frame[1])
                    self._transport.write(plant._slave.process(frame))

        self._listener = await asyncio.get_running_loop().create_server(Line, "127.0.0.1", self.port)
        self.port = self._listener.sockets[0].getsockname()[1]

    def _value(self, slave_id: int, function_code: int, address: int) -> int:
        table = TABLES[function_code]
        if (table, address) in self.image.refused or address >= CELLS:
            raise IllegalDataAddressError
        return self.image.read(table, address) or 0

    async def stop(self) -> None:
        if self._listener is not None:
            self._listener.close()
            for transport in self._transports:
                transport.abort()
            await asyncio.sleep(0)
            self._listener = None


class PyModbusTcpPlant(ModbusPlant):
    """pyModbusTCP's server, in threads of its own."""

    def __init__(self) -> None:
        super().__init__()
        self._library = pytest.importorskip("pyModbusTCP.server", reason="pyModbusTCP is not installed")
        self._server: Any = None

    async def start(self) -> None:
        plant, library = self, self._library

        class Handler(library.DataHandler):  # type: ignore[misc, name-defined] # the library has no types
            def read(self, table: str, address: int, count: int) -> Any:
                cells = range(address, address + count)
                if address + count > CELLS or any((table, cell) in plant.image.refused for cell in cells):
                    return library.DataHandler.Return(exp_code=ILLEGAL_ADDRESS)
                data = [plant.image.read(table, cell) or 0 for cell in cells]
                return library.DataHandler.Return(exp_code=0, data=data)

            def read_coils(self, address: int, count: int, srv_info: Any) -> Any:
                return self.read("coil", address, count)

            def read_d_inputs(self, address: int, count: int, srv_info: Any) -> Any:
                return self.read("di", address, count)

            def read_h_regs(self, address: int, count: int, srv_info: Any) -> Any:
                return self.read("hr", address, count)

            def read_i_regs(self, address: int, count: int, srv_info: Any) -> Any:
                return self.read("ir", address, count)

            def write_coils(self, address: int, bits_l: Any, srv_info: Any) -> Any:
                plant.functions.append(15)
                return library.DataHandler.Return(exp_code=1)

            def write_h_regs(self, address: int, words_l: Any, srv_info: Any) -> Any:
                plant.functions.append(16)
                return library.DataHandler.Return(exp_code=1)

        if not self.port:
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                self.port = free.getsockname()[1]
        self._server = library.ModbusServer("127.0.0.1", self.port, no_block=True, data_hdl=Handler())
        await asyncio.to_thread(self._server.start)

    async def stop(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            await asyncio.to_thread(server.stop)


class _Mapping(ctypes.Structure):
    """``modbus_mapping_t`` of libmodbus 3.1."""

    _fields_ = [
        *((name, ctypes.c_int) for name in ("nb_bits", "start_bits", "nb_input_bits", "start_input_bits")),
        *((name, ctypes.c_int) for name in ("nb_input_registers", "start_input_registers")),
        *((name, ctypes.c_int) for name in ("nb_registers", "start_registers")),
        ("tab_bits", ctypes.POINTER(ctypes.c_uint8)),
        ("tab_input_bits", ctypes.POINTER(ctypes.c_uint8)),
        ("tab_input_registers", ctypes.POINTER(ctypes.c_uint16)),
        ("tab_registers", ctypes.POINTER(ctypes.c_uint16)),
    ]


class LibmodbusPlant(ModbusPlant):
    """libmodbus' server, the C library that most devices on Linux are made with, in a thread of its own."""

    def __init__(self) -> None:
        super().__init__()
        name = ctypes.util.find_library("modbus")
        if name is None:
            pytest.skip("libmodbus is not installed")
        self._library = library = ctypes.CDLL(name)
        library.modbus_new_tcp.restype = ctypes.c_void_p
        library.modbus_mapping_new.restype = ctypes.POINTER(_Mapping)
        self._wake: socket.socket | None = None
        self._thread: threading.Thread | None = None

    async def start(self) -> None:
        listener = socket.create_server(("127.0.0.1", self.port))
        self.port = listener.getsockname()[1]
        self._wake, woken = socket.socketpair()
        self._thread = threading.Thread(target=self._serve, args=(listener, woken), name="libmodbus")
        self._thread.start()

    def _serve(self, listener: socket.socket, woken: socket.socket) -> None:
        library = self._library
        context = ctypes.c_void_p(library.modbus_new_tcp(b"127.0.0.1", self.port))
        mapping = library.modbus_mapping_new(CELLS, CELLS, CELLS, CELLS)
        connections: list[socket.socket] = []
        query = (ctypes.c_uint8 * 260)()
        while True:
            ready, _, _ = select.select([listener, woken, *connections], [], [])
            if woken in ready:
                break
            if listener in ready:
                connections.append(listener.accept()[0])
            for connection in [each for each in connections if each in ready]:
                library.modbus_set_socket(context, connection.fileno())
                size = library.modbus_receive(context, query)
                if size < 0:
                    connections.remove(connection)
                    connection.close()
                elif size > 0:
                    self._reply(context, mapping, query, size)
        for each in (listener, woken, *connections):
            each.close()
        library.modbus_mapping_free(mapping)
        library.modbus_free(context)

    def _reply(self, context: ctypes.c_void_p, mapping: Any, query: Any, size: int) -> None:
        function, address, count = query[7], query[8] << 8 | query[9], query[10] << 8 | query[11]
        self.functions.append(function)
        table = TABLES[function]
        cells = range(address, min(address + count, CELLS))
        if any((table, cell) in self.image.refused for cell in cells):
            self._library.modbus_reply_exception(context, query, ILLEGAL_ADDRESS)
            return
        target = getattr(mapping.contents, FIELDS[table])
        for cell in cells:
            target[cell] = self.image.read(table, cell) or 0
        self._library.modbus_reply(context, query, size, mapping)

    async def stop(self) -> None:
        if self._wake is not None and self._thread is not None:
            self._wake.close()
            await asyncio.to_thread(self._thread.join)
            self._wake = self._thread = None
