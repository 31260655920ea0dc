"""From an endpoint to an open transport of asyncio: TCP, TLS, UDP or a serial line.

Below :mod:`collectors.modbus.link`, which is the protocol that the transport serves.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from pathlib import Path
from typing import Any, Final, TypeAlias

from historian.config.settings import ModbusTls, NetworkEndpoint, SerialEndpoint

Endpoint: TypeAlias = NetworkEndpoint | SerialEndpoint

TLS_REASONS: Final = {
    "KEY_VALUES_MISMATCH": "private_key is not the key of certificate",
    "NO_CERTIFICATE_OR_CRL_FOUND": "trusted_certificates has no certificate in PEM",
    "SSLV3_ALERT_BAD_CERTIFICATE": "it does not accept our certificate",
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "it breaks TLS off, maybe for want of our certificate",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "it wants a certificate of ours",
    "TLSV1_ALERT_UNKNOWN_CA": "it does not trust our certificate",
    "WRONG_VERSION_NUMBER": "what answers there does not speak TLS",
}
"""OpenSSL's reasons in words, those that people meet."""


class AnyProtocol(asyncio.Protocol, asyncio.DatagramProtocol):
    """A protocol that takes a stream as well as datagrams."""


async def open_transport(endpoint: Endpoint, tls: ModbusTls | None, protocol: AnyProtocol) -> asyncio.BaseTransport:
    """Connect ``protocol``.  Raises OSError (ssl.SSLError is one) and UnicodeError for a host that is no name."""
    loop = asyncio.get_running_loop()
    if isinstance(endpoint, SerialEndpoint):
        return await _open_serial(endpoint, protocol)
    host, port = endpoint.host, endpoint.port
    if endpoint.transport == "udp":
        transport, _ = await loop.create_datagram_endpoint(lambda: protocol, remote_addr=(host, port))
        return transport
    if endpoint.transport == "tls":
        tls = tls or ModbusTls()
        context = await asyncio.to_thread(tls_context, tls)
        name = tls.server_name or host
        stream, _ = await loop.create_connection(lambda: protocol, host, port, ssl=context, server_hostname=name)
        return stream
    stream, _ = await loop.create_connection(lambda: protocol, host, port)
    return stream


async def _open_serial(endpoint: SerialEndpoint, protocol: AnyProtocol) -> asyncio.BaseTransport:
    # Imported here: pyserial is of no use to a plant without serial lines.
    from collectors.modbus.serial_line import SerialTransport, open_port  # noqa: PLC0415 - as above

    # In a thread: a driver of a USB adapter that was just plugged in may take its time.
    opening = asyncio.create_task(asyncio.to_thread(open_port, endpoint))
    try:
        port = await asyncio.shield(opening)
    except asyncio.CancelledError:
        # The thread cannot be stopped; what it opens must not stay locked.
        opening.add_done_callback(_close_port)
        raise
    return SerialTransport(port, protocol)


def _close_port(opening: asyncio.Task[Any]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()


def tls_context(tls: ModbusTls) -> ssl.SSLContext:
    """What we show and what we want to see: TLS 1.2 or later, and the device's certificate signed by whom we trust.

    Raises OSError when a file cannot be read or is none of certificates or keys.
    """
    for path in (tls.trusted_certificates, tls.certificate, tls.private_key):
        if path is not None:
            path.open("rb").close()  # ssl does not say which file is missing
    context = ssl.create_default_context(cafile=tls.trusted_certificates)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if tls.certificate is not None:
        # Given also where there is none: else a person would be asked for it, who is not there.
        context.load_cert_chain(tls.certificate, tls.private_key, private_key_password(tls))
    return context


def private_key_password(tls: ModbusTls) -> str:
    """The password of the private key, from where the configuration says; empty when it says nothing.

    Raises OSError when it is not there.
    """
    variable = tls.private_key_password_env
    if variable is not None:
        if variable not in os.environ:
            raise OSError(f"the environment variable {variable} (private_key_password_env) is not set")
        return os.environ[variable]
    if tls.private_key_password_file is not None:
        return _first_line(tls.private_key_password_file)
    return ""


def _first_line(path: Path) -> str:
    lines = path.read_text(encoding="utf-8").splitlines()
    return lines[0] if lines else ""


def reason_of(error: OSError | UnicodeError) -> str:
    """Why connecting failed, in words; asyncio's own text only repeats the address."""
    match error:
        case ssl.SSLCertVerificationError():
            reason = f"its certificate is not trusted ({error.verify_message})"
        case ssl.SSLError():
            reason = TLS_REASONS.get(error.reason or "", f"TLS could not be agreed on ({error.reason or error})")
        case ConnectionRefusedError():
            reason = "the connection was refused"
        case socket.gaierror():
            reason = f"the host name cannot be resolved ({error.strerror})"
        case UnicodeError():
            reason = "the host name is not one"
        case _:
            text = os.strerror(error.errno) if error.errno else str(error) or type(error).__name__
            reason = f"{text} ({error.filename})" if error.filename else text
    return reason
