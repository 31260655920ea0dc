"""Which node an address names: namespace URIs by the server's table, browse paths by following references down.

Asked anew after every connect, because a server may number its namespaces and nodes anew when it starts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TypeAlias

from asyncua import ua
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds

from collectors.opcua.connection import REFERENCES_PER_NODE, Connection
from collectors.opcua.data_values import microseconds_of
from collectors.opcua.failures import RequestRefusedError, log
from collectors.opcua.requests import read_attribute, standard_node
from historian.config.nearest import did_you_mean
from historian.config.opcua_address import (
    BrowseName,
    BrowsePathAddress,
    NodeAtPathAddress,
    NodeIdAddress,
    OpcUaAddress,
)

Path: TypeAlias = tuple[BrowseName, ...]
Children: TypeAlias = Mapping[str, Sequence[tuple[int, ua.NodeId]]]
"""Nodes below one node by name, each with the namespace of its name."""

OBJECTS: Final = standard_node(ObjectIds.ObjectsFolder)

_MAX_NODES_PER_READ: Final = standard_node(ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerRead)
_MAX_NODES_PER_BROWSE: Final = standard_node(ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerBrowse)
_MAX_ITEMS_PER_CALL: Final = standard_node(
    ObjectIds.Server_ServerCapabilities_OperationLimits_MaxMonitoredItemsPerCall
)
_MAX_HISTORY: Final = standard_node(
    ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerHistoryReadData
)
_NAMESPACE_ARRAY: Final = standard_node(ObjectIds.Server_NamespaceArray)
_CURRENT_TIME: Final = standard_node(ObjectIds.Server_ServerStatus_CurrentTime)

NAMED: Final = 5
"""So many namespaces are named to somebody who names another one."""

MOST_LIKE: Final = 1_000
"""Names of one folder in which a misspelt one is looked for, which takes some milliseconds ..."""

MOST_EXPLAINED: Final = 10
"""... where no more paths are missing than somebody reads about."""

_IDENTIFIER_TYPES: Final = {
    "s": ua.NodeIdType.String,
    "g": ua.NodeIdType.Guid,
    "b": ua.NodeIdType.ByteString,
}


async def learn_server(connection: Connection) -> int | None:
    """Read the server's limits and namespaces into ``connection``.  Raises as :func:`read_attribute`.

    Returns the server's clock, microseconds since 1970; None when it does not tell.
    """
    limits = [_MAX_NODES_PER_READ, _MAX_NODES_PER_BROWSE, _MAX_ITEMS_PER_CALL, _MAX_HISTORY]
    asked = [*limits, _NAMESPACE_ARRAY, _CURRENT_TIME]
    read, browse, items, history, namespaces, now = (
        answer.Value.Value for answer in await read_attribute(connection, asked, AttributeIds.Value)
    )
    connection.limits.published_read = read or 0
    connection.limits.published_browse = browse or 0
    connection.limits.published_items = items or 0
    connection.limits.published_history = history or 0
    connection.namespaces = tuple(uri or "" for uri in namespaces or ())
    return microseconds_of(now) or None if isinstance(now, datetime) else None


def _make_node(identifier: Any, namespace: Any, kind: Any) -> ua.NodeId:  # noqa: ANN401 - ua's own integers are only int
    # Numbers have three encodings; for kind None the library chooses the shortest.
    return ua.NodeId(identifier, namespace, kind)


class NodeFinder:
    """Finds nodes on one connection and remembers what it browsed."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._children: dict[ua.NodeId, Children] = {}

    async def find(self, addresses: Sequence[OpcUaAddress]) -> list[ua.NodeId | str]:
        """The node of each address, or in words why there is none."""
        paths = {path.steps for path in map(_path_of, addresses) if path is not None}
        by_path = await self._walk(paths) if paths else {}
        return [self._found(address, by_path) for address in addresses]

    def _found(self, address: OpcUaAddress, by_path: Mapping[Path, ua.NodeId | str]) -> ua.NodeId | str:
        match address:
            case BrowsePathAddress(steps):
                return by_path[steps]
            case NodeAtPathAddress(node, BrowsePathAddress(steps)):
                return _agreed(self._node_id(node), by_path[steps])
            case _:
                return self._node_id(address)

    def _node_id(self, address: NodeIdAddress) -> ua.NodeId | str:
        index = address.namespace_index
        if index is None:
            try:
                index = self._connection.namespaces.index(address.namespace_uri or "")
            except ValueError:
                return self._no_namespace(address.namespace_uri or "")
        return _make_node(address.identifier, index, _IDENTIFIER_TYPES.get(address.identifier_type))

    def _no_namespace(self, uri: str) -> str:
        known = [each for each in self._connection.namespaces[1:] if each]
        hint = did_you_mean(uri, known) or (f"it has {', '.join(map(repr, known[:NAMED]))}" if known else "")
        return f"the server has no namespace {uri!r}" + (f" ({hint})" if hint else "")

    async def _walk(self, paths: set[Path]) -> dict[Path, ua.NodeId | str]:
        """Go down all paths together, one level at a time.

        A name without a namespace may be there several times, so that a path reaches a set of nodes; in the end it must
        be one.
        """
        reached: dict[Path, set[ua.NodeId]] = {(): {OBJECTS}}
        for depth in range(max(map(len, paths))):
            steps = {path[: depth + 1] for path in paths if len(path) > depth}
            await self._browse({node for step in steps for node in reached[step[:-1]]})
            for step in steps:
                reached[step] = self._below(reached[step[:-1]], step[-1])
        explained = sum(not reached[path] for path in paths) <= MOST_EXPLAINED
        return {path: self._only(path, reached, explained=explained) for path in paths}

    def _only(self, path: Path, reached: Mapping[Path, set[ua.NodeId]], *, explained: bool) -> ua.NodeId | str:
        found = reached[path]
        if len(found) == 1:
            return next(iter(found))
        if found:
            return f"{len(found)} nodes have this path; write the namespace index before a name (/Plant/2:PV)"
        known = next(length for length in range(len(path) - 1, -1, -1) if reached[path[:length]])
        where = "/" + "/".join(step.name for step in path[:known]) if known else "the Objects folder"
        hint = self._hint(reached[path[:known]], path[known]) if explained else ""
        return f"{where} has nothing named {path[known].name!r}" + (f" ({hint})" if hint else "")

    def _hint(self, parents: Iterable[ua.NodeId], name: BrowseName) -> str:
        """The name that was probably meant; nothing for large folders, in which looking takes too long."""
        names = {each: nodes[0][0] for parent in parents for each, nodes in self._children[parent].items()}
        if name.name in names:
            return f"there is one in namespace {names[name.name]}"
        return did_you_mean(name.name, names) if len(names) <= MOST_LIKE else ""

    def _below(self, parents: Iterable[ua.NodeId], name: BrowseName) -> set[ua.NodeId]:
        return {
            node
            for parent in parents
            for namespace, node in self._children[parent].get(name.name, ())
            if name.namespace_index in (None, namespace)
        }

    async def _browse(self, parents: Iterable[ua.NodeId]) -> None:
        """Fetch the children of those ``parents`` that are not known yet."""
        unknown = [parent for parent in parents if parent not in self._children]
        while unknown:
            size = self._connection.limits.nodes_per_browse
            part, unknown = unknown[:size], unknown[size:]
            try:
                answers = await self._connection.browse(_parameters(part))
            except RequestRefusedError as refusal:
                if len(part) == 1:
                    self._children[part[0]] = {}
                    continue
                self._connection.limits.lower_browse(len(part) // 2 if refusal.is_too_large else 1)
                unknown = part + unknown
                continue
            for parent, answer in zip(part, answers, strict=True):
                self._children[parent] = _by_name(await self._references(answer))

    async def _references(self, answer: ua.BrowseResult) -> list[ua.ReferenceDescription]:
        """All references of one node, of which ``answer`` brought the first."""
        references = list(answer.References or ())
        while answer.ContinuationPoint:
            try:
                (answer,) = await self._connection.browse_next([answer.ContinuationPoint])
            except RequestRefusedError as refusal:
                log.warning("a folder of %d nodes or more cannot be browsed to its end: %s", len(references), refusal)
                break
            references += answer.References or ()
        return references


def _path_of(address: OpcUaAddress) -> BrowsePathAddress | None:
    match address:
        case BrowsePathAddress():
            return address
        case NodeAtPathAddress(_, path):
            return path
        case _:
            return None


def _agreed(node: ua.NodeId | str, at_path: ua.NodeId | str) -> ua.NodeId | str:
    """The node, if its path leads to it; else why it is not the one that was meant."""
    if isinstance(node, str) or isinstance(at_path, str):
        return node if isinstance(node, str) else at_path
    if (node.NamespaceIndex, node.Identifier) == (at_path.NamespaceIndex, at_path.Identifier):
        return node
    return f"its path leads to {at_path.to_string()} now; is it another node than it was?"


def _parameters(parents: Sequence[ua.NodeId]) -> ua.BrowseParameters:
    return ua.BrowseParameters(
        RequestedMaxReferencesPerNode=REFERENCES_PER_NODE,
        NodesToBrowse=[
            ua.BrowseDescription(
                parent,
                ua.BrowseDirection.Forward,
                standard_node(ObjectIds.HierarchicalReferences),
                IncludeSubtypes=True,
                ResultMask=ua.BrowseResultMask.BrowseName,
            )
            for parent in parents
        ],
    )


def node_of(reference: ua.ReferenceDescription) -> ua.NodeId:
    """The node that a reference leads to, without what only browsing has."""
    target = reference.NodeId
    return ua.NodeId(target.Identifier, target.NamespaceIndex, target.NodeIdType)


def _by_name(references: Iterable[ua.ReferenceDescription]) -> Children:
    children: dict[str, list[tuple[int, ua.NodeId]]] = {}
    for reference in references:
        name = reference.BrowseName
        # A node of another server cannot be read through this one.
        if not getattr(reference.NodeId, "ServerIndex", 0):
            children.setdefault(name.Name, []).append((name.NamespaceIndex, node_of(reference)))
    return children
