"""Values of tags on a grid of times: what trends, models and spreadsheets want in place of samples."""

from __future__ import annotations

from historian.model.samples import Int64Array
from historian.retrieval.questions.bounding import ValuesAt, values_at
from historian.retrieval.questions.lookup import every_tag
from historian.retrieval.series import Series


def interpolated(series: Series, time_us: Int64Array) -> ValuesAt:
    """Each tag at each of ``time_us`` int64[t] (fastest ascending): all times of the first tag, then of the second ...

    So every column reshapes to (tags, times).  For what the value is, see :func:`.bounding.values_at`.
    """
    return values_at(series, *every_tag(series, time_us))
