"""One session with a server: opened within a deadline, asked, and closed so that nothing of it is left.

asyncua's Client does the encoding.  Around it stands what it leaves to its user: one deadline for the whole of
connecting, failures as one kind of error, no tasks, sockets or log lines of its own after an end of any kind.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar, cast
from urllib.parse import urlsplit

from asyncua import ua
from asyncua.client.client import Client
from asyncua.client.ua_client import UaClientState
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import from_binary, struct_from_binary, struct_to_binary
from asyncua.ua.uaerrors import UaStatusCodeError
from cryptography.x509 import load_der_x509_certificate

from collectors.opcua.certificates import APPLICATION
from collectors.opcua.channel import (
    HISTORY,
    HISTORY_ANSWER,
    MONITOR,
    MONITOR_ANSWER,
    PUBLISH,
    PUBLISH_ANSWER,
    READ,
    READ_ANSWER,
    REPUBLISH,
    REPUBLISH_ANSWER,
    SUBSCRIBE,
    SUBSCRIBE_ANSWER,
    exchange,
)
from collectors.opcua.credentials import Credentials
from collectors.opcua.data_values import DataValues, Decoder, read_count
from collectors.opcua.failures import (
    CONNECT,
    TOO_LARGE,
    RequestRefusedError,
    describe,
    is_security_refusal,
    log,
    refused,
    unavailable,
)
from collectors.opcua.layout import LENGTH_BYTES
from collectors.opcua.notification import Notification, decode_message
from collectors.opcua.security import choose, secure
from historian.config.settings import OpcUaSource
from historian.errors import SourceUnavailableError
from historian.model.status import BAD_DECODING_ERROR, status_code

DEFAULT_PORT: Final = 4840
NODES_PER_READ: Final = 1_000
"""Most nodes of one read, also where the server takes more: 1,000 values decode in 0.1 ms, but in 10 ms where they are
of types that numpy cannot read, and for that long no other source's scan can start."""

NODES_PER_BROWSE: Final = 100
ITEMS_PER_CALL: Final = 1_000
NODES_PER_HISTORY: Final = 10
REFERENCES_PER_NODE: Final = 1_000

SESSION_TIMEOUT_MS: Final = 60_000
"""How long a server keeps the session of a collector that was killed; many devices have ten sessions in all."""

KEEP_ALIVE_S: Final = 5.0
"""How often asyncua asks for the server's state, which keeps the session of slow scans alive."""

GOODBYE_S: Final = 1.0
"""How long a server may take to close the session before we hang up."""

_GONE: Final = frozenset(map(status_code, ("BadMessageNotAvailable", "BadNotFound", "BadSequenceNumberUnknown")))
"""Answers to a message that is asked for again and is no more."""

_T = TypeVar("_T")


@dataclass(slots=True)
class OperationLimits:
    """Most nodes of one request: what the server publishes, what it was found to take, and our own limits.

    Published limits are those of OPC 10000-5, 6.3.11, where 0 is no limit.
    """

    published_read: int = 0
    published_browse: int = 0
    published_items: int = 0
    published_history: int = 0
    accepted_read: int = NODES_PER_READ
    accepted_browse: int = NODES_PER_BROWSE
    accepted_items: int = ITEMS_PER_CALL
    accepted_history: int = NODES_PER_HISTORY

    @property
    def nodes_per_read(self) -> int:
        """At least 1."""
        return min(self.accepted_read, self.published_read or self.accepted_read)

    @property
    def nodes_per_browse(self) -> int:
        """At least 1."""
        return min(self.accepted_browse, self.published_browse or self.accepted_browse)

    @property
    def items_per_call(self) -> int:
        """Monitored items to make at a time; at least 1."""
        return min(self.accepted_items, self.published_items or self.accepted_items)

    @property
    def nodes_per_history(self) -> int:
        """At least 1."""
        return min(self.accepted_history, self.published_history or self.accepted_history)

    def lower_history(self, nodes: int) -> None:
        """The server has refused the history of more than ``nodes``."""
        self.accepted_history = max(1, min(self.accepted_history, nodes))

    def lower_items(self, items: int) -> None:
        """The server has refused more than ``items``."""
        self.accepted_items = max(1, min(self.accepted_items, items))

    def lower_read(self, nodes: int) -> None:
        """The server has refused more than ``nodes``."""
        self.accepted_read = max(1, min(self.accepted_read, nodes))

    def lower_browse(self, nodes: int) -> None:
        """The server has refused more than ``nodes``."""
        self.accepted_browse = max(1, min(self.accepted_browse, nodes))


class Answer(Protocol):
    """A DataValue as the library decodes it: with neither Value nor StatusCode missing."""

    Value: ua.Variant
    StatusCode: ua.StatusCode


class Connection:
    """A session.  ``limits`` of its requests; ``namespaces``: its URIs, the index of each is its place."""

    def __init__(self, source: OpcUaSource, credentials: Credentials, limits: OperationLimits) -> None:
        quiet_asyncua()
        self._own = credentials.own
        self._password = credentials.password
        self.limits = limits
        self.namespaces: tuple[str, ...] = ()
        self._source = source
        self._client = _client(source, credentials)
        self._failed = False

    async def open(self) -> None:
        """Connect and activate the session.  Raises SourceUnavailableError; the caller sets the deadline."""
        try:
            if self._own is not None:
                await secure(self._client, self._source, self._own)
            await self._client.connect()
        except SourceUnavailableError:
            raise
        except Exception as error:
            # The boundary to the library: whatever it makes of a server's rubbish (AssertionError, KeyError,
            # struct.error ...), the source is not available.
            if not self._source.security.is_on and is_security_refusal(error):
                await self._compare_offers()
            raise unavailable(self._source, CONNECT, error) from error
        self._watch_renewal()
        self._warn_of_clear_password()

    async def _compare_offers(self) -> None:
        """Raise SourceUnavailableError with what the server offers, if it tells and that is not what is wanted."""
        try:
            endpoints = await self._client.connect_and_get_server_endpoints()
        except Exception as error:  # noqa: BLE001 - the boundary to the library; the first failure is told then
            log.debug("%s: the server does not tell its endpoints: %s", self._source.name, describe(error))
            return
        choose(self._source, endpoints)

    def _warn_of_clear_password(self) -> None:
        if self._source.user is None or self._source.security.is_on:
            return
        token = self._client.server_policy(ua.UserTokenType.UserName)
        if token.SecurityPolicyUri in (None, "", self._client.security_policy.URI):
            log.warning(
                "%s: the password of %r goes over the network in the clear; set security_policy",
                self._source.name, self._source.user,
            )  # fmt: skip

    async def resume(self) -> None:
        """Go on with the same session on a new connection, after the old one was lost.  Raises SourceUnavailableError.

        The server keeps session and subscriptions for a while (OPC 10000-4, 6.7); one that was restarted does not know
        them any more.  The caller sets the deadline.
        """
        client = self._client
        try:
            client.disconnect_socket()
            await client.connect_socket()
            await client.send_hello()
            await client.open_secure_channel()
            client.uaclient.session.rebind_authentication_token()
            await client.activate_session(
                username=self._source.user, password=self._password, certificate=client.user_certificate
            )
        except Exception as error:
            # The boundary to the library, as above.
            raise unavailable(self._source, CONNECT, error) from error
        self._failed = False

    async def read(self, parameters: bytes) -> list[Answer]:
        """One read of any attribute.  Raises RequestRefusedError or SourceUnavailableError."""
        return await self._ask(self._read(parameters))

    async def _read(self, parameters: bytes) -> list[Answer]:
        answer = await self._exchange(READ, parameters, READ_ANSWER)
        return cast("list[Answer]", from_binary(list[ua.DataValue], Buffer(answer)))

    async def read_values(self, parameters: bytes, decoder: Decoder) -> DataValues:
        """One read of values, in columns.  Raises as :meth:`read`."""
        return await self._ask(self._read_values(parameters, decoder))

    async def _read_values(self, parameters: bytes, decoder: Decoder) -> DataValues:
        answer = await self._exchange(READ, parameters, READ_ANSWER)
        values, _ = decoder.decode(answer, LENGTH_BYTES, read_count(answer, 0))
        return values

    async def _exchange(self, request: int, parameters: bytes, answer: int) -> bytes:
        return await exchange(self._client, request, parameters, answer, self._source.timeout_us / 1e6)

    async def browse(self, parameters: ua.BrowseParameters) -> list[ua.BrowseResult]:
        """One browse.  Raises as :meth:`read`."""
        return await self._ask(self._client.uaclient.session.browse(parameters))

    async def browse_next(self, points: Sequence[bytes]) -> list[ua.BrowseResult]:
        """More of browses that were not complete.  Raises as :meth:`read`."""
        parameters = ua.BrowseNextParameters(ReleaseContinuationPoints=False, ContinuationPoints=list(points))
        return await self._ask(self._client.uaclient.session.browse_next(parameters))

    async def history(self, parameters: ua.HistoryReadParameters) -> bytes:
        """A page of history, from behind the header of the answer on.  Raises as :meth:`read`."""
        return await self._ask(self._exchange(HISTORY, struct_to_binary(parameters), HISTORY_ANSWER))

    def decoded(self, decode: Callable[[], _T]) -> _T:
        """What ``decode`` makes of an answer; raises RequestRefusedError when it is none."""
        try:
            return decode()
        except Exception as error:
            # The boundary to a server's rubbish: UaError, IndexError, struct.error, ValueError ...
            raise RequestRefusedError(f"cannot decode an answer: {describe(error)}", BAD_DECODING_ERROR) from error

    async def subscribe(self, parameters: ua.CreateSubscriptionParameters) -> ua.CreateSubscriptionResult:
        """Make a subscription.  Raises as :meth:`read`.

        The library's own way would begin to publish by itself.
        """
        answer = await self._ask(self._exchange(SUBSCRIBE, struct_to_binary(parameters), SUBSCRIBE_ANSWER))
        return struct_from_binary(ua.CreateSubscriptionResult, Buffer(answer))

    async def unsubscribe(self, number: int) -> None:
        """Delete a subscription.  Raises as :meth:`read`."""
        await self._ask(self._client.uaclient.session.delete_subscriptions([number]))

    async def create_items(self, parameters: ua.CreateMonitoredItemsParameters) -> list[ua.MonitoredItemCreateResult]:
        """Make monitored items.  Raises as :meth:`read`."""
        # In threads: 1,000 items take 30 ms to encode, and other sources' scans are due meanwhile.
        encoded = await asyncio.to_thread(struct_to_binary, parameters)
        answer = await self._ask(self._exchange(MONITOR, encoded, MONITOR_ANSWER))
        kind: Any = list[ua.MonitoredItemCreateResult]
        return await asyncio.to_thread(from_binary, kind, Buffer(answer))

    async def publish(self, parameters: bytes) -> bytes:
        """Leave a publish request at the server until it has something to tell, which is the answer.

        Raises SourceUnavailableError, and UaStatusCodeError for what the server answers to the request itself.
        """
        try:
            return await exchange(self._client, PUBLISH, parameters, PUBLISH_ANSWER, None)
        except (UaStatusCodeError, asyncio.CancelledError):
            raise
        except Exception as error:
            # The boundary to the library, as above.
            self._failed = True
            raise unavailable(self._source, "read from", error) from error

    async def republish(self, subscription: int, sequence: int, decoder: Decoder) -> Notification | None:
        """A message once more; None when the server does not have it any more.  Raises SourceUnavailableError."""
        parameters = struct.pack("<II", subscription, sequence)
        try:
            answer = await self._exchange(REPUBLISH, parameters, REPUBLISH_ANSWER)
            message = decode_message(answer, 0, decoder)
        except UaStatusCodeError as error:
            if error.code in _GONE:
                return None
            raise unavailable(self._source, "read from", error) from error
        except Exception as error:
            # The boundary to the library, as above.
            self._failed = True
            raise unavailable(self._source, "read from", error) from error
        # Some servers answer with an empty message instead of a status.
        return message if message.sequence == sequence and not message.is_keep_alive else None

    async def _ask(self, request: Awaitable[_T]) -> _T:
        try:
            return await request
        except Exception as error:
            # The boundary to the library, which raises anything for an answer that it cannot decode.
            refusal = refused(error)
            if refusal is not None and self._client.state is UaClientState.CONNECTED:
                raise refusal from error
            self._failed = True
            if isinstance(error, UaStatusCodeError) and error.code in TOO_LARGE:
                self.limits.lower_read(self.limits.nodes_per_read // 2)
            raise unavailable(self._source, "read from", error) from error

    async def close(self) -> None:
        """Close the session if the server still answers, and the socket in any case.  Never raises."""
        in_order = False
        try:
            if not self._failed and self._client.state is UaClientState.CONNECTED:
                async with asyncio.timeout(GOODBYE_S):
                    await self._client.close_session()
                    await self._client.close_secure_channel()
                in_order = True
        except Exception as error:  # noqa: BLE001 - the last chance to be polite; nothing depends on it
            log.debug("%s: the session was not closed in order: %s", self._source.name, describe(error))
        finally:
            await self._hang_up(abort=not in_order)

    async def _hang_up(self, *, abort: bool) -> None:
        protocol = self._client.uaclient.protocol
        if abort and protocol is not None and protocol.transport is not None:
            # A server that hangs never takes what is still to be sent, and closing would wait for that.
            protocol.transport.abort()
        self._client.disconnect_socket()
        # Without a socket this sends nothing; it ends the library's tasks.
        await self._client.close_session()

    def _watch_renewal(self) -> None:
        """Take the exception with which the renewal of the channel ends when the connection is lost.

        The library leaves it in its task, and asyncio then prints it as never retrieved.
        """
        task = self._client._renew_channel_task  # noqa: SLF001 - there is no public way to it
        if task is not None:
            task.add_done_callback(lambda done: done.cancelled() or done.exception())


def _client(source: OpcUaSource, credentials: Credentials) -> Client:
    timeout_s = source.timeout_us / 1e6
    client = Client(_with_port(source.url), timeout=timeout_s, watchdog_intervall=max(KEEP_ALIVE_S, timeout_s))
    client.name = client.description = APPLICATION
    client.application_uri = f"urn:{socket.gethostname()}:{APPLICATION}"
    client.product_uri = f"urn:{APPLICATION}"
    client.session_timeout = SESSION_TIMEOUT_MS
    if source.user is not None:
        client.set_user(source.user)
        client.set_password(credentials.password or "")
    if credentials.user is not None:
        client.user_certificate = load_der_x509_certificate(credentials.user.certificate)
        client.user_private_key = credentials.user.private_key
    return client


def _with_port(url: str) -> str:
    parts = urlsplit(url)
    return url if parts.port is not None else parts._replace(netloc=f"{parts.netloc}:{DEFAULT_PORT}").geturl()


class _Forward(logging.Handler):
    """Passes asyncua's log on as details of ours."""

    def emit(self, record: logging.LogRecord) -> None:
        log.debug("%s: %s", record.name, record.getMessage(), exc_info=record.exc_info)


def quiet_asyncua() -> None:
    """Keep asyncua's warnings and tracebacks, all of things that we report ourselves, off the terminal.

    Its level also keeps passwords out of every log, for at DEBUG it writes whole requests.  An application that has
    given asyncua's logger a handler of its own is left alone.
    """
    logger = logging.getLogger("asyncua")
    if not logger.handlers:
        logger.setLevel(max(logger.level, logging.WARNING))
        logger.addHandler(_Forward())
        logger.propagate = False
