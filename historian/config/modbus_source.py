"""From a section ``[sources.NAME]`` of a Modbus device to its settings, and what in it does not go together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from historian.config import schema
from historian.config.modbus_url import parse_modbus_url
from historian.config.settings import ModbusSource, ModbusTls, NetworkEndpoint, SerialEndpoint, SourceSettings
from historian.errors import UnusableValueError

TLS_KEYS: Final = (
    "trusted_certificates", "server_name", "certificate", "private_key", "private_key_password_env",
    "private_key_password_file",
)  # fmt: skip
"""The keys that only a TLS connection has a use for."""


class KeyFault(NamedTuple):
    """A fault of one key of the section."""

    key: str
    got: str
    wanted: str


def modbus_source(name: str, section: schema.ModbusSection, folder: Path) -> ModbusSource:
    """The settings; paths are relative to ``folder``."""
    endpoint = parse_modbus_url(section.url)
    return ModbusSource(
        name, section.url, endpoint, section.unit, section.timeout,
        section.max_registers, section.max_bits, section.max_gap, section.one_by_one, section.byte_order,
        section.in_flight, section.connect_pause, section.request_pause,
        _tls(section, folder) if _is_tls(endpoint) else None,
    )  # fmt: skip


def _tls(section: schema.ModbusSection, folder: Path) -> ModbusTls:
    def beside(path: str | None) -> Path | None:
        return None if path is None else folder / path

    return ModbusTls(
        beside(section.trusted_certificates), section.server_name, beside(section.certificate),
        beside(section.private_key), section.private_key_password_env, beside(section.private_key_password_file),
    )  # fmt: skip


def other_lines(sources: Iterable[SourceSettings]) -> Iterator[tuple[str, str]]:
    """Sources that see a serial port otherwise than an earlier one does, and what was wanted of each."""
    first: dict[str, ModbusSource] = {}
    for source in sources:
        if isinstance(source, ModbusSource) and isinstance(source.endpoint, SerialEndpoint):
            known = first.setdefault(source.endpoint.device, source)
            if known.endpoint != source.endpoint:
                yield source.name, f"the settings that sources.{known.name} has for this port: {known.url}"


def modbus_faults(value: Mapping[str, Any]) -> Iterator[KeyFault]:
    """Keys of a section that are right each, and not together."""
    try:
        endpoint = parse_modbus_url(str(value.get("url")))
    except UnusableValueError:
        return  # told elsewhere, and nothing is known of what goes with it
    if _is_tls(endpoint):
        yield from _key_faults(value)
    else:
        wanted = "a URL that begins with tls://, or no such key"
        yield from (KeyFault(key, "a setting of TLS", wanted) for key in TLS_KEYS if key in value)
    is_numbered = isinstance(endpoint, NetworkEndpoint) and endpoint.framing == "tcp"
    if not is_numbered and value.get("in_flight", 1) != 1:
        yield KeyFault("in_flight", str(value["in_flight"]), "1: answers on a serial line do not say what they answer")


def _key_faults(value: Mapping[str, Any]) -> Iterator[KeyFault]:
    """A private key belongs to a certificate, and its password comes from one place."""
    ways = [way for way in ("private_key_password_env", "private_key_password_file") if way in value]
    if len(ways) == 2:
        yield KeyFault(ways[1], "a second place of the password", f"{ways[0]} or {ways[1]}, not both")
    useless = [key for key in ("private_key", *ways) if key in value]
    if useless and "certificate" not in value:
        yield KeyFault("certificate", "nothing", f"a path in quotes: {useless[0]} is of no use without it")


def _is_tls(endpoint: NetworkEndpoint | SerialEndpoint) -> bool:
    return isinstance(endpoint, NetworkEndpoint) and endpoint.transport == "tls"
