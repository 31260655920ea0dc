"""What became of every value of a file: counts, and of what was refused the first as examples."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from historian.importing.file_samples import Note, Reason

EXAMPLES: Final = 3
"""Refused values of one reason that are shown."""


@dataclass(slots=True)
class Figures:
    """Counts of one file, also kept in the store so that an interrupted import can go on with them.

    ``rows`` read; samples ``imported``, ``replaced``, and ``already`` in the store as they are; ``first_us`` and
    ``last_us`` of what was imported or is there already.  ``refused`` by reason, ``quarantined`` of them in the store's
    quarantine.
    """

    rows: int = 0
    imported: int = 0
    replaced: int = 0
    already: int = 0
    new_tags: int = 0
    known_tags: int = 0
    quarantined: int = 0
    first_us: int | None = None
    last_us: int | None = None
    notes: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)

    def as_json(self) -> str:
        """The way into the store."""
        return json.dumps(self.as_mapping(), ensure_ascii=False)

    def as_mapping(self) -> dict[str, Any]:
        """JSON-ready, by the names of the fields."""
        values = {name: getattr(self, name) for name in self.__slots__}
        return {**values, "notes": dict(self.notes), "refused": dict(self.refused)}

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Figures:
        """The way back."""
        counters = {name: Counter(values[name]) for name in ("notes", "refused")}
        return cls(**{**values, **counters})

    @classmethod
    def from_json(cls, text: str) -> Figures:
        """The way out of the store."""
        return cls.from_mapping(json.loads(text))

    def note(self, notes: Mapping[Note, int]) -> None:
        """Add to the notes."""
        for what, count in notes.items():
            if count:
                self.notes[what] += count

    def refuse(self, reason: Reason, count: int, examples: Sequence[str]) -> None:
        """Add refused values."""
        if count:
            self.refused[reason] += count
            shown = self.examples.setdefault(reason, [])
            shown.extend(examples[: EXAMPLES - len(shown)])

    def reach(self, first_us: int, last_us: int) -> None:
        """Widen the range of time."""
        self.first_us = first_us if self.first_us is None else min(self.first_us, first_us)
        self.last_us = last_us if self.last_us is None else max(self.last_us, last_us)

    def add(self, other: Figures) -> None:
        """Another file's figures on top, without its examples."""
        for name in ("rows", "imported", "replaced", "already", "new_tags", "known_tags", "quarantined"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.notes.update(other.notes)
        self.refused.update(other.refused)
        if other.first_us is not None and other.last_us is not None:
            self.reach(other.first_us, other.last_us)


@dataclass(frozen=True, slots=True)
class FileReport:
    """One file: how it was understood, what it gave.

    ``finished_before_us``: it was imported as a whole then.  ``hint``: what was probably meant otherwise.
    """

    path: str
    understood: str
    figures: Figures
    resumed_at: int = 0
    finished_before_us: int | None = None
    hint: str = ""


def lines(figures: Figures, *, dry_run: bool) -> Iterator[tuple[str, int, Sequence[str]]]:
    """What is said: label, count, examples.  Zeros are left out but for the first."""
    yield "would be imported" if dry_run else "imported", figures.imported, ()
    for label, count in (
        ("would be replaced" if dry_run else "replaced", figures.replaced),
        ("in the store already", figures.already),
    ):
        if count:
            yield label, count, ()
    for label, count in figures.notes.items():
        yield label, count, ()
    for reason, count in figures.refused.items():
        yield f"refused: {reason}", count, figures.examples.get(reason, ())
