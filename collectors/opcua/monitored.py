"""Monitored items: made in parts the server takes, with what it made of our wishes.

A server may revise sampling intervals and queue sizes, and refuse a deadband; what it gave is compared with what was
asked for, and told once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from asyncua import ua
from asyncua.ua.attribute_ids import AttributeIds

from collectors.opcua.connection import Connection
from collectors.opcua.failures import RequestRefusedError
from collectors.opcua.values import TIMESTAMPS
from historian.config.settings import TimestampChoice
from historian.model.samples import FloatArray, UInt32Array
from historian.model.status import status_code

_NO_FILTER: Final = frozenset(
    status_code(name)
    for name in (
        "BadFilterNotAllowed",
        "BadMonitoredItemFilterInvalid",
        "BadMonitoredItemFilterUnsupported",
        "BadDeadbandFilterInvalid",
    )
)
"""Answers to a deadband that the server does not offer."""

_NAMED: Final = 3


@dataclass(frozen=True, slots=True)
class Wish:
    """What is wanted of the items of one group.  ``deadband`` float64[n], NaN for none."""

    sampling_ms: float
    queue_size: int
    deadband: FloatArray
    timestamps: TimestampChoice


@dataclass(frozen=True, slots=True)
class Monitored:
    """What the server gave: ``status`` uint32[n], Good or why there is no item; ``revised`` in words, mostly none."""

    status: UInt32Array
    revised: str


async def monitor(
    connection: Connection, subscription: int, nodes: Sequence[tuple[int, ua.NodeId]], wish: Wish, names: Sequence[str]
) -> Monitored:
    """Make an item for each of ``nodes``, a lane and its node; ``names`` are of all lanes.

    Raises SourceUnavailableError.  What the server refuses of one item has a Bad ``status`` at its lane.
    """
    status = np.zeros(len(names), np.uint32)
    results: dict[int, ua.MonitoredItemCreateResult] = {}
    await _create(connection, subscription, list(nodes), wish, results)
    unfiltered = [(lane, node) for lane, node in nodes if results[lane].StatusCode.value in _NO_FILTER]
    if unfiltered:
        plain = Wish(wish.sampling_ms, wish.queue_size, np.full(len(names), np.nan), wish.timestamps)
        await _create(connection, subscription, unfiltered, plain, results)
    for lane, result in results.items():
        status[lane] = result.StatusCode.value
    said = _revised(results, wish, names)
    if unfiltered:
        said.append(f"no deadband for {_some([names[lane] for lane, _ in unfiltered])}")
    return Monitored(status, "; ".join(said))


async def _create(
    connection: Connection,
    subscription: int,
    nodes: list[tuple[int, ua.NodeId]],
    wish: Wish,
    results: dict[int, ua.MonitoredItemCreateResult],
) -> None:
    waiting = nodes
    while waiting:
        size = connection.limits.items_per_call
        part, waiting = waiting[:size], waiting[size:]
        wanted = [_request(lane, node, wish) for lane, node in part]
        parameters = ua.CreateMonitoredItemsParameters(subscription, TIMESTAMPS[wish.timestamps], wanted)
        try:
            answers = await connection.create_items(parameters)
        except RequestRefusedError as refusal:
            if len(part) == 1:
                code = ua.StatusCode(ua.UInt32(refusal.status))
                results[part[0][0]] = ua.MonitoredItemCreateResult(StatusCode=code)
                continue
            connection.limits.lower_items(len(part) // 2)
            waiting = part + waiting
            continue
        results.update(zip((lane for lane, _ in part), answers, strict=True))


def _request(lane: int, node: ua.NodeId, wish: Wish) -> ua.MonitoredItemCreateRequest:
    deadband = float(wish.deadband[lane])
    parameters = ua.MonitoringParameters(
        ClientHandle=lane, SamplingInterval=wish.sampling_ms, QueueSize=wish.queue_size, DiscardOldest=True
    )
    if not np.isnan(deadband):
        parameters.Filter = ua.DataChangeFilter(
            Trigger=ua.DataChangeTrigger.StatusValue, DeadbandType=ua.DeadbandType.Absolute, DeadbandValue=deadband
        )
    wanted = ua.ReadValueId(node, AttributeIds.Value)
    return ua.MonitoredItemCreateRequest(wanted, ua.MonitoringMode.Reporting, parameters)


def _revised(
    results: dict[int, ua.MonitoredItemCreateResult], wish: Wish, names: Sequence[str]
) -> list[str]:
    """What differs from the wish, each with the tags that it holds for."""
    sampled: dict[float, list[str]] = {}
    queued: dict[int, list[str]] = {}
    for lane, result in results.items():
        if result.StatusCode.is_good():
            if result.RevisedSamplingInterval != wish.sampling_ms:
                sampled.setdefault(result.RevisedSamplingInterval, []).append(names[lane])
            if result.RevisedQueueSize < wish.queue_size:
                queued.setdefault(result.RevisedQueueSize, []).append(names[lane])
    said = [
        f"sampled every {ms:g} ms instead of {wish.sampling_ms:g} ms: {_some(tags)}" for ms, tags in sampled.items()
    ]
    said += [f"a queue of {size} instead of {wish.queue_size}: {_some(tags)}" for size, tags in queued.items()]
    return said


def _some(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
