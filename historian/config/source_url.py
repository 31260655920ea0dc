"""Where a source is: ``tcp://host:port`` of a Modbus device, ``opc.tcp://host:port/path`` of an OPC UA server."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import SplitResult, urlsplit

from historian.config.nearest import shown
from historian.errors import UnusableValueError

MODBUS_WANTED: Final = "tcp://host:port"
OPCUA_WANTED: Final = "opc.tcp://host:port/path"
MODBUS_PORT: Final = 502
OPCUA_PORT: Final = 4840

_LATER_TRANSPORTS: Final = ("rtu", "rtu+tcp", "ascii", "ascii+tcp", "tls", "udp")
_HOST: Final = re.compile(r"[A-Za-z0-9._:%-]+", re.ASCII)


def parse_modbus_url(url: str) -> tuple[str, int]:
    """Host and port of a Modbus TCP device; port 502 when it is left out.

    Raises UnusableValueError for anything else, by name for the transports that are known but not supported.
    """
    scheme = url.partition("://")[0].lower()
    if "://" in url and scheme in _LATER_TRANSPORTS:
        raise UnusableValueError(shown(url), f"{MODBUS_WANTED}; other transports are not supported by this version")
    parts = _split(url, "tcp", MODBUS_WANTED)
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise UnusableValueError(
            shown(url), MODBUS_WANTED, "nothing after the port; the unit has a key of its own: unit"
        )
    return str(parts.hostname), MODBUS_PORT if parts.port is None else parts.port


def parse_opcua_url(url: str) -> str:
    """The URL itself, with port 4840 when it is left out.  Raises UnusableValueError when it is none of OPC UA."""
    if url.lower().startswith(("opc.https://", "opc.wss://", "https://", "http://")):
        raise UnusableValueError(shown(url), f"{OPCUA_WANTED}; other transports are not supported by this version")
    parts = _split(url, "opc.tcp", OPCUA_WANTED)
    if parts.port is not None:
        return url
    return url.replace(parts.netloc, f"{parts.netloc}:{OPCUA_PORT}", 1)


def _split(url: str, scheme: str, wanted: str) -> SplitResult:
    """The parts of ``url``; the text of a message never repeats what stands before an ``@``."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise UnusableValueError(_safe(url), wanted, "a port is a number from 1 to 65535") from error
    if "@" in parts.netloc:
        raise UnusableValueError(_safe(url), f"{wanted} without a user or password", "they have keys of their own")
    host = parts.hostname or ""
    if parts.scheme != scheme or not _HOST.fullmatch(host) or port == 0 or not url.isprintable():
        raise UnusableValueError(_safe(url), wanted, _hint(url, scheme))
    return parts


def _safe(url: str) -> str:
    return shown(re.sub(r"//[^/]*@", "//...@", url))


def _hint(url: str, scheme: str) -> str:
    if "://" not in url and re.fullmatch(r"[A-Za-z0-9.-]+(:\d+)?(/.*)?", url):
        return f"did you mean '{scheme}://{url}'?"
    if url.startswith(("modbus://", "modbus+tcp://", "modbus.tcp://", "opc://", "opctcp://")):
        return f"did you mean '{scheme}://{url.partition('://')[2]}'?"
    return ""
