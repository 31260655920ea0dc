"""One tag of a store as the commands that correct its samples see it: its type, and what is there at a time."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path
from typing import Any, Final

from cli.options import read_time
from cli.typed_value import TypedValue
from historian.errors import UsageError
from historian.model.tag import ValueType
from historian.retrieval.history import EVER, Scope, open_scope, sql_time
from historian.retrieval.query import ask
from historian.retrieval.tag_selection import hint
from historian.retrieval.time_range import format_time
from storage.reader import StoreReader

_SAMPLE: Final = "select value, value_int, value_text, quality = 'Bad' as bad from samples where time = '{at}'"
_NEAREST: Final = """
select epoch_us(time) as time_us
from ((select max(time) as time from samples where time < '{at}')
      union all (select min(time) from samples where time > '{at}')) where time is not null"""
_SUMMARY: Final = """
select count(*) as samples, epoch_us(min(time)) as first_us, epoch_us(max(time)) as last_us, min(value) as low,
       max(value) as high, count(*) filter (quality = 'Bad') as bad
from samples where time >= '{start}' and time < '{end}'"""


@dataclass(frozen=True, slots=True)
class Found:
    """The sample at a time."""

    value: float | int | str | None
    is_bad: bool


@dataclass(frozen=True, slots=True)
class Summary:
    """The samples of a range."""

    samples: int
    first_us: int | None
    last_us: int | None
    low: float | None
    high: float | None
    bad: int

    def __str__(self) -> str:
        assert self.first_us is not None and self.last_us is not None  # noqa: S101, PT018 - only where there are samples
        values = "" if self.low is None else f", values {self.low:g} to {self.high:g}"
        bad = f", {self.bad:,} of them Bad" if self.bad else ""
        count = "1 sample" if self.samples == 1 else f"{self.samples:,} samples"
        return f"{count} from {format_time(self.first_us)} to {format_time(self.last_us)}{values}{bad}"


@dataclass(frozen=True, slots=True)
class OneTag:
    """A tag by its name, and its samples."""

    name: str
    tag_id: int
    typed: TypedValue
    scope: Scope
    now_us: int

    def time_us(self, option: str, text: str, zone: tzinfo) -> int:
        """The time that an option says.  Raises UsageError naming the option."""
        return read_time(option, text, self.now_us, zone)

    def sample(self, at_us: int) -> Found | None:
        """What is there at exactly this time."""
        rows = ask(self.scope.connection, _SAMPLE.format(at=sql_time(at_us))).table().to_pylist()
        if not rows:
            return None
        (row,) = rows
        whole = None if row["value_int"] is None else int(row["value_int"])
        # The text last: of a tag with an enumeration it is the text of the code.
        values = (whole, row["value"], row["value_text"])
        return Found(next((value for value in values if value is not None), None), bool(row["bad"]))

    def nothing_at(self, at_us: int) -> str:
        """That there is no sample at this time, and where the nearest ones are."""
        rows = ask(self.scope.connection, _NEAREST.format(at=sql_time(at_us))).table().to_pylist()
        near = " and ".join(format_time(row["time_us"]) for row in rows)
        where = f"its nearest samples are at {near}" if near else "it has no samples at all"
        return (
            f"cannot edit {self.name}: it has no sample at {format_time(at_us)}; {where}; give the time of one, or "
            "make a new one with --insert"
        )

    def refuse_future(self, at_us: int) -> None:
        """A sample of a time that has not come yet is a slip.  Raises UsageError."""
        if at_us > self.now_us:
            raise UsageError(f"cannot insert a sample of {self.name} at {format_time(at_us)}: this is in the future")

    def describe(self, start_us: int, end_us: int) -> Summary:
        """The samples from ``start_us`` on and before ``end_us``."""
        sql = _SUMMARY.format(start=sql_time(start_us), end=sql_time(end_us))
        (row,) = ask(self.scope.connection, sql).table().to_pylist()
        return Summary(**row)


@contextmanager
def open_tag(folder: Path, name: str) -> Iterator[OneTag]:
    """A tag of the store in ``folder``.  Raises UsageError that names the nearest for an unknown one."""
    with StoreReader.open(folder) as reader:
        known = reader.snapshot().tags.column("tag").to_pylist()
        if name not in known:
            raise UsageError(f"cannot find the tag: there is no tag {name!r}; {hint(name, known)}")
        with open_scope(reader, [name], EVER) as scope:
            (row,) = scope.metadata.to_pylist()
            yield OneTag(name, row["tag_id"], _typed(row), scope, time.time_ns() // 1000)


def _typed(row: dict[str, Any]) -> TypedValue:
    type_ = None if row["value_type"] is None else ValueType(row["value_type"])
    texts = json.loads(row["enumeration"]) if row["enumeration"] else {}
    scaled = row["scale"] not in {None, 1.0} or row["offset"] not in {None, 0.0}
    return TypedValue(type_, scaled, {int(code): text for code, text in texts.items()})
