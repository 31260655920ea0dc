"""OPC UA addresses, as tag lists write them: a NodeId, a browse path from the Objects folder, or both.

Parsed here to check a configuration, and again by :mod:`collectors.opcua` to read the nodes.  The text of NodeIds is
that of OPC 10000-6, 5.3.1.10: ``i=2258``, ``ns=2;s=TIC205.PV``, ``ns=1;b=M/RbKBsRVkePCePcx24oRA==``,
``nsu=urn:plant;g=09087e75-8e5e-499b-954f-f2a9603db28a``.  Browse paths are those relative paths of OPC 10000-4, A.2,
that go down hierarchical references only: ``/Plant/2:TIC205/PV``; ``&`` before a character takes away its meaning
(``/Plant/A&/B``).  Both are a path, ``@`` and the NodeId that it has to lead to:
``/Plant/TIC205/PV@nsu=urn:plant;i=1001``.
"""

from __future__ import annotations

import base64
import binascii
import re
import uuid
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, cast

from historian.config.nearest import shown
from historian.errors import UnusableValueError

IdentifierType: TypeAlias = Literal["i", "s", "g", "b"]
Identifier: TypeAlias = int | str | uuid.UUID | bytes

WANTED: Final = (
    "a NodeId such as ns=2;s=TIC205.PV or nsu=URI;i=1001, or a browse path from Objects such as /Plant/TIC205/PV"
)

MAX_NAMESPACE: Final = 65_535
MAX_NUMBER: Final = 4_294_967_295
MAX_STRING: Final = 4_096
"""Longest identifier a server must accept (OPC 10000-3, 8.2.4)."""

_NODE_ID: Final = re.compile(r"(?:ns=(\d+);|nsu=([^;]+);)?([isgb])=(.*)", re.ASCII | re.DOTALL)
_STEP: Final = re.compile(r"(?:(\d+):)?(.*)", re.ASCII | re.DOTALL)
_NODE: Final = r"(?:ns=\d+;|nsu=[^;]+;)?[isgb]="
_AT_NODE: Final = re.compile(rf"((?:&.|[^&@]|@(?!{_NODE}))+)@({_NODE}.*)", re.ASCII | re.DOTALL)
_RESERVED: Final = "/.<>:#!&@"
"""The characters that ``&`` may stand before (OPC 10000-4, A.2), and the one between a path and its node."""


@dataclass(frozen=True, slots=True)
class NodeIdAddress:
    """A node by its identifier.  The namespace is known by ``namespace_uri`` or, when that is None, by its index.

    ``identifier`` is int for type ``i``, str for ``s``, UUID for ``g``, bytes for ``b``.
    """

    namespace_index: int | None
    namespace_uri: str | None
    identifier_type: IdentifierType
    identifier: Identifier


@dataclass(frozen=True, slots=True)
class BrowseName:
    """One step of a browse path.  ``namespace_index`` None: the name in whichever namespace it is found."""

    namespace_index: int | None
    name: str


@dataclass(frozen=True, slots=True)
class BrowsePathAddress:
    """A node by the names that lead to it from the Objects folder (i=85); at least one."""

    steps: tuple[BrowseName, ...]


@dataclass(frozen=True, slots=True)
class NodeAtPathAddress:
    """A node by its identifier, which is read only while the browse path leads to it."""

    node: NodeIdAddress
    path: BrowsePathAddress


OpcUaAddress: TypeAlias = NodeIdAddress | BrowsePathAddress | NodeAtPathAddress


def parse_opcua_address(text: str) -> OpcUaAddress:
    """The node that ``text`` names.  Raises UnusableValueError when it is neither a NodeId nor a browse path."""
    if not text.startswith("/"):
        return _parse_node(text)
    if both := _AT_NODE.fullmatch(text):
        return NodeAtPathAddress(_parse_node(both[2]), _parse_path(both[1]))
    return _parse_path(text)


def _parse_path(text: str) -> BrowsePathAddress:
    return BrowsePathAddress(tuple(_browse_name(text, step) for step in _split_path(text)))


def _parse_node(text: str) -> NodeIdAddress:
    match = _NODE_ID.fullmatch(text)
    if match is None:
        raise UnusableValueError(shown(text), WANTED, _hint(text))
    index, uri, kind, identifier = match.groups()
    if index is None:
        namespace = None if uri is not None else 0
    else:
        namespace = _in_range(text, index, MAX_NAMESPACE, "a namespace index")
    return NodeIdAddress(
        namespace, None if uri is None else _unescape_uri(uri),
        cast("IdentifierType", kind), _identifier(text, kind, identifier),
    )  # fmt: skip


def _identifier(text: str, kind: str, identifier: str) -> Identifier:
    if kind == "i":
        return _in_range(text, identifier, MAX_NUMBER, "a number after i=")
    if kind == "g":
        return _guid(text, identifier)
    if kind == "b":
        return _opaque(text, identifier)
    if not 1 <= len(identifier) <= MAX_STRING:
        raise UnusableValueError(shown(text), f"1 to {MAX_STRING} characters after s=")
    return identifier


def _in_range(text: str, digits: str, highest: int, what: str) -> int:
    # The length goes first, because int() refuses very long numbers with an error of its own.
    if digits.isascii() and digits.isdigit() and len(digits) <= 10 and int(digits) <= highest:
        return int(digits)
    hint = "" if not digits or digits.isdigit() else f"did you mean 's={digits}'?" if what.endswith("i=") else ""
    raise UnusableValueError(shown(text), f"{what} from 0 to {highest}", hint)


def _guid(text: str, identifier: str) -> uuid.UUID:
    if not re.fullmatch(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}", identifier):
        raise UnusableValueError(shown(text), "a GUID after g=, such as 09087e75-8e5e-499b-954f-f2a9603db28a")
    return uuid.UUID(identifier)


def _opaque(text: str, identifier: str) -> bytes:
    try:
        decoded = base64.b64decode(identifier, validate=True)
    except (binascii.Error, ValueError) as error:  # ValueError: characters beyond ASCII
        raise UnusableValueError(shown(text), "bytes in base64 after b=, such as M/RbKBsRVkePCePcx24oRA==") from error
    if not decoded:
        raise UnusableValueError(shown(text), "at least one byte in base64 after b=")
    return decoded


def _unescape_uri(uri: str) -> str:
    """``%3B`` and ``%25`` stand for ``;`` and ``%`` in a namespace URI (OPC 10000-6, 5.1.13)."""
    return re.sub(r"%(3[Bb]|25)", lambda match: ";" if match[1] != "25" else "%", uri)


def _split_path(text: str) -> list[str]:
    """The steps between the slashes that no ``&`` stands before, still escaped."""
    return [step[1:] for step in re.findall(r"/(?:&.|[^/&]|&$)*", text, re.DOTALL)]


def _browse_name(text: str, step: str) -> BrowseName:
    match = _STEP.fullmatch(step)
    digits, escaped = match.groups() if match else (None, step)
    if not escaped:
        raise UnusableValueError(shown(text), "a name after every /", "write &/ for a / that belongs to a name")
    wrong = re.search(rf"&(?![{re.escape(_RESERVED)}])", re.sub(r"&&", "", escaped))
    if wrong:
        raise UnusableValueError(shown(text), f"one of {' '.join(_RESERVED)} after &", "write && for an & of a name")
    namespace = None if digits is None else _in_range(text, digits, MAX_NAMESPACE, "a namespace index before :")
    return BrowseName(namespace, re.sub(r"&(.)", r"\1", escaped, flags=re.DOTALL))


def _hint(text: str) -> str:
    if re.match(r"(?:hr|ir|coil|di):\d|\d{5,6}$", text):
        return "that is a Modbus address, and the source speaks OPC UA"
    if text.startswith("svr="):
        return "nodes of other servers are read from a source of their own"
    if match := re.fullmatch(r"(nsu?=[^;,:\s]+)[,:\s]\s*([isgb]=.+)", text):
        return f"did you mean '{match[1]};{match[2]}'?"
    if match := re.fullmatch(r"(ns=\d+);([^=]+)", text):
        return f"did you mean '{match[1]};s={match[2]}'?"
    if re.fullmatch(r"Objects?/.+|[^=;]+/[^=;]+", text):
        return f"did you mean '/{re.sub('^Objects?/', '', text)}'?"
    return ""


def format_opcua_address(address: OpcUaAddress) -> str:
    """The text that :func:`parse_opcua_address` reads as ``address``."""
    if isinstance(address, NodeAtPathAddress):
        return f"{format_opcua_address(address.path)}@{format_opcua_address(address.node)}"
    if isinstance(address, BrowsePathAddress):
        return "".join(f"/{_step_text(step)}" for step in address.steps)
    if address.namespace_uri is not None:
        namespace = f"nsu={address.namespace_uri.replace('%', '%25').replace(';', '%3B')};"
    else:
        namespace = f"ns={address.namespace_index};" if address.namespace_index else ""
    return f"{namespace}{address.identifier_type}={_identifier_text(address.identifier)}"


def _step_text(step: BrowseName) -> str:
    # Of the characters that may be escaped, those that mean something here.
    escaped = re.sub(r"([/&:@])", r"&\1", step.name)
    return escaped if step.namespace_index is None else f"{step.namespace_index}:{escaped}"


def _identifier_text(identifier: Identifier) -> str:
    return base64.b64encode(identifier).decode("ascii") if isinstance(identifier, bytes) else str(identifier)
