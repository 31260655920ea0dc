"""How old the samples of each tag may become, and which files of the archive have older ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final, Literal, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa

from historian.config.settings import RetentionSettings
from historian.model.samples import Int32Array, Int64Array
from storage.arrays import numpy_of
from storage.catalogue import KEPT, CatalogueEntry
from storage.columns import times_us
from storage.compaction_input import Group, Inputs
from storage.compaction_plan import day_start

NEVER: Final = -(1 << 63)
"""The limit of samples that are kept for ever."""

WORTH_IT: Final = 0.25
"""A file is written anew without its oldest samples once they are this share of it: not every day for one more day."""

Verdict: TypeAlias = Literal["whole", "part"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Samples of a tag before its limit go.  ``by_tag`` int64[n] by tag_id; all limits are midnights in UTC."""

    by_tag: Int64Array
    default_us: int

    @classmethod
    def at(cls, now_us: int, settings: RetentionSettings, tags: pa.Table) -> Limits:
        """The limits as of now.  ``tags`` as of ``storage.tags.SCHEMA``: today's names decide, for all the history."""
        default_us = _limit(now_us, settings.keep_us)
        tag_id: Int32Array = numpy_of(tags.column("tag_id"), np.int32)
        by_tag = np.full(int(tag_id.max(initial=0)) + 1, default_us, np.int64)
        for number, name in zip(tag_id.tolist(), tags.column("tag").to_pylist(), strict=True):
            for group in settings.groups:
                if any(fnmatchcase(name, pattern) for pattern in group.patterns):
                    by_tag[number] = _limit(now_us, group.keep_us)
                    break
        return cls(by_tag, default_us)

    def capped(self, time_us: int) -> Limits:
        """The same, but none later than this."""
        return Limits(np.minimum(self.by_tag, time_us), min(self.default_us, time_us))

    @property
    def latest_us(self) -> int:
        """The latest of all."""
        return max(int(self.by_tag.max(initial=NEVER)), self.default_us)

    def of(self, tag_id: Int32Array) -> Int64Array:
        """The limits of these tags."""
        known = np.minimum(tag_id, len(self.by_tag) - 1)
        return np.where(tag_id < len(self.by_tag), self.by_tag[known], self.default_us)

    def between(self, first_tag: int, last_tag: int) -> tuple[int, int]:
        """The smallest and the largest limit of the tags from the first to the last."""
        some = self.by_tag[first_tag : last_tag + 1]
        if last_tag >= len(self.by_tag):
            some = np.append(some, self.default_us)
        return int(some.min()), int(some.max())


def _limit(now_us: int, keep_us: int | None) -> int:
    return NEVER if keep_us is None else day_start(now_us - keep_us)


class Choice(NamedTuple):
    """A file that goes, "whole" or in "part", and why."""

    file: CatalogueEntry
    verdict: Verdict
    reason: str


def choose(
    files: Iterable[CatalogueEntry],
    limits: Limits,
    settings: RetentionSettings,
    expired: Callable[[CatalogueEntry], tuple[int, bool]],
    *,
    until_us: int,
) -> list[Choice]:
    """The files of which something goes.

    ``expired`` looks into a file of which a part may go: how many of its rows, and whether all rows of some tag do.
    Samples from ``until_us`` on stay in any case.
    """
    files = sorted((file for file in files if file.level != KEPT), key=lambda file: (file.last_us, file.number))
    choices = [choice for file in files if (choice := _by_age(file, limits, expired)) is not None]
    gone = {choice.file.number for choice in choices if choice.verdict == "whole"}
    left = [file for file in files if file.number not in gone]
    oldest = [Choice(file, "whole", "max_bytes") for file in _too_large(left, settings.max_bytes, until_us)]
    by_size = {choice.file.number for choice in oldest}
    return [choice for choice in choices if choice.file.number not in by_size] + oldest


def _by_age(
    file: CatalogueEntry, limits: Limits, expired: Callable[[CatalogueEntry], tuple[int, bool]]
) -> Choice | None:
    smallest, largest = limits.between(file.first_tag, file.last_tag)
    if largest <= file.first_us:
        return None
    if file.last_us < smallest:
        return Choice(file, "whole", "keep")
    rows, some_tag_wholly = expired(file)
    if rows == file.rows:
        return Choice(file, "whole", "keep")
    if rows and (some_tag_wholly or rows >= WORTH_IT * file.rows):
        return Choice(file, "part", "keep")
    return None


def _too_large(files: Sequence[CatalogueEntry], max_bytes: int | None, until_us: int) -> Iterable[CatalogueEntry]:
    """The oldest files, until the others fit; none with samples from ``until_us`` on."""
    if max_bytes is None:
        return
    total = sum(file.bytes for file in files)
    for file in files:
        if total <= max_bytes or file.last_us >= until_us:
            return
        total -= file.bytes
        yield file


def count_expired(inputs: Inputs, last_us: int, limits: Limits) -> tuple[int, bool]:
    """Rows of one file that are before their limits, and whether these are all rows of some tag.

    ``last_us`` is the time of the file's newest sample.  Reads only the keys, and only of row groups whose ranges do
    not tell.
    """
    rows, some_tag_wholly = 0, False
    for group in inputs.groups:
        count, largest = _expired_of(inputs, group, limits)
        rows += count
        some_tag_wholly |= largest > last_us
    return rows, some_tag_wholly


def _expired_of(inputs: Inputs, group: Group, limits: Limits) -> tuple[int, int]:
    """How many rows of a row group are expired, and the largest limit of their tags."""
    smallest, largest = limits.between(group.first_tag, group.last_tag)
    if largest <= group.first_us:
        return 0, NEVER
    if smallest == largest and group.last_us < smallest:
        return group.rows, largest
    table = inputs.read(group, ("tag_id", "time"))
    limit = limits.of(numpy_of(table.column("tag_id"), np.int32))
    expired = times_us(table) < limit
    return int(expired.sum()), int(limit[expired].max(initial=NEVER))
