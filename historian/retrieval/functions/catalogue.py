"""All table functions: names, parameters with defaults, columns.  docs/reference/functions.md describes each."""

from __future__ import annotations

from typing import Final

from historian.retrieval.functions import columns
from historian.retrieval.functions.function import Parameter, TableFunction

_TAGS: Final = Parameter("tags")
_START: Final = Parameter("start")
_END: Final = Parameter("end")
_RANGE: Final = (_TAGS, _START, _END)

_OVER: Final = (_TAGS, Parameter("start", "null"), Parameter("end", "null"), Parameter("step", "null"))
_CONDITION: Final = (Parameter("while_tag", "null"), Parameter("while_value", "null"), Parameter("during", "null"))
"""Functions over intervals: with ``during`` alone, start, end and step are left out."""

FUNCTIONS: Final = (
    TableFunction(
        "history",
        "history:history",
        (
            _TAGS,
            Parameter("start", "null"),
            Parameter("end", "null"),
            Parameter("boundary", "'inside'"),
            Parameter("max_rows", "null"),
        ),
        columns.HISTORY_COLUMNS,
    ),
    TableFunction(
        "interpolated", "interpolated:interpolated", (*_RANGE, Parameter("step")), columns.INTERPOLATED_COLUMNS
    ),
    TableFunction(
        "value_at",
        "interpolated:value_at",
        (_TAGS, Parameter("times"), Parameter("mode", "'at_or_before'")),
        columns.AT_COLUMNS,
        many=True,
    ),
    TableFunction(
        "aggregate",
        "aggregate:aggregate",
        (
            *_OVER,
            Parameter("aggregates", "'TimeAverage'"),
            Parameter("stepped", "null"),
            Parameter("treat_uncertain_as_bad", "true"),
            Parameter("percent_good", "100"),
            Parameter("percent_bad", "100"),
            Parameter("sloped_extrapolation", "false"),
            *_CONDITION,
        ),
        columns.AGGREGATE_COLUMNS,
    ),
    TableFunction("plot", "plot:plot", (*_RANGE, Parameter("pixels", "1000")), columns.PLOT_COLUMNS),
    TableFunction(
        "counter",
        "measures:counter",
        (
            *_OVER,
            Parameter("rollover", "null"),
            Parameter("deadband", "null"),
            Parameter("max_rate_per_s", "null"),
            *_CONDITION,
        ),
        columns.COUNTER_COLUMNS,
    ),
    TableFunction(
        "totalize", "measures:totalize", (*_OVER, Parameter("unit", "null"), *_CONDITION), columns.MEASURE_COLUMNS
    ),
    TableFunction(
        "slope", "measures:slope", (*_OVER, Parameter("unit", "'second'"), *_CONDITION), columns.MEASURE_COLUMNS
    ),
    TableFunction("deviation", "measures:deviation", (*_OVER, *_CONDITION), columns.MEASURE_COLUMNS),
    TableFunction(
        "percentile",
        "measures:percentile",
        (*_OVER, Parameter("percents", "[50]"), *_CONDITION),
        columns.PERCENTILE_COLUMNS,
    ),
    TableFunction("time_in_state", "states:time_in_state", (*_OVER, *_CONDITION), columns.TIME_IN_STATE_COLUMNS),
    TableFunction("round_trip", "states:round_trip", (*_OVER, *_CONDITION), columns.ROUND_TRIP_COLUMNS),
    TableFunction("state_changes", "states:state_changes", _RANGE, columns.STATE_CHANGE_COLUMNS),
    TableFunction("gaps", "gaps:gaps", _RANGE, columns.GAP_COLUMNS),
    TableFunction("explain", "explain:explain", (Parameter("tag"), Parameter("time")), columns.EXPLAIN_COLUMNS),
    TableFunction("stale", "gaps:stale", (Parameter("older_than"), Parameter("tags", "null")), columns.STALE_COLUMNS),
)
