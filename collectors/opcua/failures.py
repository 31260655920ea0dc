"""What goes wrong on the way to a server, as the two errors the rest of the project knows.

Either the source as a whole is unavailable (:func:`unavailable`), or one request was refused for what is in it
(:class:`RequestRefusedError`), so that a smaller one may do.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import Final

from asyncua.ua.uaerrors import UaStatusCodeError

from historian.config.settings import OpcUaSource
from historian.errors import SourceProtocolError, SourceUnavailableError
from historian.model.status import (
    BAD_CONFIGURATION_ERROR,
    BAD_DECODING_ERROR,
    BAD_NO_COMMUNICATION,
    BAD_TIMEOUT,
    status_code,
    status_name,
)

CONNECT: Final = "connect to"
"""What was being done when a refusal means that the user is wrong; later it is about something else."""

log: Final = logging.getLogger("historian.collectors.opcua")

TOO_LARGE: Final = frozenset(
    status_code(name)
    for name in (
        "BadTooManyOperations",
        "BadRequestTooLarge",
        "BadResponseTooLarge",
        "BadEncodingLimitsExceeded",
        "BadTcpMessageTooLarge",
    )
)
"""Answers that mean: ask for less at a time."""

_FOR_ONE_NODE: Final = frozenset(
    status_code(name)
    for name in (
        "BadEncodingError",
        "BadDecodingError",
        "BadInternalError",
        "BadUnexpectedError",
        "BadNodeIdInvalid",
        "BadNodeIdUnknown",
    )
)
"""Answers with which sloppy servers refuse a whole request because of one of its nodes."""

_WRONG_USER: Final = frozenset(
    status_code(name)
    for name in (
        "BadUserAccessDenied",
        "BadIdentityTokenInvalid",
        "BadIdentityTokenRejected",
        "BadUserSignatureInvalid",
    )
)

_NOT_TRUSTED: Final = frozenset(
    status_code(name)
    for name in (
        "BadSecurityChecksFailed",
        "BadCertificateInvalid",
        "BadCertificateUntrusted",
        "BadCertificateUriInvalid",
        "BadCertificateTimeInvalid",
        "BadCertificateUseNotAllowed",
        "BadCertificateHostNameInvalid",
    )
)
"""Answers to our certificate."""

_NOT_SECURE_ENOUGH: Final = frozenset(
    status_code(name)
    for name in ("BadSecurityModeRejected", "BadSecurityPolicyRejected", "BadSecurityModeInsufficient")
)
"""Answers to a connection without security."""

_TIMED_OUT: Final = frozenset(map(status_code, ("BadTimeout", "BadRequestTimeout")))


_CHANNEL_REFUSED: Final = (ConnectionError, AssertionError)
"""What a refused secure channel looks like here: some servers hang up, and for a fault in place of the channel the
library's own assertion fails."""


class RequestRefusedError(SourceProtocolError):
    """The server refused one request as a whole, or its answer cannot be decoded; with fewer nodes it may do.

    ``status`` says why; ``is_too_large`` is True when no request of this size will do.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status
        self.is_too_large = status in TOO_LARGE


def refused(error: Exception) -> RequestRefusedError | None:
    """The refusal that ``error``, raised by a request, is; None when it is the connection that failed."""
    match error:
        case UaStatusCodeError() if error.code in TOO_LARGE or error.code in _FOR_ONE_NODE:
            return RequestRefusedError(f"the server refused a request: {status_name(error.code)}", error.code)
        case UaStatusCodeError() | OSError() | asyncio.TimeoutError():
            return None
        case _:
            return RequestRefusedError(f"cannot decode an answer: {describe(error)}", BAD_DECODING_ERROR)


def is_security_refusal(error: BaseException) -> bool:
    """Whether a server may have refused to connect because it wants another security than it was asked for."""
    return (
        isinstance(error, AssertionError)
        or getattr(error, "code", None) in _NOT_SECURE_ENOUGH
        or "No matching endpoints" in str(error)
    )


def unavailable(source: OpcUaSource, doing: str, error: BaseException) -> SourceUnavailableError:
    """``error`` as one for the person at the keyboard: what could not be done, why, and the remedy."""
    code = error.code if isinstance(error, UaStatusCodeError) else None
    if doing == CONNECT and code in _WRONG_USER:
        reason, status = _wrong_user(source, code), BAD_CONFIGURATION_ERROR
    elif doing == CONNECT and source.security.is_on and (code in _NOT_TRUSTED or isinstance(error, _CHANNEL_REFUSED)):
        reason, status = _not_trusted(source, error), BAD_CONFIGURATION_ERROR
    else:
        reason, status = _reason(source, error)
    return SourceUnavailableError(f"cannot {doing} source {source.name!r} at {source.url}: {reason}", status)


def _reason(source: OpcUaSource, error: BaseException) -> tuple[str, int]:
    # TimeoutError is an OSError too, so it goes first.
    match error:
        case TimeoutError():
            limit_s = source.timeout_us / 1e6
            return f"no answer within {limit_s:g} s; is the server busy, or its timeout too short?", BAD_TIMEOUT
        case UaStatusCodeError() if error.code is not None:
            status = BAD_TIMEOUT if error.code in _TIMED_OUT else BAD_NO_COMMUNICATION
            return f"the server answered {status_name(error.code)}", status
        case OSError():
            return _network_reason(error), BAD_NO_COMMUNICATION
        case _:
            return f"this is not how an OPC UA server answers: {describe(error)}", BAD_NO_COMMUNICATION


def _network_reason(error: OSError) -> str:
    match error:
        case ConnectionRefusedError():
            return "connection refused; does the server run, and is the port right?"
        case socket.gaierror():
            return f"the host is not known ({error.strerror}); is its name right?"
        case ConnectionError():
            return "the server has closed the connection, or the network has lost it"
        case _:
            return describe(error)


def _wrong_user(source: OpcUaSource, code: int) -> str:
    who = "without a user" if source.user is None else f"as user {source.user!r}"
    remedy = "set user and password_env" if source.user is None else "check user and password"
    return f"the server does not let us in {who} ({status_name(code)}); {remedy}"


def _not_trusted(source: OpcUaSource, error: BaseException) -> str:
    """The endpoints were told, so the server is there; many close the connection on a certificate they do not trust."""
    code = error.code if isinstance(error, UaStatusCodeError) else None
    if code is not None:
        said = f"it answered {status_name(code)}"
    else:
        said = "it has closed the connection" if isinstance(error, ConnectionError) else "it refuses a secure channel"
    own = source.security.certificate or source.security.folder / "own"
    return f"the server does not take our certificate: {said}; its administrator has to trust the one in {own}"


def describe(error: BaseException) -> str:
    """The error's text with its type, for libraries raise errors without any text."""
    text = str(error).strip()
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
