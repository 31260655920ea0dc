"""The columns of the answers.  Times are instants; a session's time zone only decides how they are shown."""

from __future__ import annotations

from typing import Final

import pyarrow as pa

from storage.columns import INT_TYPE

TIME: Final = pa.timestamp("us", tz="UTC")

_VALUE: Final = (
    ("value", pa.float64()),
    ("value_int", INT_TYPE),
    ("value_text", pa.string()),
    ("quality", pa.string()),
    ("status", pa.string()),
)
"""As in the view ``samples``."""

HISTORY_COLUMNS: Final = pa.schema(
    [
        ("tag", pa.string()),
        ("time", TIME),
        *_VALUE,
        ("units", pa.string()),
        ("kind", pa.string()),
        ("note", pa.string()),
    ]
)

INTERPOLATED_COLUMNS: Final = pa.schema([("tag", pa.string()), ("time", TIME), *_VALUE, ("interpolated", pa.bool_())])

AT_COLUMNS: Final = pa.schema(
    [
        ("tag", pa.string()),
        ("at", TIME),
        ("time", TIME),
        *_VALUE,
        ("status_code", pa.uint32()),
        ("substituted", pa.bool_()),
        ("interpolated", pa.bool_()),
    ]
)

PLOT_COLUMNS: Final = pa.schema([("tag", pa.string()), ("time", TIME), *_VALUE, ("pixel", pa.int32())])

_INTERVAL: Final = (("tag", pa.string()), ("time", TIME), ("end", TIME), ("label", pa.string()))
"""The interval of a row; ``label`` is the name of its shift or batch."""

_MEASURE: Final = (("percent_good", pa.float64()), ("quality", pa.string()), ("status", pa.string()))

MEASURE_COLUMNS: Final = pa.schema([*_INTERVAL, ("value", pa.float64()), *_MEASURE])

COUNTER_COLUMNS: Final = pa.schema(
    [*_INTERVAL, ("delta", pa.float64()), ("resets", pa.int64()), ("rollovers", pa.int64()), *_MEASURE]
)

AGGREGATE_COLUMNS: Final = pa.schema(
    [
        *_INTERVAL,
        ("aggregate", pa.string()),
        *_VALUE,
        ("percent_good", pa.float64()),
        ("calculated", pa.bool_()),
        ("interpolated", pa.bool_()),
        ("partial", pa.bool_()),
        ("multiple", pa.bool_()),
    ]
)

PERCENTILE_COLUMNS: Final = pa.schema([*_INTERVAL, ("percent", pa.float64()), ("value", pa.float64()), *_MEASURE])

_STATE: Final = (("state", pa.float64()), ("state_text", pa.string()), ("status", pa.string()))

_LENGTHS: Final = (("shortest", pa.float64()), ("longest", pa.float64()), ("average", pa.float64()))
"""In seconds."""

TIME_IN_STATE_COLUMNS: Final = pa.schema(
    [
        *_INTERVAL,
        *_STATE,
        ("seconds", pa.float64()),
        ("percent", pa.float64()),
        ("entries", pa.int64()),
        ("stays", pa.int64()),
        *_LENGTHS,
    ]
)

ROUND_TRIP_COLUMNS: Final = pa.schema(
    [*_INTERVAL, *_STATE, ("trips", pa.int64()), ("seconds", pa.float64()), *_LENGTHS]
)

STATE_CHANGE_COLUMNS: Final = pa.schema(
    [
        ("tag", pa.string()),
        ("time", TIME),
        *((f"from_{name}", type_) for name, type_ in _STATE),
        *_STATE,
        ("seconds", pa.float64()),
        ("whole", pa.bool_()),
    ]
)

GAP_COLUMNS: Final = pa.schema(
    [("tag", pa.string()), ("time", TIME), ("end", TIME), ("seconds", pa.float64()), ("status", pa.string())]
)

STALE_COLUMNS: Final = pa.schema([("tag", pa.string()), ("time", TIME), ("last_scan", TIME), ("seconds", pa.float64())])

EXPLAIN_COLUMNS: Final = pa.schema(
    [("what", pa.string()), ("time", TIME), *_VALUE, ("substituted", pa.bool_()), ("text", pa.string())]
)
