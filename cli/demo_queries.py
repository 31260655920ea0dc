"""What the demonstration asks of its store at the end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Query:
    """A question in words and in SQL."""

    title: str
    sql: str


QUERIES: Final = (
    Query(
        "Averages over time, with how much of the time was good",
        """\
pivot (from aggregate(['FIC101.PV', 'LIC102.PV', 'TIC205.PV'],
                      '-10m', 'now', null,
                      ['Minimum2', 'TimeAverage2', 'Maximum2', 'PercentGood']))
on aggregate in ('Minimum2', 'TimeAverage2', 'Maximum2', 'PercentGood')
using round(first(value), 2)
group by tag order by tag""",
    ),
    Query(
        "The last steps of the batches: how long each took, and how hot the reactor was then",
        """\
select step.time, round(seconds, 1) as seconds, from_state_text as step,
       round(hot.value, 1) as degC
from state_changes('BATCH.STATE', '-10m', 'now') as step,
     value_at('TIC205.PV', step.time, mode := 'interpolated') as hot
where from_status = 'Good'
order by step.time desc limit 10""",
    ),
    Query(
        "Instruments that failed, how and for how long: nothing is made up meanwhile",
        """\
select tag, status, count(*) as times, min(time) as first,
       round(sum(seconds), 1) as seconds
from gaps('*', '-10m', 'now')
where status not in ('BadNoData', 'BadShutdown')
group by tag, status order by first""",
    ),
)
"""Each line is narrow enough for a terminal of 80 columns."""
