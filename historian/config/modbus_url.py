"""Where a Modbus device is: ``tcp://host:502``, ``rtu:///dev/ttyUSB0?baudrate=9600`` and the other ways there.

The scheme names framing and transport: ``tcp``, ``udp`` and ``tls`` carry Modbus TCP, ``rtu`` and ``ascii`` are serial
lines, ``rtu+tcp`` and ``ascii+tcp`` what device servers make of such a line.
"""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import SplitResult, parse_qsl, urlsplit

from historian.config.nearest import did_you_mean, one_of, shown
from historian.config.settings import ModbusFraming, NetworkEndpoint, NetworkTransport, SerialEndpoint
from historian.config.source_url import safe_url, split_network_url, url_hint
from historian.errors import UnusableValueError

PORT: Final = 502
TLS_PORT: Final = 802

NETWORK: Final[dict[str, tuple[NetworkTransport, ModbusFraming, int]]] = {
    "tcp": ("tcp", "tcp", PORT),
    "rtu+tcp": ("tcp", "rtu", PORT),
    "ascii+tcp": ("tcp", "ascii", PORT),
    "udp": ("udp", "tcp", PORT),
    "tls": ("tls", "tcp", TLS_PORT),
}
"""Transport, framing and usual port by scheme (802: Modbus/TCP Security, 8.1)."""

SERIAL: Final[dict[str, ModbusFraming]] = {"rtu": "rtu", "ascii": "ascii"}

WANTED: Final = "tcp://host:port, rtu+tcp://, ascii+tcp://, udp:// or tls://, or rtu:///dev/ttyUSB0 or ascii://"

_PARITIES: Final = {"n": "none", "none": "none", "e": "even", "even": "even", "o": "odd", "odd": "odd"}
_CHOICES: Final[dict[str, dict[str, Any]]] = {
    "parity": _PARITIES,
    "stopbits": {"1": 1, "2": 2},
    "bytesize": {"7": 7, "8": 8},
}
_WANTED_CHOICES: Final = {"parity": "none, even or odd", "stopbits": "1 or 2", "bytesize": "7 or 8"}
MOST_BAUD: Final = 4_000_000


def parse_modbus_url(url: str) -> NetworkEndpoint | SerialEndpoint:
    """The endpoint; ports and serial settings that are left out are the usual ones.

    Raises UnusableValueError for anything else.
    """
    scheme = url.partition("://")[0].lower() if "://" in url else ""
    if scheme in SERIAL:
        return _serial(url, SERIAL[scheme])
    if scheme in NETWORK:
        return _network(url, scheme)
    hint = _serial_hint(url) or url_hint(url, "tcp") or (did_you_mean(scheme, [*NETWORK, *SERIAL]) if scheme else "")
    raise UnusableValueError(safe_url(url), WANTED, hint)


def _serial_hint(url: str) -> str:
    """``rtu:/dev/ttyUSB0``, ``/dev/ttyUSB0`` and ``COM3`` are nearly right."""
    match = re.fullmatch(r"(?:(rtu|ascii):/?)?(/dev/.+|COM\d+.*)", url, re.ASCII | re.IGNORECASE)
    return f"did you mean '{(match[1] or 'rtu').lower()}://{match[2]}'?" if match else ""


def _network(url: str, scheme: str) -> NetworkEndpoint:
    transport, framing, port = NETWORK[scheme]
    wanted = f"{scheme}://host:port"
    parts = split_network_url(url, scheme, wanted)
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise UnusableValueError(shown(url), wanted, "nothing after the port; the unit has a key of its own: unit")
    return NetworkEndpoint(str(parts.hostname), port if parts.port is None else parts.port, transport, framing)


def _serial(url: str, framing: ModbusFraming) -> SerialEndpoint:
    """``rtu:///dev/ttyUSB0?...``, on Windows ``rtu://COM3?...``."""
    wanted = f"{framing}:///dev/ttyUSB0?baudrate=19200&parity=even, on Windows {framing}://COM3"
    parts = _split_serial(url, wanted)
    # The defaults are the specification's (Modbus over Serial Line 1.02, 2.5): seven bits are for ASCII alone.
    settings: dict[str, Any] = {"bytesize": 8 if framing == "rtu" else 7}
    for key, text in parse_qsl(parts.query, keep_blank_values=True):
        settings[key] = _setting(key, text)
    if framing == "rtu" and settings["bytesize"] != 8:
        raise UnusableValueError("bytesize=7", "8 for RTU, whose frames are of whole bytes")
    return SerialEndpoint(parts.netloc + parts.path, framing, **settings)


def _split_serial(url: str, wanted: str) -> SplitResult:
    parts = urlsplit(url)
    device = parts.netloc + parts.path
    if not device.strip("/") or parts.fragment or "@" in device or not url.isprintable() or " " in url:
        raise UnusableValueError(safe_url(url), wanted)
    if parts.netloc and (parts.path or ":" in parts.netloc):
        scheme = f"{parts.scheme}+tcp"
        raise UnusableValueError(safe_url(url), wanted, f"three slashes before a path, or {scheme}:// for a host")
    return parts


def _setting(key: str, text: str) -> object:
    known = ["baudrate", *_CHOICES]
    if key not in known:
        raise UnusableValueError(shown(f"{key}={text}"), one_of(known), did_you_mean(key, known))
    if key == "baudrate":
        if not text.isascii() or not text.isdigit() or not 50 <= int(text[:9]) <= MOST_BAUD:
            raise UnusableValueError(shown(f"{key}={text}"), f"a baud rate from 50 to {MOST_BAUD}, such as 9600")
        return int(text)
    if text.lower() not in _CHOICES[key]:
        raise UnusableValueError(shown(f"{key}={text}"), _WANTED_CHOICES[key])
    return _CHOICES[key][text.lower()]
