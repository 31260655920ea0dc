"""OPC UA servers for tests: asyncua's in a thread of its own, and python-opcua's, by another maker, in a process."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Coroutine, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeVar

from asyncua import Server, ua
from asyncua.common.callback import CallbackType
from asyncua.common.utils import ServiceError
from asyncua.crypto import cert_gen
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.crypto.uacrypto import der_from_x509
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from collectors.opcua.connection import quiet_asyncua
from conformance.collector_suite import POINTS, PlantServer, Value
from historian.config.settings import OpcUaSource
from historian.model.tag import Tag, ValueType

T = TypeVar("T")

PLANT_URI: Final = "urn:plant"
OTHER_URI: Final = "urn:other"
PLANT: Final = 2
OTHER: Final = 3
USERS: Final = {"operator": "s3cret-Größe"}

VARIANT_TYPES: Final = {
    ValueType.BOOL: ua.VariantType.Boolean,
    ValueType.INT16: ua.VariantType.Int16,
    ValueType.UINT16: ua.VariantType.UInt16,
    ValueType.INT32: ua.VariantType.Int32,
    ValueType.UINT32: ua.VariantType.UInt32,
    ValueType.INT64: ua.VariantType.Int64,
    ValueType.UINT64: ua.VariantType.UInt64,
    ValueType.FLOAT32: ua.VariantType.Float,
    ValueType.FLOAT64: ua.VariantType.Double,
    ValueType.TEXT: ua.VariantType.String,
}


class _Users:
    """Lets in nobody in particular and the users of USERS; a name with a wrong password stays outside."""

    def __init__(self) -> None:
        self.seen: list[bytes | None] = []

    def get_user(
        self, _server: object, username: str | None = None, password: Any = None, certificate: bytes | None = None
    ) -> User | None:
        self.seen.append(certificate)
        if username is None:
            return User(role=UserRole.User)
        given = password.decode() if isinstance(password, bytes) else password
        return User(role=UserRole.User) if USERS.get(username) == given else None


class AsyncuaServer:
    """A server in a thread of its own, for making one takes seconds and tests come and go with their event loops.

    Namespaces 2 and 3 are PLANT_URI and OTHER_URI.  ``reads`` are the numbers of nodes of the reads received;
    one of more than ``most_nodes`` is refused.  ``writes`` counts writes received.
    """

    def __init__(self, *policies: ua.SecurityPolicyType) -> None:
        self.port = 0
        self.policies = list(policies) or [ua.SecurityPolicyType.NoSecurity]
        self.users = _Users()
        self.certificate = b""
        self.reads: list[int] = []
        self.writes = 0
        self.most_nodes: int | None = None
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="OPC UA server", daemon=True)
        self.server: Server

    def start(self) -> None:
        quiet_asyncua()
        self._thread.start()
        self.do(self._start())

    def stop(self) -> None:
        self.do(self.server.stop())
        self.do(_end_tasks())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Run ``work`` in the server's thread."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)

    async def _start(self) -> None:
        self.server = Server(user_manager=self.users)  # type: ignore[arg-type]
        await self.server.init()
        self.server.set_endpoint("opc.tcp://127.0.0.1:0/")
        self.server.set_security_policy(self.policies)
        if self.policies != [ua.SecurityPolicyType.NoSecurity]:
            key, self.certificate = make_certificate(self.server.get_application_uri())
            await self.server.load_private_key(key, format="pem")
            await self.server.load_certificate(self.certificate)
        for uri in (PLANT_URI, OTHER_URI):
            await self.server.register_namespace(uri)
        self.server.subscribe_server_callback(CallbackType.PreRead, self._before_read)
        self.server.subscribe_server_callback(CallbackType.PreWrite, self._before_write)
        await self.server.start()
        self.port = self.server.bserver.port

    def _before_read(self, event: Any, _service: object) -> None:
        if not event.is_external:
            return
        count = len(event.request_params.NodesToRead)
        self.reads.append(count)
        if self.most_nodes is not None and count > self.most_nodes:
            raise ServiceError(ua.StatusCodes.BadTooManyOperations)

    def _before_write(self, event: Any, _service: object) -> None:
        self.writes += event.is_external

    # -- nodes and values ----------------------------------------------------------------------------------------

    def add(self, name: str, value: object, kind: ua.VariantType, *, namespace: int = PLANT, parent: Any = None) -> str:
        """Add a variable below ``parent`` (Objects); returns its address."""
        return self.do(self._add(name, value, kind, namespace, parent))

    async def _add(self, name: str, value: object, kind: ua.VariantType, namespace: int, parent: Any) -> str:
        node = await (parent or self.server.nodes.objects).add_variable(
            ua.NodeId(name, namespace), ua.QualifiedName(name, namespace), value, kind
        )
        return str(node.nodeid.to_string())

    def put(self, address: str, answer: ua.DataValue) -> None:
        """From now on the server gives ``answer`` as it is for the node's value."""
        node = ua.NodeId.from_string(address)
        self.server.set_attribute_value_callback(node, lambda *_: answer)

    def write(self, address: str, value: object, kind: ua.VariantType | None = None) -> None:
        """Give a node a Good value of now, also one of another type."""
        now = datetime.now(UTC)
        variant = value if isinstance(value, ua.Variant) else ua.Variant(value, kind)
        self.put(address, ua.DataValue(variant, SourceTimestamp=now, ServerTimestamp=now))

    def delete(self, address: str) -> None:
        self.do(self.server.delete_nodes([self.server.get_node(address)]))

    def listen(self, on: bool) -> None:
        """Stop listening and drop all connections, or start again on the same port; nodes and values stay."""
        self.do(self.server.bserver.start() if on else self.server.bserver.stop())

    def source(self, **settings: Any) -> OpcUaSource:
        return OpcUaSource(name="plant", url=f"opc.tcp://127.0.0.1:{self.port}/", **settings)


async def _end_tasks() -> None:
    """End what the library leaves of sessions that were cut off."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def make_certificate(application_uri: str) -> tuple[bytes, bytes]:
    """A private key in PEM and its certificate in DER, made by the library."""
    key = cert_gen.generate_private_key()
    names = [x509.UniformResourceIdentifier(application_uri), x509.DNSName("localhost")]
    use = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    certificate = cert_gen.generate_self_signed_app_certificate(key, "test", {}, names, use)
    return cert_gen.dump_private_key_as_pem(key), der_from_x509(certificate)


def tag_at(address: str, name: str = "T", value_type: ValueType | None = None) -> Tag:
    """A tag whose type the server tells."""
    return Tag(name, "plant", address, "fast", value_type)


class _OpcUaPlant(PlantServer):
    """What both plants have in common: their points are nodes of PLANT_URI, named by strings."""

    def source(self, port: int, timeout_s: float) -> OpcUaSource:
        return OpcUaSource("plant", f"opc.tcp://127.0.0.1:{port}/", timeout_us=round(timeout_s * 1e6))

    def tag(self, name: str) -> Tag:
        return tag_at(f"nsu={PLANT_URI};s={name}", name, POINTS[name].value_type)

    def unknown_tag(self) -> Tag:
        return tag_at(f"nsu={PLANT_URI};s=no such node", "unknown")


class AsyncuaPlant(_OpcUaPlant):
    """The points on an :class:`AsyncuaServer` that serves other tests too."""

    def __init__(self, server: AsyncuaServer) -> None:
        self._server = server
        self._writes = server.writes
        self.port = server.port
        self._listening = True

    async def start(self) -> None:
        if not self._listening:
            self._server.listen(True)
            self._listening = True

    async def stop(self) -> None:
        if self._listening:
            self._server.listen(False)
            self._listening = False

    def add_points(self) -> None:
        """Once for each server."""
        for name, point in POINTS.items():
            self._server.add(name, point.value, VARIANT_TYPES[point.value_type])

    async def restore(self) -> None:
        for name, point in POINTS.items():
            await self.set_value(name, point.value)

    async def set_value(self, name: str, value: Value) -> None:
        self._server.write(f"ns={PLANT};s={name}", value, VARIANT_TYPES[POINTS[name].value_type])

    async def refuse(self, name: str) -> None:
        self._server.put(f"ns={PLANT};s={name}", ua.DataValue(StatusCode=ua.StatusCode(ua.UInt32(0x808C0000))))

    def writes(self) -> int:
        return self._server.writes - self._writes


class FreeOpcUaPlant(_OpcUaPlant):
    """The points on a server of python-opcua, in a process of its own, told what to do by lines of JSON."""

    def __init__(self) -> None:
        script = Path(__file__).with_name("freeopcua_process.py")
        points = {name: (VARIANT_TYPES[point.value_type].name, point.value) for name, point in POINTS.items()}
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", str(script), "0", PLANT_URI],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        self.port = self._tell({"points": points})
        self._listening = True

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()

    async def start(self) -> None:
        self._listen(True)

    async def stop(self) -> None:
        self._listen(False)

    def _listen(self, on: bool) -> None:
        if on is not self._listening:
            self._tell({"listen": on})
            self._listening = on

    def _tell(self, command: Mapping[str, object]) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    async def restore(self) -> None:
        self._tell({"restore": True})

    async def set_value(self, name: str, value: Value) -> None:
        self._tell({"set": name, "value": value})

    async def refuse(self, name: str) -> None:
        self._tell({"refuse": name})

    def writes(self) -> int:
        return int(self._tell({"writes": True}))
