"""The OPC UA driver: polled reads of the Value attribute through one session.

It keeps no state but its connection; :mod:`collectors.runner` makes a new one for each attempt to connect.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from asyncua import ua
from asyncua.ua.attribute_ids import AttributeIds

from collectors.backfill import History
from collectors.driver import Reading, ReadPlan
from collectors.memory import ShortMemory, SourceMemory
from collectors.opcua.connection import Connection
from collectors.opcua.data_values import DataValues
from collectors.opcua.failures import log, unavailable
from collectors.opcua.history import history_page, read_history
from collectors.opcua.nodes import NodeFinder, learn_server
from collectors.opcua.requests import Batch, batch_of, read_values
from collectors.opcua.server_notes import ServerNotes
from collectors.opcua.session import open_session
from collectors.opcua.types import value_types
from collectors.opcua.values import TIMESTAMPS, Columns, UInt64Array, accepted_kinds
from historian.config.opcua_address import NodeIdAddress, OpcUaAddress, parse_opcua_address
from historian.config.settings import OpcUaSource
from historian.errors import SourceUnavailableError
from historian.model.clock import Clock
from historian.model.samples import BoolArray, UInt32Array
from historian.model.scan import ScanGroup
from historian.model.status import BAD_NO_COMMUNICATION, BAD_NODE_ID_UNKNOWN, GOOD
from historian.model.tag import Tag, ValueType

SHOWN_MISSING: Final = 5
"""So many of the tags without a node are named in the log; the others are counted."""


@dataclass(slots=True)
class NodePlan:
    """The nodes of one group, by lane, whichever way they are read.

    ``found``: lanes with their nodes.  ``missing`` uint32[n]: Good where there is one, else why not.  ``accepts``
    uint64[n]: kinds of values that fit the tag.
    """

    found: list[tuple[int, ua.NodeId]]
    missing: UInt32Array
    accepts: UInt64Array


@dataclass(slots=True)
class OpcUaPlan(NodePlan):
    """What to send for one group.

    ``movable`` bool[n]: the node was looked for, so that it may be found elsewhere when it is gone.
    """

    batches: list[Batch]
    movable: BoolArray
    is_outdated: bool = False

    @property
    def requests(self) -> int:
        """How many reads one reading takes."""
        return len(self.batches)

    @property
    def is_complete(self) -> bool:
        """False when a node was not found: a server that has just started may not have all of its nodes yet."""
        return not (self.is_outdated or self.missing.any())


class OpcUaDriver:
    """Implements :class:`collectors.driver.Driver`."""

    def __init__(self, source: OpcUaSource, clock: Clock, memory: SourceMemory | None = None) -> None:
        self._source = source
        self._clock = clock
        self._notes = ServerNotes(memory or ShortMemory())
        self._connection: Connection | None = None
        self._finder: NodeFinder | None = None
        self._reported: set[str] = set()
        self._unlike: set[str] = set()

    async def connect(self) -> None:
        """Open a session and learn the server's limits and namespaces, all within the source's time-out."""
        await self.close()
        self._connection, now_us = await open_session(self._source)
        self._compare_clocks(now_us)
        self._notes.begin()

    async def resolve(self, groups: Sequence[ScanGroup]) -> Mapping[str, ValueType]:
        """Types of tags that have none, from their nodes' values and DataTypes; nodes are looked for anew."""
        if self._finder is not None:
            await learn_server(self._connected())
        self._finder = NodeFinder(self._connected())
        tags = [tag for group in groups for tag in group.tags if tag.value_type is None]
        nodes = await self._finder_now().find(await self._addresses(tags))
        known = [(tag, node) for tag, node in zip(tags, nodes, strict=True) if isinstance(node, ua.NodeId)]
        types = await value_types(self._connected(), [node for _, node in known])
        return {tag.name: kind for (tag, _), kind in zip(known, types, strict=True) if kind is not None}

    async def plan(self, group: ScanGroup) -> ReadPlan:
        """Find the nodes and build the reads; a tag without a node is BadNodeIdUnknown until a later plan."""
        nodes, missing, movable = await self._nodes_of(group.tags)
        found = [(lane, node) for lane, node in enumerate(nodes) if isinstance(node, ua.NodeId)]
        timestamps = TIMESTAMPS[self._source.timestamps]
        # In a thread: 20,000 requests take 50 ms to build, and other sources' scans are due meanwhile.
        lanes, known = [lane for lane, _ in found], [node for _, node in found]
        whole = await asyncio.to_thread(batch_of, lanes, known, AttributeIds.Value, timestamps)
        accepts = np.array([accepted_kinds(tag.value_type) for tag in group.tags], np.uint64)
        batches = whole.cut(self._connected().limits.nodes_per_read)
        return OpcUaPlan(found, missing, accepts, batches, movable)

    async def read(self, group: ScanGroup, plan: ReadPlan) -> Reading:
        """Read every lane once; raises SourceUnavailableError when the connection or an answer is lost."""
        if not isinstance(plan, OpcUaPlan):
            raise TypeError(f"cannot read a plan of type {type(plan).__name__}, wanted one that this driver made")
        connection, clock = self._connected(), self._clock
        columns = Columns(
            plan.missing, clock.wall_us(), self._source.timestamps, self._source.max_skew_us, plan.accepts
        )

        def take(batch: Batch, values: DataValues) -> None:
            columns.fill(batch.lanes, values, clock.wall_us())

        plan.batches = await read_values(connection, plan.batches, take)
        reading = columns.reading()
        plan.is_outdated = bool((plan.movable & (reading.status == BAD_NODE_ID_UNKNOWN)).any())
        self._report_unlike(group.tags, columns.unlike)
        return reading

    async def history(
        self, group: ScanGroup, plan: ReadPlan, start_us: int, end_us: int
    ) -> AsyncGenerator[History, None]:
        """Implements :class:`collectors.backfill.HistoryDriver`."""
        if not isinstance(plan, NodePlan):
            raise TypeError(f"cannot read a plan of type {type(plan).__name__}, wanted one that this driver made")
        async for pages in read_history(self._connected(), plan.found, start_us, end_us):
            yield history_page(group.number, pages, plan.accepts, (start_us, end_us))

    async def forget(self, group: ScanGroup) -> None:
        """Nothing: a server that is polled knows of no plans."""

    async def close(self) -> None:
        """Let go of the session and the socket."""
        connection, self._connection, self._finder = self._connection, None, None
        if connection is not None:
            await connection.close()

    def _connected(self) -> Connection:
        if self._connection is None:
            text = f"cannot read from source {self._source.name!r} at {self._source.url}: not connected"
            raise SourceUnavailableError(text, BAD_NO_COMMUNICATION)
        return self._connection

    def _unavailable(self, error: Exception) -> SourceUnavailableError:
        return unavailable(self._source, "read from", error)

    async def _nodes_of(self, tags: Sequence[Tag]) -> tuple[list[ua.NodeId | str], UInt32Array, BoolArray]:
        """The node of each tag, or why there is none; BadNodeIdUnknown for these; which of them were looked for."""
        addresses = await self._addresses(tags)
        nodes = await self._finder_now().find(addresses)
        self._report_missing(tags, nodes)
        missing = np.array([GOOD if isinstance(node, ua.NodeId) else BAD_NODE_ID_UNKNOWN for node in nodes], np.uint32)
        return nodes, missing, np.array([_is_looked_for(address) for address in addresses], np.bool_)

    def _finder_now(self) -> NodeFinder:
        return self._finder or NodeFinder(self._connected())

    async def _addresses(self, tags: Sequence[Tag]) -> list[OpcUaAddress]:
        # In a thread: 20,000 browse paths take 400 ms to read, and other sources' scans are due meanwhile.
        return await asyncio.to_thread(_addresses_of, tags)

    def _report_missing(self, tags: Sequence[Tag], nodes: Sequence[ua.NodeId | str]) -> None:
        missing = [(tag, node) for tag, node in zip(tags, nodes, strict=True) if isinstance(node, str)]
        names = {tag.name for tag, _ in missing}
        if not names <= self._reported:
            self._reported |= names
            shown = "; ".join(f"{tag.name} ({tag.address}): {why}" for tag, why in missing[:SHOWN_MISSING])
            more = f"; and {len(missing) - SHOWN_MISSING} more" if len(missing) > SHOWN_MISSING else ""
            log.warning("%s: no node for %d of %d tags: %s%s", self._source.name, len(missing), len(tags), shown, more)

    def _report_unlike(self, tags: Sequence[Tag], unlike: Mapping[int, int]) -> None:
        """Say once of each tag that its node has values of another kind than the tag list says."""
        news = {tags[lane].name: (tags[lane], kind) for lane, kind in unlike.items()}
        news = {name: each for name, each in news.items() if name not in self._unlike}
        if news:
            self._unlike.update(news)
            shown = "; ".join(
                f"{tag.name} ({tag.address}) is {tag.value_type} and the server sends {ua.VariantType(kind).name}"
                for tag, kind in list(news.values())[:SHOWN_MISSING]
            )
            more = f"; and {len(news) - SHOWN_MISSING} more" if len(news) > SHOWN_MISSING else ""
            log.warning("%s: values that do not fit their tags are not recorded: %s%s", self._source.name, shown, more)

    def _compare_clocks(self, server_us: int | None) -> None:
        ahead_us = 0 if server_us is None else server_us - self._clock.wall_us()
        if self._source.timestamps != "arrival" and abs(ahead_us) > self._source.max_skew_us:
            side = "ahead of" if ahead_us > 0 else "behind"
            log.warning("%s: its clock is %.3f s %s ours", self._source.name, abs(ahead_us) / 1e6, side)


def _is_looked_for(address: OpcUaAddress) -> bool:
    """Whether the address names a path or a namespace, and not a node alone."""
    return not isinstance(address, NodeIdAddress) or address.namespace_uri is not None


def _addresses_of(tags: Sequence[Tag]) -> list[OpcUaAddress]:
    return [parse_opcua_address(tag.address) for tag in tags]
