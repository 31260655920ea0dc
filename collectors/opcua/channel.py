"""Requests that are encoded already, over the secure channel of asyncua's client; answers as bytes.

The library encodes and decodes value by value, which costs 11 us a value.  Its channel, which cuts, signs and encrypts,
matches answers to requests and renews its keys, is used as it is; for encoded requests it has no public door.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from asyncua import ua
from asyncua.client.client import Client
from asyncua.common.utils import Buffer
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.ua_binary import nodeid_from_binary, nodeid_to_binary, struct_from_binary, struct_to_binary
from asyncua.ua.uaerrors import UaError

READ: Final = ObjectIds.ReadRequest_Encoding_DefaultBinary
READ_ANSWER: Final = ObjectIds.ReadResponse_Encoding_DefaultBinary
HISTORY: Final = ObjectIds.HistoryReadRequest_Encoding_DefaultBinary
HISTORY_ANSWER: Final = ObjectIds.HistoryReadResponse_Encoding_DefaultBinary
SUBSCRIBE: Final = ObjectIds.CreateSubscriptionRequest_Encoding_DefaultBinary
SUBSCRIBE_ANSWER: Final = ObjectIds.CreateSubscriptionResponse_Encoding_DefaultBinary
MONITOR: Final = ObjectIds.CreateMonitoredItemsRequest_Encoding_DefaultBinary
MONITOR_ANSWER: Final = ObjectIds.CreateMonitoredItemsResponse_Encoding_DefaultBinary
PUBLISH: Final = ObjectIds.PublishRequest_Encoding_DefaultBinary
PUBLISH_ANSWER: Final = ObjectIds.PublishResponse_Encoding_DefaultBinary
REPUBLISH: Final = ObjectIds.RepublishRequest_Encoding_DefaultBinary
REPUBLISH_ANSWER: Final = ObjectIds.RepublishResponse_Encoding_DefaultBinary


async def exchange(client: Client, request: int, parameters: bytes, answer: int, timeout_s: float | None) -> bytes:
    """Send ``parameters`` as the request of this type; what the answer tells, from behind its header on.

    ``request`` and ``answer`` are the numbers of the types' binary encodings; without ``timeout_s`` the answer may take
    as long as it likes.  Raises ConnectionError, TimeoutError, UaStatusCodeError for what the server refuses, UaError
    for an answer of another type.
    """
    protocol: Any = client.uaclient.protocol  # Any: none of what follows is annotated
    if protocol is None or protocol.transport is None:
        raise ConnectionError("connection is not open")
    header = ua.RequestHeader()
    protocol._setup_request_header(header, timeout_s or 0)
    body = nodeid_to_binary(ua.FourByteNodeId(ua.Int32(request))) + struct_to_binary(header) + parameters
    async with asyncio.timeout(timeout_s):
        data: Buffer = await _send(protocol, body)
    protocol.check_answer(data, "")
    _require_type(data, answer)
    struct_from_binary(ua.ResponseHeader, data).ServiceResult.check()
    return bytes(data)


def _send(protocol: Any, body: bytes) -> asyncio.Future[Buffer]:  # noqa: ANN401 - see above
    number = protocol._request_id + 1
    protocol.revolve_security_token()
    message = protocol._connection.message_to_binary(body, request_id=number)
    protocol._request_id = number
    future: asyncio.Future[Buffer] = asyncio.get_running_loop().create_future()
    protocol._callbackmap[number] = future
    protocol.transport.write(message)
    return future


def _require_type(data: Buffer, wanted: int) -> None:
    found = nodeid_from_binary(data)
    if found != ua.FourByteNodeId(ua.Int32(wanted)):
        raise UaError(f"got an answer of type {found.to_string()}, wanted i={wanted}")
