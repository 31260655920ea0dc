"""The health figures as tables: behind the views of sources, workers and process.

They are kept as JSON by name (:mod:`storage.health`); a figure that an older version did not write is null.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias

import pyarrow as pa

from historian.model.spread import limit_of
from storage.arrays import column_of
from storage.health import SOURCE, WORKER

Figures: TypeAlias = Mapping[str, Mapping[str, object]]

_TIME: Final = pa.timestamp("us", tz="UTC")

SOURCES_SCHEMA: Final = pa.schema(
    [
        ("source", pa.string()),
        ("protocol", pa.string()),
        ("url", pa.string()),
        ("state", pa.string()),
        ("points", pa.int64()),
        ("good", pa.int64()),
        ("uncertain", pa.int64()),
        ("bad", pa.int64()),
        ("scans", pa.int64()),
        ("requests", pa.int64()),
        ("overruns", pa.int64()),
        ("errors", pa.int64()),
        ("reconnects", pa.int64()),
        ("skewed", pa.int64()),
        ("lost", pa.int64()),
        ("backfilled", pa.int64()),
        ("latency_ms", pa.float64()),
        ("latency_p50_ms", pa.float64()),
        ("latency_p99_ms", pa.float64()),
        ("latency_max_ms", pa.float64()),
        ("lateness_ms", pa.float64()),
        ("lateness_p99_ms", pa.float64()),
        ("lateness_max_ms", pa.float64()),
        ("last_good", _TIME),
        ("last_error", pa.string()),
        ("updated", _TIME),
        ("worker", pa.int64()),
    ]
)
"""One line a source; ``last_good`` and ``updated`` are null when there was none, ``worker`` when no other process reads
it."""

ERRORS_SCHEMA: Final = pa.schema([("source", pa.string()), ("kind", pa.string()), ("errors", pa.int64())])
"""One line a source and status with which it has failed."""

LATENESS_SCHEMA: Final = pa.schema([("source", pa.string()), ("up_to_ms", pa.float64()), ("scans", pa.int64())])
"""One line a source and limit that some scans did not exceed; infinity for those beyond all limits."""

PROCESS_SCHEMA: Final = pa.schema(
    [
        ("pid", pa.int64()),
        ("version", pa.string()),
        ("started", _TIME),
        ("updated", _TIME),
        ("store_state", pa.string()),
        ("samples_in", pa.int64()),
        ("samples_reported", pa.int64()),
        ("samples_suppressed", pa.int64()),
        ("samples_stored", pa.int64()),
        ("unchanged", pa.int64()),
        ("restamped", pa.int64()),
        ("quarantined", pa.int64()),
        ("rate_per_s", pa.float64()),
        ("commits", pa.int64()),
        ("commit_ms", pa.float64()),
        ("commit_p50_ms", pa.float64()),
        ("commit_p99_ms", pa.float64()),
        ("commit_max_ms", pa.float64()),
        ("commit_rows", pa.int64()),
        ("pending_rows", pa.int64()),
        ("late_rows", pa.int64()),
        ("memory_bytes", pa.int64()),
        ("cpu_percent", pa.float64()),
        ("main_cpu_percent", pa.float64()),
        ("last_error", pa.string()),
    ]
)
"""One line, or none for a store that nobody ever collected into."""

WORKERS_SCHEMA: Final = pa.schema(
    [
        ("worker", pa.int64()),
        ("pid", pa.int64()),
        ("state", pa.string()),
        ("sources", pa.int64()),
        ("memory_bytes", pa.int64()),
        ("cpu_percent", pa.float64()),
        ("restarts", pa.int64()),
        ("last_error", pa.string()),
        ("updated", _TIME),
    ]
)
"""One line a worker process, none where the sources are read by the collecting process itself."""


def health_tables(figures: Figures) -> dict[str, pa.Table]:
    """The tables behind the views, by the views' names."""
    sources = {name.removeprefix(SOURCE): row for name, row in sorted(figures.items()) if name.startswith(SOURCE)}
    workers = {name.removeprefix(WORKER): row for name, row in sorted(figures.items()) if name.startswith(WORKER)}
    process = figures.get("process")
    return {
        "sources": _table(({**row, "source": name} for name, row in sources.items()), SOURCES_SCHEMA),
        "source_errors": _table(_errors(sources), ERRORS_SCHEMA),
        "source_lateness": _table(_lateness(sources), LATENESS_SCHEMA),
        "workers": _table(({**row, "worker": int(number)} for number, row in workers.items()), WORKERS_SCHEMA),
        "process": _table([process] if process else [], PROCESS_SCHEMA),
    }


def _errors(sources: Figures) -> Iterable[dict[str, object]]:
    for name, row in sources.items():
        kinds = row.get("errors_by_kind")
        for kind, errors in sorted(kinds.items()) if isinstance(kinds, dict) else ():
            yield {"source": name, "kind": kind, "errors": errors}


def _lateness(sources: Figures) -> Iterable[dict[str, object]]:
    for name, row in sources.items():
        counts = row.get("lateness_counts")
        limits = {limit_of(text): scans for text, scans in counts.items()} if isinstance(counts, dict) else {}
        for limit, scans in sorted(limits.items()):
            yield {"source": name, "up_to_ms": limit, "scans": scans}


def _table(figures: Iterable[Mapping[str, object]], schema: pa.Schema) -> pa.Table:
    rows = list(figures)
    columns = [column_of([_figure(row, field) for row in rows], field.type) for field in schema]
    return pa.Table.from_arrays(columns, schema=schema)


def _figure(row: Mapping[str, object], field: pa.Field) -> Any:  # noqa: ANN401 - what the column holds
    # Figures write a time that never was as 0, or leave it out.
    return row.get(f"{field.name}_us") or None if pa.types.is_timestamp(field.type) else row.get(field.name)
