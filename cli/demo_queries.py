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
        "Averages over time: each sample counts for the time to the next one",
        """\
select tag, count(*) as samples,
       round(min(value), 2) as lowest, round(max(value), 2) as highest,
       round(sum((value + later) / 2 * seconds) / sum(seconds), 2) as average
from (select *, lead(value) over w as later,
             epoch(lead(time) over w - time) as seconds
      from samples where tag in ('FIC101.PV', 'LIC102.PV', 'TIC205.PV')
      window w as (partition by tag order by time))
where quality = 'Good' and later is not null
group by tag order by tag""",
    ),
    Query(
        "The last steps of the batches: how long each took, and how hot the reactor was at its start",
        """\
select steps.time, round(seconds, 1) as seconds, round(hot.value, 1) as degC,
       steps.value_text as step
from (select *, epoch(lead(time) over (order by time) - time) as seconds
      from samples where tag = 'BATCH.STATE') as steps
asof left join (from samples where tag = 'TIC205.PV') as hot
     on steps.time >= hot.time
where steps.quality = 'Good'
order by steps.time desc limit 10""",
    ),
    Query(
        "Instruments that failed, how and for how long: nothing is made up meanwhile",
        """\
select tag, status, min(time) as first, round(sum(seconds), 1) as seconds
from (select *, epoch(lead(time) over w - time) as seconds
      from samples window w as (partition by tag order by time))
where quality <> 'Good' and status <> 'BadShutdown'
group by tag, status order by first""",
    ),
)
"""Each line is narrow enough for a terminal of 80 columns."""
