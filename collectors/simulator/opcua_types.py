"""asyncua's types where the simulator makes them, in one place.

asyncua's annotations name types of its own (``String``, ``DateTime``) where plain Python values are what it takes and
encodes; the ignored arguments below are all of that kind.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from asyncua import ua

VARIANTS: Final = {
    "bool": ua.VariantType.Boolean,
    "int32": ua.VariantType.Int32,
    "uint32": ua.VariantType.UInt32,
    "uint64": ua.VariantType.UInt64,
    "float32": ua.VariantType.Float,
    "float64": ua.VariantType.Double,
    "text": ua.VariantType.String,
}
"""OPC UA type of each type that a point of the mixer has."""


def node_id(name: str, index: int) -> ua.NodeId:
    """NodeId with a string identifier in the namespace of that index."""
    return ua.NodeId(name, index)  # type: ignore[arg-type]  # see above


def data_value(variant: ua.Variant, status: int, source_time: datetime, server_time: datetime) -> ua.DataValue:
    """A value with status and both times (zone-aware UTC)."""
    return ua.DataValue(
        variant,
        ua.StatusCode(status),  # type: ignore[arg-type]  # see above
        source_time,  # type: ignore[arg-type]  # see above
        server_time,  # type: ignore[arg-type]  # see above
    )


def text(content: str) -> ua.LocalizedText:
    """Text without a language."""
    return ua.LocalizedText(content)
