"""From the conditions of a query to the tags and times it can touch at most."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import duckdb
import numpy as np

from historian.model.samples import IndexArray
from historian.retrieval.described import TagTexts
from historian.retrieval.history import FIRST_US, LAST_US
from historian.retrieval.narrowing.conditions import Bound, Named, OneOf, Wanted
from historian.retrieval.narrowing.syntax import Node, nodes, select_sql, text_of
from historian.retrieval.time_range import to_us

SLACK_US: Final = 1_000_000
"""So much more time at both ends: what types DuckDB compares in, and how it rounds, need not be known then."""

_INSTANT: Final = re.compile(
    r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d(:\d\d)?)",
)
"""A time that means the same in every zone, and that Python reads as DuckDB does."""


@dataclass(frozen=True, slots=True)
class Extent:
    """``rows`` intp[k] of the table of tags, sorted, None for all; the time from ``start_us`` to before ``end_us``."""

    rows: IndexArray | None
    start_us: int
    end_us: int

    @property
    def is_everything(self) -> bool:
        """True when nothing is left out."""
        return self.rows is None and self.start_us == FIRST_US and self.end_us == LAST_US


EVERYTHING: Final = Extent(None, FIRST_US, LAST_US)


@dataclass(frozen=True, slots=True)
class Evaluator:
    """Works out conditions with the parameters of one query."""

    connection: duckdb.DuckDBPyConnection
    tags: TagTexts
    parameters: Mapping[str, object]

    def extent(self, wanted: Sequence[Wanted]) -> Extent:
        """All that some reference touches."""
        found = [self._of(each) for each in wanted]
        if not found:
            return EVERYTHING
        sets = [each.rows for each in found if each.rows is not None]
        rows = np.unique(np.concatenate(sets)) if len(sets) == len(found) else None
        return Extent(rows, min(each.start_us for each in found), max(each.end_us for each in found))

    def _of(self, wanted: Wanted) -> Extent:
        start_us, end_us = FIRST_US, LAST_US
        for bound, time_us in zip(wanted.times, self._times(wanted.times), strict=True):
            if time_us is None:
                continue
            if bound.side == "low":
                start_us = max(start_us, time_us - SLACK_US)
            else:
                end_us = min(end_us, time_us + SLACK_US)
        rows: IndexArray | None = None
        for condition in wanted.tags:
            mine = self._rows(condition, is_outer=wanted.is_outer)
            if mine is not None:
                rows = mine if rows is None else np.intersect1d(rows, mine)
        return Extent(rows, start_us, max(end_us, start_us))

    def _times(self, bounds: Sequence[Bound]) -> list[int | None]:
        """Microseconds of each; None where that cannot be told."""
        times = [self._plain_us(bound.value) for bound in bounds]
        missing = [place for place, time_us in enumerate(times) if time_us is None]
        if missing:
            worked_out = self._worked_out([bounds[place].value for place in missing])
            for place, time_us in zip(missing, worked_out, strict=True):
                times[place] = time_us
        return times

    def _plain_us(self, node: Node) -> int | None:
        """Without asking DuckDB, which takes 1 ms: for times with a zone."""
        value = self.parameters.get(node["identifier"]) if node["class"] == "PARAMETER" else text_of(node)
        if isinstance(value, str) and _INSTANT.fullmatch(value):
            try:
                return to_us(datetime.fromisoformat(value))
            except ValueError:
                return None
        return to_us(value) if isinstance(value, datetime) and value.tzinfo is not None else None

    def _worked_out(self, values: Sequence[Node]) -> Sequence[int | None]:
        names = [f"c{place}" for place in range(len(values))]
        wanted = ", ".join(f"epoch_us({name}::timestamptz)" for name in names)
        try:
            inner = select_sql(self.connection, values)
            sql = f"select {wanted} from ({inner}) t({', '.join(names)})"  # noqa: S608 - constants of the person's query
            return [us if isinstance(us, int) else None for us in self._fetch(sql, values)[0]]
        except duckdb.Error:
            return [None] * len(values)

    def _rows(self, condition: OneOf | Named, *, is_outer: bool) -> IndexArray | None:
        """The tags for which it holds; None where that cannot be told."""
        if isinstance(condition, OneOf):
            names = [self._text(value) for value in condition.values]
            if not all(name is None or isinstance(name, str) for name in names):
                return None
        else:
            found = self._names(condition.condition, is_outer=is_outer)
            if found is None:
                return None
            names = found
        rows = [self.tags.rows[name] for name in set(names) if isinstance(name, str) and name in self.tags.rows]
        return np.array(sorted(rows), np.intp)

    def _text(self, node: Node) -> object:
        return self.parameters.get(node["identifier"], 0) if node["class"] == "PARAMETER" else text_of(node)

    def _names(self, condition: Node, *, is_outer: bool) -> list[object] | None:
        plain = copy.deepcopy(condition)
        columns = [node for node in nodes(plain) if node.get("class") == "COLUMN_REF"]
        for column in columns:
            column["column_names"] = ["tag"]
        try:
            where = select_sql(self.connection, [plain])
            if is_outer and self._fetch(f"{where} from (select null::varchar as tag)", [plain])[0][0]:
                return None
            return [row[0] for row in self._fetch(select_sql(self.connection, [columns[0]], plain), [plain])]
        except duckdb.Error:
            return None

    def _fetch(self, sql: str, parts: Sequence[Node]) -> list[tuple[object, ...]]:
        used = {str(node["identifier"]) for part in parts for node in nodes(part) if node.get("class") == "PARAMETER"}
        given = {name: self.parameters[name] for name in used if name in self.parameters}
        return self.connection.execute(sql, given or None).fetchall()
