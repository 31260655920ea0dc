"""Walking through a server's address space: its variables with what it says of them, a page at a time.

A hash of each node that was seen is remembered, and the folders not yet entered, as bytes: together 20 to 100 bytes a
node.  Nothing else grows with the server.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias
from uuid import UUID

from asyncua import ua
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds

from collectors.opcua.connection import REFERENCES_PER_NODE, Connection
from collectors.opcua.described import Described, Describer
from collectors.opcua.failures import RequestRefusedError, log
from collectors.opcua.nodes import OBJECTS, node_of
from collectors.opcua.requests import read_attribute, standard_node
from collectors.opcua.types import value_types
from collectors.opcua.waiting import Path, Place, WaitingPlaces
from collectors.seen import Seen
from historian.config.opcua_address import BrowseName, IdentifierType, NodeIdAddress
from historian.model.status import status_code, status_name
from historian.model.tag import ValueType

References: TypeAlias = list[ua.ReferenceDescription]
Page: TypeAlias = tuple[Path, References]
Wanted: TypeAlias = Callable[[Path], bool]

FOLDERS_AT_A_TIME: Final = 10
"""Browsed in one request; servers keep few unfinished ones (continuation points) for a session."""

DEEPEST: Final = 64
"""Levels below Objects; servers that make nodes as one asks for them have no bottom."""

_IDENTIFIER_TYPES: Final[Mapping[type, IdentifierType]] = {str: "s", UUID: "g", bytes: "b"}

_CURRENT_READ: Final = 0x01
_NO_CONTINUATION_POINTS: Final = status_code("BadNoContinuationPoints")


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable that a tag can read.  ``path``: the names that lead to it from Objects."""

    path: Path
    node: ua.NodeId
    value_type: ValueType
    described: Described

    def address(self, namespaces: Sequence[str]) -> NodeIdAddress:
        """The node by the URI of its namespace, which a restart of the server does not change."""
        identifier: Any = self.node.Identifier
        kinds = (name for of, name in _IDENTIFIER_TYPES.items() if isinstance(identifier, of))
        kind: IdentifierType = next(kinds, "i")
        index = self.node.NamespaceIndex
        uri = namespaces[index] if 0 < index < len(namespaces) and namespaces[index] else None
        plain = int(identifier) if kind == "i" else identifier
        return NodeIdAddress(index if uri is None else None, uri, kind, plain)


@dataclass(slots=True)
class BrowseCounts:
    """``found`` variables; of the others ``unreadable`` may not be read, ``unstorable`` are arrays or structures."""

    found: int = 0
    unreadable: int = 0
    unstorable: int = 0
    refused: int = 0


class AddressSpace:
    """The variables below the Objects folder of a connected server, but for those of the server itself.

    ``wanted`` says which paths are looked for, ``may_hold`` which folders can have one below them.
    """

    def __init__(self, connection: Connection, wanted: Wanted, may_hold: Wanted) -> None:
        self.counts = BrowseCounts()
        self._connection = connection
        self._describer = Describer(connection)
        self._wanted = wanted
        self._may_hold = may_hold
        self._seen = Seen()
        self._seen.add(OBJECTS)
        self._folders = WaitingPlaces()

    async def variables(self) -> AsyncIterator[list[Variable]]:
        """All of them, some at a time.  Raises SourceUnavailableError."""
        some: list[Place] = [((), OBJECTS)]
        while some:
            async for path, references in self._below(some):
                pages = [(path, references)]
                while pages:
                    found, pages = await self._take(pages)
                    if found:
                        yield found
            some = self._folders.take(FOLDERS_AT_A_TIME)

    async def _take(self, pages: Sequence[Page]) -> tuple[list[Variable], list[Page]]:
        """The variables of some pages, and what lies below these in turn.  Folders are entered later."""
        below = [((*path, _name(each)), each) for path, page in pages for each in page if self._is_new(path, each)]
        variables = [(path, node_of(each)) for path, each in below if each.NodeClass is ua.NodeClass.Variable]
        folders = [(path, node_of(each)) for path, each in below if each.NodeClass is ua.NodeClass.Object]
        self._folders.put(each for each in folders if len(each[0]) < DEEPEST and self._may_hold(each[0]))
        parts: dict[Path, References] = {}
        size = self._connection.limits.nodes_per_browse
        for start in range(0, len(variables), size):
            async for path, page in self._below(variables[start : start + size]):
                parts.setdefault(path, []).extend(page)
        inner = [
            (path, [each for each in page if not _is_property(each)])
            for path, page in parts.items()
            if len(path) < DEEPEST and self._may_hold(path)
        ]
        wanted = [each for each in variables if self._wanted(each[0])]
        return await self._describe(wanted, parts), [each for each in inner if each[1]]

    def _is_new(self, path: Path, reference: ua.ReferenceDescription) -> bool:
        """Not seen by another way; not the server's own objects, which stand beside the plant's; no property."""
        is_elsewhere = bool(getattr(reference.NodeId, "ServerIndex", 0))
        if is_elsewhere or _is_property(reference) or (not path and _is_standard(reference)):
            return False
        return self._seen.add(node_of(reference))

    async def _below(self, places: Sequence[Place]) -> AsyncIterator[Page]:
        """What lies below some nodes, each page with the path of its node."""
        try:
            results = await self._connection.browse(_parameters([node for _, node in places]))
        except RequestRefusedError as refusal:
            if len(places) == 1:
                self._note_refusal(places[0][0], str(refusal))
                return
            half = len(places) // 2
            if refusal.is_too_large:
                self._connection.limits.lower_browse(half)
            for part in (places[:half], places[half:]):
                async for page in self._below(part):
                    yield page
            return
        for place, result in zip(places, results, strict=True):
            if result.StatusCode.value == _NO_CONTINUATION_POINTS and len(places) > 1:
                # The server cannot keep so many unfinished answers: this one is asked for again by itself.
                async for page in self._below([place]):
                    yield page
            else:
                async for references in self._pages(place[0], result):
                    yield place[0], references

    async def _pages(self, path: Path, result: ua.BrowseResult) -> AsyncIterator[References]:
        while True:
            if not result.StatusCode.is_good():
                self._note_refusal(path, status_name(result.StatusCode.value))
            yield list(result.References or ())
            if not result.ContinuationPoint:
                return
            try:
                (result,) = await self._connection.browse_next([result.ContinuationPoint])
            except RequestRefusedError as refusal:
                self._note_refusal(path, str(refusal))
                return

    def _note_refusal(self, path: Path, reason: str) -> None:
        self.counts.refused += 1
        log.warning("%s cannot be browsed to its end: %s", path_text(path), reason)

    async def _describe(self, found: Sequence[Place], parts: Mapping[Path, References]) -> list[Variable]:
        """Those that can be read and stored, with what the server says of them."""
        levels = await read_attribute(self._connection, [node for _, node in found], AttributeIds.UserAccessLevel)
        readable = [each for each, level in zip(found, levels, strict=True) if _may_be_read(level.Value.Value)]
        self.counts.unreadable += len(found) - len(readable)
        types = await value_types(self._connection, [node for _, node in readable])
        typed = [(*each, kind) for each, kind in zip(readable, types, strict=True) if kind is not None]
        self.counts.unstorable += len(readable) - len(typed)
        self.counts.found += len(typed)
        properties = [_properties(parts.get(path, ())) for path, _, _ in typed]
        texts = await self._describer.describe([node for _, node, _ in typed], properties)
        return [Variable(*each, text) for each, text in zip(typed, texts, strict=True)]


def path_text(path: Path) -> str:
    """A path for people: ``Plant/Reactor/TIC205``; ``Objects`` for none."""
    return "/".join(step.name for step in path) or "Objects"


def _may_be_read(level: object) -> bool:
    """What does not tell is tried."""
    return not isinstance(level, int) or bool(level & _CURRENT_READ)


def _is_standard(reference: ua.ReferenceDescription) -> bool:
    """Whether a node is of the standard's own (Server, Aliases, Locations ...).

    Its number alone does not tell: some servers number nodes of the plant in namespace 0 too.
    """
    return bool(reference.NodeId.NamespaceIndex == 0 and reference.BrowseName.NamespaceIndex == 0)


def _is_property(reference: ua.ReferenceDescription) -> bool:
    kind = reference.ReferenceTypeId
    return bool(kind.NamespaceIndex == 0 and kind.Identifier == ObjectIds.HasProperty)


def _properties(references: Iterable[ua.ReferenceDescription]) -> dict[str, ua.NodeId]:
    return {str(each.BrowseName.Name): node_of(each) for each in references if _is_property(each)}


def _name(reference: ua.ReferenceDescription) -> BrowseName:
    return BrowseName(reference.BrowseName.NamespaceIndex, reference.BrowseName.Name or "")


def _parameters(parents: Sequence[ua.NodeId]) -> ua.BrowseParameters:
    """Objects and variables downwards, with what tells properties from parts."""
    results = ua.BrowseResultMask
    mask = results.ReferenceTypeId | results.BrowseName | results.NodeClass
    kinds = ua.NodeClass.Object | ua.NodeClass.Variable
    down, kind = ua.BrowseDirection.Forward, standard_node(ObjectIds.HierarchicalReferences)
    return ua.BrowseParameters(
        RequestedMaxReferencesPerNode=REFERENCES_PER_NODE,
        NodesToBrowse=[
            ua.BrowseDescription(parent, down, kind, IncludeSubtypes=True, NodeClassMask=kinds, ResultMask=mask)
            for parent in parents
        ],
    )
