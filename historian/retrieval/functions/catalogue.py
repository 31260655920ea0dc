"""All table functions: names, parameters with defaults, columns.  docs/reference/functions.md describes each."""

from __future__ import annotations

from typing import Final

from historian.retrieval.functions.columns import AT_COLUMNS, INTERPOLATED_COLUMNS, PLOT_COLUMNS
from historian.retrieval.functions.function import Parameter, TableFunction

_TAGS: Final = Parameter("tags")
_START: Final = Parameter("start")
_END: Final = Parameter("end", "null")
_RANGE: Final = (_TAGS, _START, _END)

FUNCTIONS: Final = (
    TableFunction(
        "interpolated",
        "interpolated:interpolated",
        (_TAGS, _START, Parameter("end"), Parameter("step")),
        INTERPOLATED_COLUMNS,
    ),
    TableFunction(
        "value_at",
        "interpolated:value_at",
        (_TAGS, Parameter("times"), Parameter("mode", "'at_or_before'")),
        AT_COLUMNS,
        many=True,
    ),
    TableFunction("plot", "plot:plot", (_TAGS, _START, Parameter("end"), Parameter("pixels", "1000")), PLOT_COLUMNS),
)
