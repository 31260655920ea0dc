"""What a publish answer brings: the bytes of PublishResponse to columns (OPC 10000-4, 5.14.5)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

import numpy as np
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.ua_binary import nodeid_from_binary
from numpy.typing import NDArray

from collectors.opcua.data_values import DataValues, Decoder, column, read_count
from collectors.opcua.layout import LENGTH_BYTES
from historian.model.samples import IndexArray

DATA_CHANGE: Final = ObjectIds.DataChangeNotification_Encoding_DefaultBinary
STATUS_CHANGE: Final = ObjectIds.StatusChangeNotification_Encoding_DefaultBinary

_HANDLE_BYTES: Final = 4


@dataclass(frozen=True, slots=True)
class Changes:
    """Values that items have reported: ``handle`` intp[m] is our number of the item, whose values are in order."""

    handle: IndexArray
    values: DataValues


@dataclass(frozen=True, slots=True)
class Notification:
    """One message.  A keep-alive has no ``changes`` and the ``sequence`` number that the next message will have.

    ``available`` are the messages that the server still has; ``status`` is why the subscription ended, if it did.
    """

    subscription: int
    sequence: int
    available: tuple[int, ...] = ()
    changes: tuple[Changes, ...] = ()
    status: int | None = None
    is_keep_alive: bool = False


def decode_publish(body: bytes, decoder: Decoder) -> Notification:
    """The notification in a publish answer, from behind its header on.

    Raises what the library raises for bytes that are none: UaError, IndexError, struct.error and others.
    """
    subscription, count = struct.unpack_from("<Ii", body)
    available = struct.unpack_from(f"<{max(0, count)}I", body, 8)
    more_at = 8 + 4 * len(available)
    message = decode_message(body, more_at + 1, decoder)
    return Notification(
        subscription, message.sequence, available, message.changes, message.status, message.is_keep_alive
    )  # fmt: skip


def decode_message(body: bytes, place: int, decoder: Decoder) -> Notification:
    """A NotificationMessage that begins at ``place``; its subscription is not in it and is 0."""
    (sequence,) = struct.unpack_from("<I", body, place)
    buffer = Buffer(body, place + 4 + 8)  # behind the time of publishing
    parts = max(0, struct.unpack("<i", buffer.read(4))[0])
    changes, status = [], None
    for _ in range(parts):
        kind = nodeid_from_binary(buffer)
        if not buffer.read(1)[0]:
            continue  # without a body
        (length,) = struct.unpack("<i", buffer.read(4))
        begin = buffer.cur_pos
        if kind == ua.FourByteNodeId(ua.Int32(DATA_CHANGE)):
            changes.append(_changes(body, begin, decoder))
        elif kind == ua.FourByteNodeId(ua.Int32(STATUS_CHANGE)):
            (status,) = struct.unpack_from("<I", body, begin)
        buffer.skip(length)
    return Notification(0, sequence, (), tuple(changes), status, parts == 0)


def _changes(body: bytes, place: int, decoder: Decoder) -> Changes:
    start = place + LENGTH_BYTES
    values, layout = decoder.decode(body, start, read_count(body, place), lead=_HANDLE_BYTES)
    handles: NDArray[np.uint32] = column(body, "<u4", start + layout.at - _HANDLE_BYTES)
    return Changes(handles.astype(np.intp), values)
