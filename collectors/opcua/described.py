"""What a server says of its variables beside their values: units, range, states and a text for people.

By the properties of OPC 10000-8 (EngineeringUnits, EURange, EnumStrings, EnumValues, TrueState, FalseState), and for
enumerations by those of their types.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from asyncua import ua
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds

from collectors.opcua.connection import Connection
from collectors.opcua.nodes import node_of
from collectors.opcua.requests import read_attribute, standard_node

Properties: TypeAlias = Mapping[str, ua.NodeId]
"""The properties of a node by name."""

UNITS: Final = "EngineeringUnits"
RANGE: Final = "EURange"
_STATES: Final = ("EnumStrings", "EnumValues", "TrueState", "FalseState")
_READ: Final = (UNITS, RANGE, *_STATES)


@dataclass(frozen=True, slots=True)
class Described:
    """What is known of a variable: empty or None for what the server does not say."""

    description: str = ""
    units: str = ""
    low: float | None = None
    high: float | None = None
    states: Mapping[int, str] | None = None


class Describer:
    """Asks one server; remembers the states of its types."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._states_of_type: dict[ua.NodeId, Mapping[int, str] | None] = {}

    async def describe(self, nodes: Sequence[ua.NodeId], properties: Sequence[Properties]) -> list[Described]:
        """Each variable, whose properties are known already.  Raises as :func:`read_attribute`."""
        texts = await read_attribute(self._connection, nodes, AttributeIds.Description)
        values = await self._values(properties)
        states: list[Mapping[int, str] | None] = [_states(each) for each in values]
        types = await read_attribute(self._connection, nodes, AttributeIds.DataType)
        for place, (own, kind) in enumerate(zip(states, types, strict=True)):
            if own is None and isinstance(kind.Value.Value, ua.NodeId):
                states[place] = await self._states_of(kind.Value.Value)
        return [
            Described(_text(text.Value.Value), _units(value.get(UNITS)), *_range(value.get(RANGE)), known)
            for text, value, known in zip(texts, values, states, strict=True)
        ]

    async def _values(self, properties: Sequence[Properties]) -> list[dict[str, Any]]:
        """The values of those properties that tell something, by name."""
        asked = [(place, name) for place, each in enumerate(properties) for name in _READ if name in each]
        answers = await read_attribute(
            self._connection, [properties[place][name] for place, name in asked], AttributeIds.Value
        )
        found: list[dict[str, Any]] = [{} for _ in properties]
        for (place, name), answer in zip(asked, answers, strict=True):
            if answer.StatusCode.is_good():
                found[place][name] = answer.Value.Value
        return found

    async def _states_of(self, data_type: ua.NodeId) -> Mapping[int, str] | None:
        if data_type.NamespaceIndex == 0 and data_type.Identifier != ObjectIds.Enumeration:
            return None  # what the standard has as numbers
        if data_type not in self._states_of_type:
            self._states_of_type[data_type] = await self._ask_states(data_type)
        return self._states_of_type[data_type]

    async def _ask_states(self, data_type: ua.NodeId) -> Mapping[int, str] | None:
        wanted = ua.BrowseDescription(
            data_type, ua.BrowseDirection.Forward, standard_node(ObjectIds.HasProperty), IncludeSubtypes=True,
            ResultMask=ua.BrowseResultMask.BrowseName,
        )  # fmt: skip
        (answer,) = await self._connection.browse(ua.BrowseParameters(NodesToBrowse=[wanted]))
        properties = {str(each.BrowseName.Name): node_of(each) for each in answer.References or ()}
        (values,) = await self._values([properties])
        return _states(values)


def _states(values: Mapping[str, Any]) -> dict[int, str] | None:
    """Codes and texts; None where there are none, or where one has no text."""
    states: dict[int, str] = {}
    if isinstance(strings := values.get("EnumStrings"), list):
        states = {code: _text(each) for code, each in enumerate(strings)}
    elif isinstance(pairs := values.get("EnumValues"), list):
        states = {each.Value: _text(each.DisplayName) for each in pairs if isinstance(each, ua.EnumValueType)}
    elif "TrueState" in values and "FalseState" in values:
        states = {0: _text(values["FalseState"]), 1: _text(values["TrueState"])}
    return states if states and all(states.values()) else None


def _units(value: object) -> str:
    return _text(value.DisplayName) if isinstance(value, ua.EUInformation) else ""


def _range(value: object) -> tuple[float | None, float | None]:
    """Low and high end; both None where they are no range."""
    if not isinstance(value, ua.Range) or not (math.isfinite(value.Low) and math.isfinite(value.High)):
        return None, None
    return (value.Low, value.High) if value.Low < value.High else (None, None)


def _text(value: object) -> str:
    """A text in one line that can be printed: whatever a server has there."""
    text = value.Text if isinstance(value, ua.LocalizedText) else value
    if not isinstance(text, str):
        return ""
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())


