"""The store from Python: ``import historian; h = historian.open("store")``.

Wires :mod:`storage.reader` and :mod:`historian.retrieval`.  Works in a notebook while another process collects: every
call looks at the store afresh.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa

from historian.errors import StoreError, UsageError
from historian.retrieval.described import newest_of_each
from historian.retrieval.functions.arguments import Moment, Step
from historian.retrieval.functions.catalogue import FUNCTIONS
from historian.retrieval.functions.reading import Readings
from historian.retrieval.kept import KeptConnection
from historian.retrieval.query import Parameters, ask
from historian.retrieval.time_range import find_zone
from storage.reader import StoreReader, StoreSnapshot


class Historian:
    """A store, open for reading.  May be used from several threads; close it, or use it in a ``with``.

    Results are :class:`pyarrow.Table`; ``.to_pandas()`` and ``polars.from_arrow()`` are one call away.
    ``time_zone`` is how times without a zone are read and results are shown; the instants are the same in every zone.
    """

    def __init__(self, reader: StoreReader, *, time_zone: str) -> None:
        self._reader = reader
        self._time_zone = time_zone
        self._time = pa.timestamp("us", tz=time_zone)
        self._readings = Readings(time_zone, versions_of=reader.tag_versions)
        self._kept = KeptConnection(time_zone, self._readings)
        self._is_closed = False

    def sql(self, query: str, parameters: Parameters | None = None) -> pa.Table:
        """The answer to one statement that reads; ``?`` or ``$name`` in it are filled from ``parameters``.

        Views (``samples``, ``snapshot``, ``tags`` ...) and table functions (``aggregate(...)`` ...) are in the
        reference.  Raises QueryError with DuckDB's message and the place when the SQL is wrong.
        """
        found = self._snapshot()
        with self._kept.lend(found) as connection:
            return ask(connection, query, parameters, partial(self._readings.of, found)).table()

    def history(
        self,
        tags: str | Sequence[str],
        start: Moment | None = None,
        end: Moment | None = None,
        *,
        boundary: str = "inside",
        max_rows: int | None = None,
    ) -> pa.Table:
        """The stored samples of ``tags``, names or patterns such as ``FIC*``, in [``start``, ``end``).

        Times are datetimes with a zone, or texts as ``-8h``, ``today``, ``2026-11-22 06:00``; without ``start`` from
        the first sample, without ``end`` to the newest; backwards when the start is the later.  ``boundary`` is
        ``inside``, ``outside`` (with the samples beside the range) or ``interpolated`` (with the values at its ends);
        ``max_rows`` the most of each tag.  Columns tag, time, value, value_int, value_text, quality, status, units,
        kind, note; by tag, in the order asked for, and time.  Raises UsageError, for an unknown tag for instance.
        """
        return self._ask("history", tags=tags, start=start, end=end, boundary=boundary, max_rows=max_rows)

    def interpolated(self, tags: str | Sequence[str], start: Moment, end: Moment, step: Step) -> pa.Table:
        """The value of each of ``tags`` at the beginning of each ``step``: ``10s``, ``1 day``, a timedelta.

        On the line between two samples, held for step tags, none across a Bad interval.  Columns tag, time, value,
        value_int, value_text, quality, status, interpolated.  Raises UsageError.
        """
        return self._ask("interpolated", tags=tags, start=start, end=end, step=step)

    def aggregate(
        self,
        tags: str | Sequence[str],
        start: Moment | None = None,
        end: Moment | None = None,
        step: Step | None = None,
        aggregates: str | Sequence[str] = "TimeAverage",
        **options: object,
    ) -> pa.Table:
        """The ``aggregates`` of OPC UA Part 13 of each of ``tags`` over each ``step``, or over all of the range.

        ``options``: stepped, treat_uncertain_as_bad, percent_good, percent_bad, sloped_extrapolation; and while_tag,
        while_value, during, which say what time counts.  Columns tag, time, end, label, aggregate, value, value_int,
        value_text, quality, status, percent_good, calculated, interpolated, partial, multiple.  Raises UsageError.
        """
        return self._ask("aggregate", tags=tags, start=start, end=end, step=step, aggregates=aggregates, **options)

    def plot(self, tags: str | Sequence[str], start: Moment, end: Moment, pixels: int = 1000) -> pa.Table:
        """The few samples that draw lines as all would: of each pixel column first, last, smallest and largest.

        Columns tag, time, value, value_int, value_text, quality, status, pixel.  Raises UsageError.
        """
        return self._ask("plot", tags=tags, start=start, end=end, pixels=pixels)

    def snapshot(self) -> pa.Table:
        """The newest sample of each tag, with the last time its source answered; by tag.

        The columns of the view ``snapshot``.
        """
        found = self._snapshot()
        return newest_of_each(found, self._readings.tags(found), self._time_zone, now_us())

    def value_at(
        self, tags: str | Sequence[str], times: Moment | Sequence[Moment], mode: str = "at_or_before"
    ) -> pa.Table:
        """What each of ``tags``, names or patterns, was at an instant or at each of many; a row a tag and instant.

        ``mode``: ``at_or_before``, ``before``, ``exact``, ``at_or_after``, ``after`` or ``interpolated``.  Columns tag,
        at (the instant asked for), time (of the sample), value, value_int, value_text, quality, status, status_code,
        substituted, interpolated; by tag, in the order asked for, and instant.  Where there is no such sample the
        value is null and the status BadNoData.  However old the sample is, it is the one that was known.  Raises
        UsageError.
        """
        return self._ask("value_at", tags=tags, times=times, mode=mode)

    def ask(self, function: str, **arguments: object) -> pa.Table:
        """The answer of any table function of SQL, by its name and parameters: ``h.ask("gaps", tags="FIC*", ...)``.

        Raises UsageError for a name or a parameter that there is not, and what the function raises.
        """
        return self._ask(function, **arguments)

    def _ask(self, name: str, **arguments: object) -> pa.Table:
        known = {function.name: function for function in FUNCTIONS}
        if name not in known:
            raise UsageError(f"cannot ask {name!r}: there is no such function; there are: {', '.join(known)}")
        function = known[name]
        parameters = [parameter.name for parameter in function.parameters]
        wrong = [argument for argument in arguments if argument not in parameters]
        if wrong:
            raise UsageError(f"cannot ask {name}: it has no {wrong[0]!r}; its parameters are: {', '.join(parameters)}")
        missing = [parameter.name for parameter in function.parameters if parameter.is_needed]
        missing = [name for name in missing if name not in arguments]
        if missing:
            raise UsageError(f"cannot ask {name}: got no {missing[0]!r}; its parameters are: {', '.join(parameters)}")
        (table,) = function.answer(self._readings.of(self._snapshot()), [arguments])
        return self._in_zone(table)

    def _in_zone(self, table: pa.Table) -> pa.Table:
        """Times as those of the store's zone; the instants stay."""
        fields = [field.with_type(self._time) if pa.types.is_timestamp(field.type) else field for field in table.schema]
        return table.cast(pa.schema(fields))

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


def now_us() -> int:
    """Microseconds since 1970 UTC."""
    return time.time_ns() // 1000


def open_historian(path: str | PathLike[str], *, time_zone: str = "UTC") -> Historian:
    """Open the store in the folder ``path`` for reading; ``historian.open`` is this function.

    Raises StoreNotFoundError, StoreForeignError, StoreVersionError, and UnusableValueError for an unknown time zone.
    """
    find_zone(time_zone)  # before anything is opened
    return Historian(StoreReader.open(Path(path)), time_zone=time_zone)
