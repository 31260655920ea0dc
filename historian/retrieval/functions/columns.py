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
