"""Reads, cut to what the server takes and cut again where one node spoils the answer for its neighbours.

The nodes of a :class:`Batch` are encoded once and sent at every scan.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Awaitable, Callable, Sequence, Sized
from dataclasses import dataclass, field
from typing import Final, TypeVar

import numpy as np
from asyncua import ua
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.ua_binary import struct_to_binary

from collectors.opcua.connection import Answer, Connection
from collectors.opcua.data_values import DataValues, Decoder
from collectors.opcua.failures import RequestRefusedError, log
from historian.errors import SourceProtocolError
from historian.model.samples import IndexArray
from historian.model.status import status_name

FRESH: Final = 0.0
"""MaxAge: the server reads its device, instead of telling what it last knew (OPC 10000-4, 5.11.2.2)."""

_AnswerT = TypeVar("_AnswerT", bound=Sized)


@dataclass(frozen=True, slots=True)
class Batch:
    """One read.  ``lanes`` intp[n]: the lane of each of its n nodes; ``nodes``: these, each as it is encoded.

    ``decoder`` remembers the form of the last answer.
    """

    lanes: IndexArray
    nodes: tuple[bytes, ...]
    timestamps: ua.TimestampsToReturn
    decoder: Decoder = field(default_factory=Decoder, compare=False)

    def __len__(self) -> int:
        return len(self.lanes)

    @property
    def parameters(self) -> bytes:
        """ReadParameters (OPC 10000-4, 5.11.2.2) as they are encoded."""
        return struct.pack("<dii", FRESH, self.timestamps.value, len(self.nodes)) + b"".join(self.nodes)

    def cut(self, size: int) -> list[Batch]:
        """The same nodes in reads of at most ``size``."""
        return [
            Batch(self.lanes[start : start + size], self.nodes[start : start + size], self.timestamps)
            for start in range(0, len(self), size)
        ]


def batch_of(
    lanes: Sequence[int], nodes: Sequence[ua.NodeId], attribute: AttributeIds, timestamps: ua.TimestampsToReturn
) -> Batch:
    """One read of all ``nodes``, not yet cut."""
    encoded = tuple(struct_to_binary(ua.ReadValueId(node, attribute)) for node in nodes)
    return Batch(np.asarray(lanes, np.intp), encoded, timestamps)


def standard_node(identifier: int) -> ua.NodeId:
    """A node of the standard's own namespace."""
    return ua.NodeId(ua.Int32(identifier))


async def read_values(
    connection: Connection, batches: Sequence[Batch], take: Callable[[Batch, DataValues], None]
) -> list[Batch]:
    """Read the Value attribute of all ``batches`` and give each with its values to ``take``.

    Returns them as they were sent in the end, which is how to send them the next time.  Raises
    SourceUnavailableError; SourceProtocolError when an answer has another number of values than its request had nodes.
    """

    async def ask(batch: Batch) -> DataValues:
        return await connection.read_values(batch.parameters, batch.decoder)

    return await _read(connection, batches, ask, DataValues.refusal, take)


async def _read(
    connection: Connection,
    batches: Sequence[Batch],
    ask: Callable[[Batch], Awaitable[_AnswerT]],
    refused: Callable[[int], _AnswerT],
    take: Callable[[Batch, _AnswerT], None],
) -> list[Batch]:
    """Read all ``batches`` one after the other.

    A refused request is cut in two until it is accepted or its one node is the culprit; that node's answer is then what
    ``refused`` makes of the reason.
    """
    waiting, sent = deque(batches), []
    while waiting:
        batch = waiting.popleft()
        limit = connection.limits.nodes_per_read
        if len(batch) > limit:
            waiting.extendleft(reversed(batch.cut(limit)))
            continue
        try:
            values = await ask(batch)
        except RequestRefusedError as refusal:
            if len(batch) > 1:
                half = (len(batch) + 1) // 2
                if refusal.is_too_large:
                    connection.limits.lower_read(half)
                waiting.extendleft(reversed(batch.cut(half)))
                continue
            values = refused(refusal.status)
            log.debug("lane %d: %s", batch.lanes[0], status_name(refusal.status))
        _check_count(batch, values)
        take(batch, values)
        sent.append(batch)
    return sent


def _check_count(batch: Batch, values: Sized) -> None:
    if len(values) != len(batch):
        raise SourceProtocolError(f"cannot use the answer to a read: got {len(values)} values for {len(batch)} nodes")


async def read_attribute(connection: Connection, nodes: Sequence[ua.NodeId], attribute: AttributeIds) -> list[Answer]:
    """One attribute of each node, without times.  Raises as :func:`read_values`."""
    found: dict[int, Answer] = {}

    def take(batch: Batch, values: Sequence[Answer]) -> None:
        found.update(zip(batch.lanes.tolist(), values, strict=True))

    async def ask(batch: Batch) -> list[Answer]:
        return await connection.read(batch.parameters)

    if nodes:
        whole = batch_of(range(len(nodes)), nodes, attribute, ua.TimestampsToReturn.Neither)
        await _read(connection, [whole], ask, _bad_answer, take)
    return [found[place] for place in range(len(nodes))]


def _bad_answer(status: int) -> list[Answer]:
    answer: Answer = ua.DataValue(StatusCode=ua.StatusCode(ua.UInt32(status)))  # type: ignore[assignment]
    return [answer]
