"""What is found damaged, and exactly where; :mod:`storage.verify` makes these, people and programs read them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Final, Literal, TypeAlias

Kind: TypeAlias = Literal[
    "database", "schema", "row", "missing", "unknown file", "checksum", "unreadable", "footer", "catalogue", "rows",
    "order", "duplicate", "value", "tags",
]  # fmt: skip

UNUSABLE: Final = frozenset(
    {"missing", "unknown file", "checksum", "unreadable", "footer", "catalogue", "rows", "order"}
)
"""Kinds of damage for which a file is set aside.  Samples that are there twice are no reason to lose the others."""


@dataclass(frozen=True, slots=True)
class Damage:
    """One damage.

    In the archive: ``file`` (below ``archive/``), ``row_group`` and ``column`` as far as they are known.  In the
    database: ``table`` and ``row``, its number or key.
    """

    kind: Kind
    reason: str
    file: str | None = None
    row_group: int | None = None
    column: str | None = None
    table: str | None = None
    row: str | None = None

    @property
    def place(self) -> str:
        """Where it is, for people."""
        if self.file is not None:
            parts = [self.file, _named("row group", self.row_group), _named("column", self.column)]
        else:
            parts = ["historian.sqlite", _named("table", self.table), _named("row", self.row)]
        return ", ".join(part for part in parts if part)

    def as_mapping(self) -> dict[str, object]:
        """The fields that say something, JSON-ready."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def __str__(self) -> str:
        return f"{self.place}: {self.reason}"


def _named(what: str, value: object) -> str:
    return "" if value is None else f"{what} {value}"
