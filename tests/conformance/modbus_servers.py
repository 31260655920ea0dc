"""Real Modbus servers for the tests, of two libraries: pymodbus (in the test's loop) and umodbus (in a thread)."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from dataclasses import replace
from socketserver import BaseRequestHandler, TCPServer, ThreadingMixIn
from typing import Any

from pymodbus.constants import ExcCodes
from pymodbus.framer import FramerType
from pymodbus.pdu import ModbusPDU
from pymodbus.server import ModbusTcpServer, ModbusTlsServer, ModbusUdpServer
from pymodbus.simulator import DataType, SimData, SimDevice
from umodbus.exceptions import IllegalDataAddressError
from umodbus.server.tcp import RequestHandler, get_server

from conformance import modbus_image
from conformance.certificate_authority import CertificateAuthority
from conformance.collector_suite import PlantServer, Value
from conformance.modbus_image import UNIT, Image
from historian.config.settings import ModbusSource, ModbusTls
from historian.model.tag import Tag

FIRST_WRITE = 5
TABLES = {1: "coil", 2: "di", 3: "hr", 4: "ir"}


class ModbusPlant(PlantServer):
    """What both have in common: the image of the device."""

    scheme = "tcp"

    def __init__(self) -> None:
        self.port = 0
        self.image = Image()
        self.image.restore()
        self.functions: list[int] = []

    async def restore(self) -> None:
        self.image.restore()

    def source(self, port: int, timeout_s: float) -> ModbusSource:
        return modbus_image.source(f"{self.scheme}://127.0.0.1:{port}", timeout_s)

    def tag(self, name: str) -> Tag:
        return modbus_image.tag(name)

    def unknown_tag(self) -> Tag:
        return modbus_image.unknown_tag()

    async def set_value(self, name: str, value: Value) -> None:
        self.image.set_value(name, value)

    async def refuse(self, name: str) -> None:
        self.image.refuse(name)

    def writes(self) -> int:
        return sum(function >= FIRST_WRITE for function in self.functions)


class PymodbusPlant(ModbusPlant):
    """pymodbus' server; its simulator's memory is overwritten from the image at each request."""

    def __init__(self, scheme: str = "tcp") -> None:
        super().__init__()
        self.scheme = scheme
        self._server: ModbusTcpServer | ModbusUdpServer | None = None

    async def start(self) -> None:
        bits = [SimData(0, values=[False] * 1024, datatype=DataType.BITS)]
        registers = [SimData(0, values=[0] * 1024, datatype=DataType.REGISTERS)]
        device = SimDevice(UNIT, (bits, bits, registers, registers), action=self._load)
        server = self._new_server(device)
        await server.serve_forever(background=True)
        self._server = server
        sockets = getattr(server.transport, "sockets", None)
        socket_ = sockets[0] if sockets else server.transport.get_extra_info("socket")
        self.port = socket_.getsockname()[1]

    def _new_server(self, device: SimDevice) -> ModbusTcpServer | ModbusUdpServer:
        address = ("127.0.0.1", self.port)
        if self.scheme == "udp":
            return ModbusUdpServer(device, address=address, trace_pdu=self._note)
        framer = {"rtu+tcp": FramerType.RTU, "ascii+tcp": FramerType.ASCII}.get(self.scheme, FramerType.SOCKET)
        return ModbusTcpServer(device, framer=framer, address=address, trace_pdu=self._note)

    async def stop(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            await server.shutdown()

    def _note(self, sending: bool, pdu: ModbusPDU) -> ModbusPDU:
        if not sending:
            self.functions.append(pdu.function_code)
        return pdu

    async def _load(  # noqa: PLR0917 - the signature is pymodbus'
        self, function: int, start: int, address: int, count: int, registers: list[int], values: list[Any] | None
    ) -> ExcCodes | None:
        """Called by the simulator before it answers; ``count`` is in registers, also for bits."""
        table = TABLES.get(function)
        if table is None or values is not None:
            return ExcCodes.ILLEGAL_FUNCTION
        if table in ("coil", "di"):
            first = address // 16 * 16
            self._load_bits(table, first, count, registers)
            cells = range(address, address + 1)  # how many bits are asked for is not told here
        else:
            cells = range(address, address + count)
            for cell in cells:
                registers[cell - start] = self.image.cells[table].get(cell, 0)
        refused = any((table, cell) in self.image.refused for cell in cells)
        return ExcCodes.ILLEGAL_ADDRESS if refused else None

    def _load_bits(self, table: str, first: int, count: int, registers: list[int]) -> None:
        for word in range(first // 16, first // 16 + count):
            bits = (self.image.cells[table].get(16 * word + bit, 0) << bit for bit in range(16))
            registers[word] = sum(bits)


class PymodbusTlsPlant(PymodbusPlant):
    """pymodbus' server behind TLS, with frames of Modbus TCP in it as Modbus/TCP Security wants them.

    It wants a certificate of its clients, signed by ``ca``.
    """

    def __init__(self, ca: CertificateAuthority) -> None:
        super().__init__("tls")
        self.ca = ca

    def _new_server(self, device: SimDevice) -> ModbusTcpServer:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.ca.issue("server"))
        context.load_verify_locations(self.ca.certificate)
        context.verify_mode = ssl.CERT_REQUIRED
        return ModbusTlsServer(
            device, framer=FramerType.SOCKET, address=("127.0.0.1", self.port), sslctx=context, trace_pdu=self._note
        )

    def source(self, port: int, timeout_s: float) -> ModbusSource:
        certificate, key = self.ca.issue("historian")
        return replace(super().source(port, timeout_s), tls=ModbusTls(self.ca.certificate, None, certificate, key))


class _Server(ThreadingMixIn, TCPServer):
    allow_reuse_address = True
    daemon_threads = False
    block_on_close = True

    def __init__(self, address: tuple[str, int], handler: type[BaseRequestHandler]) -> None:
        self.connections: set[socket.socket] = set()
        super().__init__(address, handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that is gone is no news in a test of gone clients."""


class UmodbusPlant(ModbusPlant):
    """umodbus' server in threads of its own: another implementation of the protocol than the driver's."""

    def __init__(self) -> None:
        super().__init__()
        self._server: Any = None
        self._thread: threading.Thread | None = None

    async def start(self) -> None:
        plant = self

        class Handler(RequestHandler):  # type: ignore[misc] # umodbus has no types
            def setup(self) -> None:
                plant._server.connections.add(self.request)

            def handle(self) -> None:
                # umodbus logs and raises when the client closes; that is the ordinary end here.
                with contextlib.suppress(OSError):
                    super().handle()

            def process(self, request_adu: bytes) -> bytes:
                plant.functions.append(request_adu[7])
                return super().process(request_adu)

        self._server = get_server(_Server, ("127.0.0.1", self.port), Handler)
        self.port = self._server.server_address[1]
        self._server.route_map.add_rule(self._value, [UNIT], [1, 2, 3, 4], None)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def _value(self, slave_id: int, function_code: int, address: int) -> int:
        value = self.image.read(TABLES[function_code], address)
        if value is None and function_code >= 3 and address >= 1024:
            raise IllegalDataAddressError
        if (TABLES[function_code], address) in self.image.refused:
            raise IllegalDataAddressError
        return value or 0

    async def stop(self) -> None:
        server, self._server = self._server, None
        if server is None:
            return
        server.shutdown()
        for connection in tuple(server.connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        server.server_close()
        if self._thread is not None:
            self._thread.join()
