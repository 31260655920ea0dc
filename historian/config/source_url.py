"""Where an OPC UA server is, ``opc.tcp://host:port/path``; and what URLs of all protocols have in common."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import SplitResult, urlsplit

from historian.config.nearest import shown
from historian.errors import UnusableValueError

OPCUA_WANTED: Final = "opc.tcp://host:port/path"
OPCUA_PORT: Final = 4840

_HOST: Final = re.compile(r"[A-Za-z0-9._:%-]+", re.ASCII)


def parse_opcua_url(url: str) -> str:
    """The URL itself, with port 4840 when it is left out.  Raises UnusableValueError when it is none of OPC UA."""
    if url.lower().startswith(("opc.https://", "opc.wss://", "https://", "http://")):
        raise UnusableValueError(shown(url), f"{OPCUA_WANTED}; other transports are not supported by this version")
    parts = split_network_url(url, "opc.tcp", OPCUA_WANTED)
    if parts.port is not None:
        return url
    return url.replace(parts.netloc, f"{parts.netloc}:{OPCUA_PORT}", 1)


def split_network_url(url: str, scheme: str, wanted: str) -> SplitResult:
    """The parts of ``url``; the text of a message never repeats what stands before an ``@``."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise UnusableValueError(safe_url(url), wanted, "a port is a number from 1 to 65535") from error
    if "@" in parts.netloc:
        raise UnusableValueError(safe_url(url), f"{wanted} without a user or password", "they have keys of their own")
    host = parts.hostname or ""
    if parts.scheme != scheme or not _HOST.fullmatch(host) or port == 0 or not url.isprintable():
        raise UnusableValueError(safe_url(url), wanted, url_hint(url, scheme))
    return parts


def safe_url(url: str) -> str:
    """The URL for a message, without a user or password in it."""
    return shown(re.sub(r"//[^/]*@", "//...@", url))


def url_hint(url: str, scheme: str) -> str:
    """What was probably meant by a URL that is none of ``scheme``."""
    if "://" not in url and re.fullmatch(r"[A-Za-z0-9.-]+(:\d+)?(/.*)?", url):
        return f"did you mean '{scheme}://{url}'?"
    if url.startswith(("modbus://", "modbus+tcp://", "modbus.tcp://", "opc://", "opctcp://")):
        return f"did you mean '{scheme}://{url.partition('://')[2]}'?"
    return ""
