"""What a table function is: a name, parameters, columns, and the Python function that answers."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import pyarrow as pa

if TYPE_CHECKING:
    from historian.retrieval.functions.reading import Reading

Arguments: TypeAlias = Mapping[str, Any]
"""What a call gave, by parameter: texts, numbers, booleans, lists of them, or None."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a table function; ``default`` is SQL, None where a value must be given."""

    name: str
    default: str | None = None

    @property
    def is_needed(self) -> bool:
        """True where a value must be given."""
        return self.default is None

    @property
    def sql(self) -> str:
        """As the macro declares it; in quotes, because ``end`` is a word of SQL."""
        return f'"{self.name}"' if self.default is None else f'"{self.name}" := {self.default}'


@dataclass(frozen=True, slots=True)
class TableFunction:
    """One function that SQL knows.  ``columns`` are those of its answers, times in UTC.

    ``place`` is the Python function, ``module:name`` in this package, imported when it is first called.  It takes a
    :class:`.reading.Reading` and the arguments of a call and gives a table; with ``many`` the arguments of several
    calls, and gives a table for each.
    """

    name: str
    place: str
    parameters: tuple[Parameter, ...]
    columns: pa.Schema
    many: bool = False

    def answer(self, reading: Reading, calls: Sequence[Arguments]) -> Sequence[pa.Table]:
        """A table for each of ``calls``.  Raises UsageError for arguments that make no sense, and CorruptionError."""
        module, _, name = self.place.partition(":")
        found: Callable[..., Any] = getattr(importlib.import_module(f"{__package__}.{module}"), name)
        if self.many:
            tables: Sequence[pa.Table] = found(reading, calls)
            return tables
        return [found(reading, **call) for call in calls]
