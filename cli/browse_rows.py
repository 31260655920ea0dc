"""A variable of an OPC UA server as a row of a tag list, and which variables are wanted."""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from cli.tag_cells import enumeration_cell, number_cell
from collectors.seen import Seen
from historian.config.opcua_address import (
    BrowseName,
    BrowsePathAddress,
    NodeAtPathAddress,
    OpcUaAddress,
    format_opcua_address,
    parse_opcua_address,
)
from historian.config.tag_columns import COLUMNS
from historian.config.tag_name import check_tag_name
from historian.errors import UnusableValueError

if TYPE_CHECKING:
    from collectors.opcua.browse import Variable
    from collectors.opcua.waiting import Path

AddressForm: TypeAlias = Literal["id", "path", "both"]

_WILD: Final = re.compile(r"[*?\[]")


class Matching:
    """Which paths are like one of ``patterns`` (``*``, ``?``, ``[...]``); all without any."""

    def __init__(self, patterns: Sequence[str]) -> None:
        cleaned = [pattern.removeprefix("/") for pattern in patterns]
        self._patterns = [re.compile(fnmatch.translate(pattern)) for pattern in cleaned]
        # What stands before the first wildcard is the way to everything that can match.
        self._ways = [_WILD.split(pattern, maxsplit=1)[0] for pattern in cleaned]

    def is_wanted(self, path: Path) -> bool:
        """Whether this variable is one of them."""
        text = _joined(path)
        return not self._patterns or any(pattern.match(text) for pattern in self._patterns)

    def may_hold(self, path: Path) -> bool:
        """Whether something below this path can be."""
        folder = _joined(path) + "/"
        return not self._ways or any(way.startswith(folder) or folder.startswith(way) for way in self._ways)


def _joined(path: Path) -> str:
    return "/".join(step.name for step in path)


class RowMaker:
    """Rows of one tag list, whose names come once each.

    ``renamed`` counts those that got another name for that, ``unnameable`` those that no list can hold.
    """

    def __init__(self, source: str, scan_class: str, *, form: AddressForm = "id", last: bool = False) -> None:
        self.renamed = 0
        self.unnameable = 0
        self._source = source
        self._scan_class = scan_class
        self._form = form
        self._last = last
        self._names = Seen()

    def rows(self, variables: Sequence[Variable], namespaces: Sequence[str]) -> Iterator[list[str]]:
        """The cells of each variable that a list can hold."""
        for variable in variables:
            name, address = self._name(variable), self._address(variable, namespaces)
            if name is None or address is None:
                self.unnameable += 1
            else:
                yield self._row(variable, name, address)

    def _row(self, variable: Variable, name: str, address: str) -> list[str]:
        said, kind = variable.described, variable.value_type
        is_number = kind not in ("text", "bool")
        cells = dict.fromkeys(COLUMNS, "") | {
            "tag": name, "source": self._source, "address": address, "type": str(kind), "scan_class": self._scan_class,
            "units": said.units,
            # Some servers have the name again where nobody has described anything.
            "description": "" if said.description == variable.path[-1].name else said.description,
            "low": number_cell(said.low) if is_number else "", "high": number_cell(said.high) if is_number else "",
            "enum": self._states(variable),
        }  # fmt: skip
        return list(cells.values())

    def _states(self, variable: Variable) -> str:
        states = variable.described.states
        if states is None or variable.value_type in ("text", "float32", "float64"):
            return ""
        if variable.value_type == "bool" and not set(states) <= {0, 1}:
            return ""
        # The sign parts the states of a cell, and cannot be in one.
        return enumeration_cell(json.dumps({code: text.replace("|", "/") for code, text in sorted(states.items())}))

    def _name(self, variable: Variable) -> str | None:
        """A name that no other row has; None where there is none that a tag may have."""
        steps = variable.path[-1:] if self._last else variable.path
        name = "".join(each if each.isprintable() else "_" for each in ".".join(step.name for step in steps)).strip()
        name = re.sub(r"^(?=#|historian\.)", "_", name)
        number, unique = 1, name
        while unique in self._names:
            number += 1
            unique = f"{name}~{number}"
        try:
            check_tag_name(unique)
        except UnusableValueError:
            return None
        self.renamed += number > 1
        self._names.add(unique)
        return unique

    def _address(self, variable: Variable, namespaces: Sequence[str]) -> str | None:
        """None where a cell would not give it back: spaces around it do not count there."""
        address = format_opcua_address(self._address_of(variable, namespaces))
        try:
            parse_opcua_address(address.strip())
        except UnusableValueError:
            return None
        return address if address == address.strip() else None

    def _address_of(self, variable: Variable, namespaces: Sequence[str]) -> OpcUaAddress:
        node = variable.address(namespaces)
        path = BrowsePathAddress(tuple(BrowseName(None, step.name) for step in variable.path))
        forms: dict[AddressForm, OpcUaAddress] = {"id": node, "path": path, "both": NodeAtPathAddress(node, path)}
        return forms[self._form]
