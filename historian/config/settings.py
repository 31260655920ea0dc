"""What a checked configuration is: frozen objects, with nothing left to validate."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, TypeAlias

from historian.config.modbus_type import ByteOrder
from historian.model.scan import ScanGroup
from historian.model.tag import Tag


@dataclass(frozen=True, slots=True)
class ScanClass:
    """A rate with its phase.  Scans start at ``k * rate_us + phase_us`` after 1970 UTC."""

    name: str
    rate_us: int
    phase_us: int = 0


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """Where the store is and when the buffer goes to the archive."""

    path: Path
    commit_us: int = 500_000
    flush_rows: int = 1_000_000
    flush_us: int = 300_000_000
    memory_limit_bytes: int = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class CompactionSettings:
    """When small files of the archive become large ones.

    ``settle_us``: so long after its end a day or month counts as over.  ``share``: part of one processor that the work
    in the background takes at most.
    """

    enabled: bool = True
    settle_us: int = 3_600_000_000
    share: float = 0.25


@dataclass(frozen=True, slots=True)
class RetentionGroup:
    """Tags whose names match one of ``patterns`` (``*``, ``?``, ``[...]``), and how long their samples are kept."""

    name: str
    patterns: tuple[str, ...]
    keep_us: int


@dataclass(frozen=True, slots=True)
class ThinningSettings:
    """Averages of every ``every_us`` are kept of samples older than ``after_us``."""

    after_us: int
    every_us: int = 60_000_000


@dataclass(frozen=True, slots=True)
class ShadowSettings:
    """Raw samples that are kept as a proof of the bound.

    ``share``: part of the tags that leave anything out, chosen by a hash of their names; ``patterns``: these in any
    case.  ``keep_us``: how long, and ``max_bytes``: how much at most; the oldest go first.
    """

    share: float = 0.0
    patterns: tuple[str, ...] = ()
    keep_us: int = 7 * 86_400_000_000
    max_bytes: int = 500_000_000


@dataclass(frozen=True, slots=True)
class HealthSettings:
    """What the historian records of itself.  ``tags``: its figures as tags, every ten seconds."""

    tags: bool = False


@dataclass(frozen=True, slots=True)
class RetentionSettings:
    """What of the archive goes.  None: nothing for that reason.

    ``keep_us``: samples older than this, but those of tags in one of ``groups``, which have an age of their own.
    ``max_bytes``: the oldest files, while all together take more than this.
    """

    keep_us: int | None = None
    max_bytes: int | None = None
    groups: tuple[RetentionGroup, ...] = ()
    thinning: ThinningSettings | None = None

    @property
    def is_on(self) -> bool:
        """Whether anything is ever to be done."""
        return any((self.keep_us, self.max_bytes, self.groups, self.thinning))


NetworkTransport: TypeAlias = Literal["tcp", "udp", "tls"]
ModbusFraming: TypeAlias = Literal["tcp", "rtu", "ascii"]
Parity: TypeAlias = Literal["none", "even", "odd"]


@dataclass(frozen=True, slots=True)
class NetworkEndpoint:
    """A Modbus device or gateway in a network, and how frames are made on the way there."""

    host: str
    port: int
    transport: NetworkTransport = "tcp"
    framing: ModbusFraming = "tcp"

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class SerialEndpoint:
    """A serial line with Modbus devices; the defaults are those of the specification."""

    device: str
    framing: ModbusFraming = "rtu"
    baudrate: int = 19_200
    bytesize: int = 8
    parity: Parity = "even"
    stopbits: int = 1

    def __str__(self) -> str:
        return self.device

    @property
    def transport(self) -> Literal["serial"]:
        """What carries the frames."""
        return "serial"

    @property
    def character_us(self) -> float:
        """How long a character takes on the line: start bit, data, parity, stop bits."""
        return (1 + self.bytesize + (self.parity != "none") + self.stopbits) * 1e6 / self.baudrate


@dataclass(frozen=True, slots=True)
class ModbusTls:
    """How a TLS connection is secured.  Files are PEM; secrets come from the environment or from files.

    ``trusted_certificates`` is what the device's certificate is checked against, the system's when None;
    ``server_name`` the name in it, when that is not the host.  ``certificate`` and ``private_key`` are ours.
    """

    trusted_certificates: Path | None = None
    server_name: str | None = None
    certificate: Path | None = None
    private_key: Path | None = None
    private_key_password_env: str | None = None
    private_key_password_file: Path | None = None


@dataclass(frozen=True, slots=True)
class ModbusSource:
    """One Modbus device: ``unit`` 0 to 255 at the end of a connection, which sources with the same one share.

    ``max_gap`` is None where the planner decides by itself.  ``one_by_one``: each value in a request of its own.
    ``byte_order`` is that of types which name none.  ``in_flight``: so many requests may be under way at once.
    """

    protocol: ClassVar[str] = "modbus"

    name: str
    url: str
    endpoint: NetworkEndpoint | SerialEndpoint
    unit: int = 1
    timeout_us: int = 1_000_000
    max_registers: int = 125
    max_bits: int = 2000
    max_gap: int | None = None
    one_by_one: bool = False
    byte_order: ByteOrder = "ABCD"
    in_flight: int = 1
    connect_pause_us: int = 0
    request_pause_us: int = 0
    tls: ModbusTls | None = None

    @property
    def connection(self) -> Hashable:
        """Equal for sources that share one connection, and so belong into one process."""
        return self.endpoint, self.tls


OpcUaMode: TypeAlias = Literal["poll", "subscribe"]
Deadband: TypeAlias = Literal["off", "exc_dev"]
TimestampChoice: TypeAlias = Literal["source", "server", "arrival"]
SecurityPolicy: TypeAlias = Literal["None", "Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss"]
SecurityMode: TypeAlias = Literal["Sign", "SignAndEncrypt"]


@dataclass(frozen=True, slots=True)
class OpcUaSecurity:
    """How an OPC UA connection is secured; with policy ``None`` not at all.

    ``folder`` holds our own certificate and those of servers that are trusted.  ``certificate`` and ``private_key``
    stand for our own, ``user_certificate`` and ``user_private_key`` let the user in; each pair is there or not.
    """

    policy: SecurityPolicy = "None"
    mode: SecurityMode = "SignAndEncrypt"
    folder: Path = Path("pki")
    trust_on_first_use: bool = False
    certificate: Path | None = None
    private_key: Path | None = None
    user_certificate: Path | None = None
    user_private_key: Path | None = None

    @property
    def is_on(self) -> bool:
        """Whether messages are signed at all."""
        return self.policy != "None"


@dataclass(frozen=True, slots=True)
class OpcUaSource:
    """One OPC UA server.  The password comes from the environment or a file, never from the configuration.

    With ``mode`` subscribe the server looks at its values every ``sampling_us`` (0: at the rate of the scan class),
    keeps at most ``queue_size`` of each until it reports (0: enough for twice that time), and leaves out what lies
    within ``deadband``: nothing, or the tag's ``exc_dev``.  ``backfill``: gaps are filled from the server's history, of
    each at most its last ``backfill_limit_us``.
    """

    protocol: ClassVar[str] = "opcua"

    name: str
    url: str
    mode: OpcUaMode = "poll"
    timeout_us: int = 4_000_000
    user: str | None = None
    password_env: str | None = None
    password_file: Path | None = None
    timestamps: TimestampChoice = "source"
    max_skew_us: int = 10_000_000
    security: OpcUaSecurity = OpcUaSecurity()
    sampling_us: int = 0
    queue_size: int = 0
    deadband: Deadband = "off"
    backfill: bool = False
    backfill_limit_us: int = 30 * 86_400_000_000


SourceSettings: TypeAlias = ModbusSource | OpcUaSource


@dataclass(frozen=True, slots=True)
class Configuration:
    """A configuration that checks.  ``tags`` in the order of the tag lists."""

    path: Path
    store: StoreSettings
    scan_classes: Mapping[str, ScanClass]
    sources: Mapping[str, SourceSettings]
    tags: tuple[Tag, ...]
    future_limit_us: int = 600_000_000
    past_limit_us: int = 10 * 366 * 86_400_000_000
    compaction: CompactionSettings = CompactionSettings()
    retention: RetentionSettings = RetentionSettings()
    pki: Path = Path("pki")
    shadow: ShadowSettings = ShadowSettings()
    health: HealthSettings = HealthSettings()

    def groups(self) -> tuple[ScanGroup, ...]:
        """The scan groups, numbered from 0: sources in their order, and within a source the scan classes in theirs."""
        members: dict[tuple[str, str], list[Tag]] = {}
        for tag in self.tags:
            members.setdefault((tag.source, tag.scan_class), []).append(tag)
        keys = [(source, name) for source in self.sources for name in self.scan_classes if (source, name) in members]
        return tuple(
            ScanGroup(
                number,
                source,
                name,
                self.scan_classes[name].rate_us,
                self.scan_classes[name].phase_us,
                tuple(members[source, name]),
            )
            for number, (source, name) in enumerate(keys)
        )
