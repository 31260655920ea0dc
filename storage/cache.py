"""What was read of files that never change, kept for the next question within a limit; the oldest goes first."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

KeyT = TypeVar("KeyT", bound=Hashable)
ValueT = TypeVar("ValueT")


class Cache(Generic[KeyT, ValueT]):
    """Values by key, their sizes together at most ``limit`` (or one value).  May be used from several threads."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._turn = threading.Lock()
        self._kept: OrderedDict[KeyT, tuple[ValueT, int]] = OrderedDict()
        self._size = 0

    @property
    def limit(self) -> int:
        """The largest size."""
        return self._limit

    @property
    def size(self) -> int:
        """The sizes of all values together."""
        return self._size

    def __contains__(self, key: KeyT) -> bool:
        return key in self._kept

    def get(self, key: KeyT) -> ValueT | None:
        """The value of ``key``, which was used last now; None where it is not kept."""
        with self._turn:
            found = self._kept.get(key)
            if found is None:
                return None
            self._kept.move_to_end(key)
            return found[0]

    def put(self, key: KeyT, value: ValueT, size: int) -> None:
        """Keep ``value``, unless somebody else has put one there meanwhile."""
        with self._turn:
            if key in self._kept:
                return
            self._kept[key] = value, size
            self._size += size
            while self._size > self._limit and len(self._kept) > 1:
                _, (_, old) = self._kept.popitem(last=False)
                self._size -= old
