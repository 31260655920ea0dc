"""Faults gathered while a configuration is read, so that a person sees all of them at once."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from typing import Final, NamedTuple

from historian.config.tag_columns import COLUMNS
from historian.errors import ConfigurationError, Fault

REPEATS_SHOWN: Final = 20
"""The same fault in more lines than these is told once more, with their number: one wrong name in 50,000 rows."""


class Where(NamedTuple):
    """The place of a fault: ``key`` is a dotted key or a column and may be empty, as the line may be unknown."""

    file: str
    line: int | None = None
    key: str = ""

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place} {self.key}".rstrip()


class FaultList:
    """Faults in the order of files, lines and columns; ``first`` is the file whose faults come before all others."""

    def __init__(self, first: str) -> None:
        self._faults: list[tuple[str, int, int, Fault]] = []
        self._files: dict[str, int] = {first: 0}

    def __len__(self) -> int:
        return len(self._faults)

    def add(self, where: Where, got: str, wanted: str, hint: str = "") -> None:
        """One fault at its place."""
        self._files.setdefault(where.file, len(self._files))
        column = COLUMNS.index(where.key) if where.key in COLUMNS else -1
        self._faults.append((where.file, where.line or 0, column, Fault(str(where), got, wanted, hint)))

    def raise_if_any(self) -> None:
        """Raise ConfigurationError with all faults, unless there are none."""
        if self._faults:
            ordered = sorted(self._faults, key=lambda entry: (self._files[entry[0]], *entry[1:3]))
            raise ConfigurationError(_folded([entry[-1] for entry in ordered]))


def _folded(faults: list[Fault]) -> list[Fault]:
    """``faults`` with the many repetitions of one replaced by a last one that counts them."""
    totals = Counter(_kind(fault) for fault in faults)
    seen: Counter[tuple[str, str, str]] = Counter()
    kept = []
    for fault in faults:
        kind = _kind(fault)
        seen[kind] += 1
        left = totals[kind] - REPEATS_SHOWN
        if left <= 1 or seen[kind] <= REPEATS_SHOWN:
            kept.append(fault)
        elif seen[kind] == REPEATS_SHOWN + 1:
            hint = f"{fault.hint}; " if fault.hint else ""
            kept.append(replace(fault, hint=f"{hint}the same in {left - 1:,} more lines"))
    return kept


def _kind(fault: Fault) -> tuple[str, str, str]:
    return re.sub(r":\d+", "", fault.place, count=1), fault.got, fault.wanted
