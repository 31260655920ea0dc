"""The store from Python: ``import historian; h = historian.open("store")``.

Wires :mod:`storage.reader` and :mod:`historian.retrieval`.  Works in a notebook while another process collects: every
call looks at the store afresh.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime, tzinfo
from functools import partial
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Self, TypeAlias

import pyarrow as pa

from historian.errors import StoreError, UnusableValueError
from historian.retrieval.described import newest_of_each, select_rows, values_at
from historian.retrieval.functions.reading import Readings
from historian.retrieval.history import FIRST_US, LAST_US
from historian.retrieval.kept import KeptConnection
from historian.retrieval.long_table import long_table, read_history
from historian.retrieval.query import Parameters, ask
from historian.retrieval.time_range import TimeRange, find_zone, parse_time, to_us
from storage.ranges import RangeReader
from storage.reader import StoreReader, StoreSnapshot

Moment: TypeAlias = str | datetime
"""A time: a datetime with a zone, or a text such as ``-8h``."""


class Historian:
    """A store, open for reading.  May be used from several threads; close it, or use it in a ``with``.

    Results are :class:`pyarrow.Table`; ``.to_pandas()`` and ``polars.from_arrow()`` are one call away.
    ``time_zone`` is how times without a zone are read and results are shown; the instants are the same in every zone.
    """

    def __init__(self, reader: StoreReader, *, time_zone: str, zone: tzinfo) -> None:
        self._reader = reader
        self._time_zone = time_zone
        self._zone = zone
        self._reading = RangeReader()
        self._readings = Readings(time_zone, self._reading, reader.tag_versions)
        self._kept = KeptConnection(time_zone, self._readings)
        self._is_closed = False

    def sql(self, query: str, parameters: Parameters | None = None) -> pa.Table:
        """The answer to one statement that reads; ``?`` or ``$name`` in it are filled from ``parameters``.

        Views: ``samples``, ``snapshot``, ``tags``, ``sources``, ``audit``.  Raises QueryError with DuckDB's message
        and the place when the SQL is wrong.
        """
        found = self._snapshot()
        with self._kept.lend(found) as connection:
            return ask(connection, query, parameters, partial(self._readings.of, found)).table()

    def history(
        self,
        tags: str | Sequence[str],
        start: Moment | None = None,
        end: Moment | None = None,
    ) -> pa.Table:
        """The stored samples of ``tags``, names or patterns such as ``FIC*``, in [``start``, ``end``).

        Times are datetimes with a zone, or texts as ``-8h``, ``today``, ``2026-11-22 06:00``; without ``start`` from
        the first sample, without ``end`` to the newest.  Columns tag, time, value, value_int, value_text, quality,
        status, units; by tag, in the order asked for, and time.  Raises UsageError for an unknown tag and for times
        the wrong way round.
        """
        found = self._snapshot()
        texts = self._readings.tags(found)
        samples, rows = read_history(self._reading, found, texts, select_rows(tags, texts), self._range(start, end))
        return long_table(samples, rows, texts, self._reader.tag_versions, self._time_zone)

    def snapshot(self) -> pa.Table:
        """The newest sample of each tag, with the last time its source answered; by tag.

        The columns of the view ``snapshot``.
        """
        found = self._snapshot()
        return newest_of_each(found, self._readings.tags(found), self._time_zone, now_us())

    def value_at(self, tags: str | Sequence[str], time: Moment) -> pa.Table:
        """What was stored of each of ``tags``, names or patterns, last at or before an instant; a row a tag.

        Columns tag, at (the instant asked for), time (of the sample), value, value_int, value_text, quality, status,
        status_code, substituted; in the order asked for, null where there was no sample yet.  Nothing is interpolated:
        however old the sample is, it is the one that was known.  Raises UsageError for an unknown tag.
        """
        found = self._snapshot()
        at_us = self._instant(time, now_us())
        texts = self._readings.tags(found)
        return values_at(self._reading, found, texts, select_rows(tags, texts), at_us, time_zone=self._time_zone)

    def tags(self) -> pa.Table:
        """What is known of each tag now; by tag."""
        return self.sql("select * from tags order by tag")

    def _snapshot(self) -> StoreSnapshot:
        if self._is_closed:
            raise StoreError("cannot read the store: it was closed; open it again, or ask inside the with block")
        return self._reader.snapshot()

    def close(self) -> None:
        """Let go of the store; may be called twice."""
        self._is_closed = True
        self._kept.close()
        self._reader.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _range(self, start: Moment | None, end: Moment | None) -> TimeRange:
        now = now_us()
        start_us = FIRST_US if start is None else self._instant(start, now)
        return TimeRange(start_us, LAST_US if end is None else self._instant(end, now))

    def _instant(self, moment: Moment, now_us: int) -> int:
        if isinstance(moment, str):
            return parse_time(moment, now_us, self._zone)
        if moment.tzinfo is None:
            raise UnusableValueError(repr(moment), "a datetime with a time zone, such as datetime.now(UTC)")
        return to_us(moment)


def now_us() -> int:
    """Microseconds since 1970 UTC."""
    return time.time_ns() // 1000


def open_historian(path: str | PathLike[str], *, time_zone: str = "UTC") -> Historian:
    """Open the store in the folder ``path`` for reading; ``historian.open`` is this function.

    Raises StoreNotFoundError, StoreForeignError, StoreVersionError, and UnusableValueError for an unknown time zone.
    """
    zone = find_zone(time_zone)
    return Historian(StoreReader.open(Path(path)), time_zone=time_zone, zone=zone)
