"""The folders of a server that are found and not yet entered, at some 60 bytes each instead of 600 as objects.

A folder of ten thousand devices is one page after the other before the first of them is entered, because servers keep
few unfinished answers.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Final, TypeAlias

from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import nodeid_from_binary, nodeid_to_binary

from historian.config.opcua_address import BrowseName

Path: TypeAlias = tuple[BrowseName, ...]
Place: TypeAlias = tuple[Path, ua.NodeId]

TOGETHER: Final = 10
"""Siblings in one block: few enough to be taken as a whole."""

_HEAD: Final = struct.Struct("<HI")
"""Namespace index and length of a name, before its text and the node as OPC UA encodes it."""


class WaitingPlaces:
    """Last in, first out: so those that wait are the ones beside the way down, not a whole level."""

    def __init__(self) -> None:
        self._blocks: list[tuple[Path, bytes]] = []

    def put(self, places: Iterable[Place]) -> None:
        """Remember places, each with a path of one step at least and with a namespace in that."""
        for parent, siblings in groupby(places, key=lambda place: place[0][:-1]):
            encoded = [_encoded(path[-1], node) for path, node in siblings]
            self._blocks += [
                (parent, b"".join(encoded[start : start + TOGETHER])) for start in range(0, len(encoded), TOGETHER)
            ]

    def take(self, most: int) -> list[Place]:
        """Up to ``most`` places (:data:`TOGETHER` at least), which wait no more; none when there are none."""
        taken: list[Place] = []
        while self._blocks and len(taken) + TOGETHER <= max(most, TOGETHER):
            taken += _decoded(*self._blocks.pop())
        return taken


def _encoded(name: BrowseName, node: ua.NodeId) -> bytes:
    text = name.name.encode("utf-8", "surrogatepass")  # the library has surrogates for what was no UTF-8
    return _HEAD.pack(name.namespace_index or 0, len(text)) + text + nodeid_to_binary(node)


def _decoded(parent: Path, block: bytes) -> Iterator[Place]:
    buffer = Buffer(block)
    while len(buffer):
        namespace, length = _HEAD.unpack(buffer.read(_HEAD.size))
        name = buffer.read(length).decode("utf-8", "surrogatepass")
        yield (*parent, BrowseName(namespace, name)), nodeid_from_binary(buffer)
