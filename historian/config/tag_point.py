"""Where a tag's value is and of what type: address and type of a row, by the protocol of its source."""

from __future__ import annotations

from typing import Final

from historian.config.modbus_address import parse_modbus_address
from historian.config.modbus_type import parse_modbus_type
from historian.config.nearest import did_you_mean, one_of, shown
from historian.config.opcua_address import parse_opcua_address
from historian.config.row_cells import RowCells
from historian.config.settings import ModbusSource, SourceSettings
from historian.errors import UnusableValueError
from historian.model.tag import ValueType

_OPCUA_TYPES: Final = {str(kind): kind for kind in ValueType} | {"string": ValueType.TEXT}


def read_point(cells: RowCells, protocol: str, source: SourceSettings | None) -> ValueType | None:
    """The type of the value at the row's address; None where the device will tell it, or after telling a fault.

    ``source`` is None where its own settings are wrong, ``protocol`` empty where even that is unknown.
    """
    if not cells["address"]:
        cells.tell("address", "a blank cell", "where the value is, such as hr:100 or ns=2;s=TIC205.PV")
    elif protocol == "modbus":
        return _modbus_type(cells, source)
    elif protocol == "opcua":
        cells.parsed("address", parse_opcua_address)
        return cells.parsed("type", parse_opcua_type)
    return None


def parse_opcua_type(text: str) -> ValueType:
    """The type an OPC UA tag is declared to have.  Raises UnusableValueError when there is none of this name."""
    kind = _OPCUA_TYPES.get(text.lower())
    if kind is None:
        wanted = f"{one_of(_OPCUA_TYPES)}, or blank for what the server tells"
        raise UnusableValueError(shown(text), wanted, did_you_mean(text.partition(":")[0], _OPCUA_TYPES))
    return kind


def _modbus_type(cells: RowCells, source: SourceSettings | None) -> ValueType | None:
    address, type_text = cells["address"], cells["type"]
    try:
        point = parse_modbus_address(address, type_text)
    except UnusableValueError as error:
        _tell_by_column(cells, error)
        return None
    if isinstance(source, ModbusSource) and point.is_register and point.length > source.max_registers:
        wanted = f"at most the {source.max_registers} registers of sources.{source.name}.max_registers"
        cells.tell("type", f"{shown(type_text)}, {point.length} registers that one request must hold", wanted)
    return point.value_type


def _tell_by_column(cells: RowCells, error: UnusableValueError) -> None:
    """Address and type may both be wrong, or each right and the two not go together."""
    right_type = not cells["type"] or cells.parsed("type", parse_modbus_type) is not None
    right_address = cells.parsed("address", parse_modbus_address) is not None
    if right_type and right_address:
        column = "type" if error.got == shown(cells["type"]) else "address"
        cells.tell(column, error.got, error.wanted, error.hint)
