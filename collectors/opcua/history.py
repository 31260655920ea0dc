"""Reading a server's history: raw values of many nodes in pages (OPC 10000-11, 6.4.3), the oldest of each first."""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.ua_binary import nodeid_from_binary

from collectors.backfill import History
from collectors.opcua.connection import Connection
from collectors.opcua.data_values import DataValues, Decoder, concatenated, read_count
from collectors.opcua.failures import RequestRefusedError
from collectors.opcua.layout import LENGTH_BYTES
from collectors.opcua.values import UInt64Array, judged
from historian.model.samples import FloatArray, Int64Array, UInt32Array
from historian.model.scan import LateValues
from historian.model.status import BAD, status_code

VALUES_PER_PAGE: Final = 5_000
"""Of all nodes of a request together: a page is decoded in a few milliseconds."""

LEAST_PER_NODE: Final = 100

_HISTORY_DATA: Final = ObjectIds.HistoryData_Encoding_DefaultBinary
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

_NO_MORE_POINTS: Final = status_code("BadNoContinuationPoints")
"""The server cannot keep so many unfinished answers: this node is asked for again by itself."""


@dataclass(frozen=True, slots=True)
class NodeHistory:
    """A page of one node's history: its ``lane``, and a ``status`` that is Bad where there is none."""

    lane: int
    values: DataValues
    status: int = 0


@dataclass(frozen=True, slots=True)
class _Result:
    status: int
    point: bytes
    values: DataValues


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is still to be read of one node: from ``start_us`` on, or where the server's ``point`` is."""

    lane: int
    node: ua.NodeId
    start_us: int
    point: bytes = b""


async def read_history(
    connection: Connection, nodes: Sequence[tuple[int, ua.NodeId]], start_us: int, end_us: int
) -> AsyncIterator[list[NodeHistory]]:
    """What ``nodes`` (lane and node) were from ``start_us`` on and before ``end_us``, some nodes at a time.

    Raises SourceUnavailableError.  A node that the server refuses has a page with the reason and no values.
    """
    waiting = [_Wanted(lane, node, start_us) for lane, node in nodes]
    while waiting:
        part, waiting = _cut(waiting, connection.limits.nodes_per_history)
        most = max(LEAST_PER_NODE, VALUES_PER_PAGE // len(part))
        try:
            results = await _ask(connection, part, end_us, most)
        except RequestRefusedError as refusal:
            if len(part) == 1:
                yield [NodeHistory(part[0].lane, DataValues.blank(0), refusal.status)]
                continue
            connection.limits.lower_history(len(part) // 2)
            waiting = [*part, *waiting]
            continue
        unfinished = [result for result in results if result.status == _NO_MORE_POINTS]
        if unfinished and len(part) > 1:
            connection.limits.lower_history(len(part) // 2)
        pairs = list(zip(part, results, strict=True))
        # What has been begun goes first: the server keeps a place in its history for each.
        waiting = [*(more for pair in pairs if (more := _rest(*pair, most, alone=len(part) == 1))), *waiting]
        yield [
            NodeHistory(wanted.lane, result.values, result.status if result.status >= BAD else 0)
            for wanted, result in pairs
            if result.status != _NO_MORE_POINTS or len(part) == 1
        ]


def _cut(waiting: list[_Wanted], size: int) -> tuple[list[_Wanted], list[_Wanted]]:
    """The first of ``waiting`` that fit into one request, which has one time to start from."""
    same = next((place for place, each in enumerate(waiting) if each.start_us != waiting[0].start_us), len(waiting))
    size = min(size, same)
    return waiting[:size], waiting[size:]


def _rest(wanted: _Wanted, result: _Result, most: int, *, alone: bool) -> _Wanted | None:
    """What is still to be read of a node after this result; None when that is all."""
    if result.status == _NO_MORE_POINTS and not alone:
        return wanted
    if result.point:
        return replace(wanted, point=result.point)
    if len(result.values) < most:
        return None
    # Full, and the server says nothing of more: some cut off there without a word.  On from the last time, for of one
    # time a tag has one sample.
    last_us = int(times_of(result.values)[-1])
    return replace(wanted, start_us=last_us + 1, point=b"") if last_us >= wanted.start_us else None


async def _ask(
    connection: Connection, part: Sequence[_Wanted], end_us: int, most: int
) -> list[_Result]:
    details = ua.ReadRawModifiedDetails(
        IsReadModified=False,
        StartTime=_time(part[0].start_us),
        EndTime=_time(end_us),
        NumValuesPerNode=most,
        ReturnBounds=False,
    )
    wanted = [ua.HistoryReadValueId(NodeId=each.node, ContinuationPoint=each.point or None) for each in part]
    answer = await connection.history(
        ua.HistoryReadParameters(
            HistoryReadDetails=details,
            TimestampsToReturn=ua.TimestampsToReturn.Both,
            ReleaseContinuationPoints=False,
            NodesToRead=wanted,
        )
    )
    return connection.decoded(lambda: _results(answer, len(part)))


def _results(body: bytes, wanted: int) -> list[_Result]:
    buffer = Buffer(body)
    count = read_count(buffer.read(LENGTH_BYTES), 0)
    if count != wanted:
        raise ValueError(f"got the history of {count} nodes, wanted {wanted}")
    return [_result(body, buffer) for _ in range(count)]


def _result(body: bytes, buffer: Buffer) -> _Result:
    """One HistoryReadResult."""
    (status,) = struct.unpack("<I", buffer.read(4))
    (length,) = struct.unpack("<i", buffer.read(LENGTH_BYTES))
    point = buffer.read(length) if length > 0 else b""
    kind = nodeid_from_binary(buffer)
    values = DataValues.blank(0)
    if buffer.read(1)[0]:
        (length,) = struct.unpack("<i", buffer.read(LENGTH_BYTES))
        if kind == ua.FourByteNodeId(ua.Int32(_HISTORY_DATA)):
            place = buffer.cur_pos
            values, _ = Decoder().decode(body, place + LENGTH_BYTES, read_count(body, place))
        buffer.skip(max(0, length))
    return _Result(status, point, values)


def _time(time_us: int) -> datetime:
    return _EPOCH + timedelta(microseconds=time_us)


def history_page(group: int, pages: Sequence[NodeHistory], accepts: UInt64Array, span_us: tuple[int, int]) -> History:
    """Pages of some nodes as values of their lanes; what lies outside of the time asked for is left out.

    A value has the time of its source, else that of the server; ``accepts`` uint64[n] says what fits each lane.
    """
    without = tuple(page.lane for page in pages if page.status)
    filled = [page for page in pages if len(page.values)]
    if not filled:
        nothing = np.empty(0, np.intp)
        return History(LateValues(group, nothing, nothing.astype(np.int64), *_no_values()), without)
    lane = np.repeat([page.lane for page in filled], [len(page.values) for page in filled]).astype(np.intp)
    values = concatenated([page.values for page in filled])
    time_us = times_of(values)
    inside = np.flatnonzero((time_us >= span_us[0]) & (time_us < span_us[1]))
    lane, time_us, values = lane[inside], time_us[inside], values.take(inside)
    value, status, has_none = judged(values, accepts[lane])
    exact = {row: whole for row, whole in values.exact.items() if not has_none[row]}
    text = {row: words for row, words in values.text.items() if not has_none[row]}
    return History(LateValues(group, lane, time_us, value, status, exact, text), without)


def times_of(values: DataValues) -> Int64Array:
    """int64[m]: when each value was, at the source, else at the server; 0 where nobody says."""
    return np.where(values.source_us > 0, values.source_us, values.server_us)


def _no_values() -> tuple[FloatArray, UInt32Array]:
    return np.empty(0, np.float64), np.empty(0, np.uint32)
