"""Reads, cut to what the server takes and cut again where one node spoils the answer for its neighbours.

A request of :class:`Batch` is built once and sent at every scan.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias, cast

import numpy as np
from asyncua import ua
from asyncua.ua.attribute_ids import AttributeIds

from collectors.opcua.connection import Answer, Connection
from collectors.opcua.failures import RequestRefusedError, log
from historian.errors import SourceProtocolError
from historian.model.samples import IndexArray
from historian.model.status import status_name

Take: TypeAlias = Callable[["Batch", Sequence[Answer]], None]

FRESH: Final = 0.0
"""MaxAge: the server reads its device, instead of telling what it last knew (OPC 10000-4, 5.11.2.2)."""


@dataclass(frozen=True, slots=True)
class Batch:
    """One read.  ``lanes`` intp[n]: the lane of each of its n nodes."""

    lanes: IndexArray
    parameters: ua.ReadParameters

    def __len__(self) -> int:
        return len(self.lanes)

    def cut(self, size: int) -> list[Batch]:
        """The same nodes in reads of at most ``size``."""
        nodes, timestamps = self.parameters.NodesToRead, self.parameters.TimestampsToReturn
        return [
            Batch(self.lanes[start : start + size], _parameters(nodes[start : start + size], timestamps))
            for start in range(0, len(self), size)
        ]


def batch_of(
    lanes: Sequence[int], nodes: Sequence[ua.NodeId], attribute: AttributeIds, timestamps: ua.TimestampsToReturn
) -> Batch:
    """One read of all ``nodes``, not yet cut."""
    wanted = [ua.ReadValueId(node, attribute) for node in nodes]
    return Batch(np.asarray(lanes, np.intp), _parameters(wanted, timestamps))


def standard_node(identifier: int) -> ua.NodeId:
    """A node of the standard's own namespace."""
    return ua.NodeId(ua.Int32(identifier))


def _parameters(nodes: list[ua.ReadValueId], timestamps: ua.TimestampsToReturn) -> ua.ReadParameters:
    return ua.ReadParameters(MaxAge=FRESH, TimestampsToReturn=timestamps, NodesToRead=nodes)


async def read_batches(connection: Connection, batches: Sequence[Batch], take: Take) -> list[Batch]:
    """Read all ``batches`` one after the other and give each with its values to ``take``.

    Returns them as they were sent in the end, which is how to send them the next time.  A refused request is cut in two
    until it is accepted or its one node is the culprit; that node's value is then the reason as a Bad status.

    Raises SourceUnavailableError; SourceProtocolError when an answer has another number of values than its request had
    nodes.
    """
    waiting, sent = deque(batches), []
    while waiting:
        batch = waiting.popleft()
        limit = connection.limits.nodes_per_read
        if len(batch) > limit:
            waiting.extendleft(reversed(batch.cut(limit)))
            continue
        try:
            values = await connection.read(batch.parameters)
        except RequestRefusedError as refusal:
            if len(batch) > 1:
                half = (len(batch) + 1) // 2
                if refusal.is_too_large:
                    connection.limits.lower_read(half)
                waiting.extendleft(reversed(batch.cut(half)))
                continue
            values = [cast("Answer", ua.DataValue(StatusCode=ua.StatusCode(ua.UInt32(refusal.status))))]
            log.debug("%s: %s", batch.parameters.NodesToRead[0].NodeId.to_string(), status_name(refusal.status))
        _check_count(batch, values)
        take(batch, values)
        sent.append(batch)
    return sent


def _check_count(batch: Batch, values: Sequence[Answer]) -> None:
    if len(values) != len(batch):
        raise SourceProtocolError(f"cannot use the answer to a read: got {len(values)} values for {len(batch)} nodes")


async def read_attribute(connection: Connection, nodes: Sequence[ua.NodeId], attribute: AttributeIds) -> list[Answer]:
    """One attribute of each node, without times.  Raises as :func:`read_batches`."""
    found: dict[int, Answer] = {}

    def take(batch: Batch, values: Sequence[Answer]) -> None:
        found.update(zip(batch.lanes.tolist(), values, strict=True))

    if nodes:
        whole = batch_of(range(len(nodes)), nodes, attribute, ua.TimestampsToReturn.Neither)
        await read_batches(connection, [whole], take)
    return [found[place] for place in range(len(nodes))]
