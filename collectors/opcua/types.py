"""Which type a node has, for tags whose configuration leaves that to the server.

The value tells it best, for that is what will be stored; the DataType attribute stands in where there is none yet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from asyncua import ua
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds

from collectors.opcua.connection import Answer, Connection
from collectors.opcua.requests import read_attribute, standard_node
from historian.model.tag import ValueType

VALUE_TYPES: Final[Mapping[int, ValueType]] = {
    ua.VariantType.Boolean.value: ValueType.BOOL,
    ua.VariantType.SByte.value: ValueType.INT16,
    ua.VariantType.Byte.value: ValueType.UINT16,
    ua.VariantType.Int16.value: ValueType.INT16,
    ua.VariantType.UInt16.value: ValueType.UINT16,
    ua.VariantType.Int32.value: ValueType.INT32,
    ua.VariantType.UInt32.value: ValueType.UINT32,
    ua.VariantType.Int64.value: ValueType.INT64,
    ua.VariantType.UInt64.value: ValueType.UINT64,
    ua.VariantType.Float.value: ValueType.FLOAT32,
    ua.VariantType.Double.value: ValueType.FLOAT64,
    ua.VariantType.String.value: ValueType.TEXT,
    ua.VariantType.DateTime.value: ValueType.TEXT,
    ua.VariantType.Guid.value: ValueType.TEXT,
    ua.VariantType.StatusCode.value: ValueType.UINT32,
    ua.VariantType.QualifiedName.value: ValueType.TEXT,
    ua.VariantType.LocalizedText.value: ValueType.TEXT,
}
"""By the number of the built-in type (OPC 10000-6, 5.1.2), which is also its identifier in namespace 0."""

STANDARD_SUBTYPES: Final[Mapping[int, ValueType]] = {
    ObjectIds.Enumeration: ValueType.INT32,
    ObjectIds.Duration: ValueType.FLOAT64,
    ObjectIds.UtcTime: ValueType.TEXT,
    ObjectIds.LocaleId: ValueType.TEXT,
}
"""Types of the standard that are sent as a built-in one (OPC 10000-3, 8)."""

MAX_SUPERTYPES: Final = 16
"""Far more levels than any tree of types has; a cycle must not hold up a start."""


async def value_types(connection: Connection, nodes: Sequence[ua.NodeId]) -> list[ValueType | None]:
    """The type of each node; None where neither value nor DataType tells one that can be stored."""
    values = await read_attribute(connection, nodes, AttributeIds.Value)
    types = [_of_value(value) for value in values]
    open_places = [place for place, kind in enumerate(types) if kind is None and _is_empty(values[place])]
    declared = await _declared(connection, [nodes[place] for place in open_places])
    for place, kind in zip(open_places, declared, strict=True):
        types[place] = kind
    return types


def _of_value(value: Answer) -> ValueType | None:
    variant = value.Value
    return None if variant.is_array else VALUE_TYPES.get(variant.VariantType.value)


def _is_empty(value: Answer) -> bool:
    return value.Value.VariantType is ua.VariantType.Null and not value.Value.is_array


async def _declared(connection: Connection, nodes: Sequence[ua.NodeId]) -> list[ValueType | None]:
    """By the DataType attribute, and where that is a type of the server's own, by the built-in one it derives from."""
    ranks = await read_attribute(connection, nodes, AttributeIds.ValueRank)
    answers = await read_attribute(connection, nodes, AttributeIds.DataType)
    known: dict[ua.NodeId, ValueType | None] = {}
    for answer, rank in zip(answers, ranks, strict=True):
        data_type = answer.Value.Value
        if isinstance(data_type, ua.NodeId) and _may_be_scalar(rank.Value.Value) and data_type not in known:
            known[data_type] = await _root_type(connection, data_type)
    return [
        known.get(answer.Value.Value) if _may_be_scalar(rank.Value.Value) else None
        for answer, rank in zip(answers, ranks, strict=True)
    ]


def _may_be_scalar(rank: int | None) -> bool:
    """True for Scalar (-1), Any (-2) and ScalarOrOneDimension (-3), and where the server does not say."""
    return rank is None or rank < 0


async def _root_type(connection: Connection, data_type: ua.NodeId) -> ValueType | None:
    for _ in range(MAX_SUPERTYPES):
        if data_type.NamespaceIndex == 0 and (kind := _standard_type(data_type.Identifier)) is not None:
            return kind
        supertype = await _supertype(connection, data_type)
        if supertype is None:
            return None
        data_type = supertype
    return None


async def _supertype(connection: Connection, data_type: ua.NodeId) -> ua.NodeId | None:
    wanted = ua.BrowseDescription(
        data_type, ua.BrowseDirection.Inverse, standard_node(ObjectIds.HasSubtype), IncludeSubtypes=False
    )
    (answer,) = await connection.browse(ua.BrowseParameters(NodesToBrowse=[wanted]))
    return answer.References[0].NodeId if answer.References else None


def _standard_type(identifier: object) -> ValueType | None:
    if not isinstance(identifier, int):
        return None
    return VALUE_TYPES.get(identifier) or STANDARD_SUBTYPES.get(identifier)
