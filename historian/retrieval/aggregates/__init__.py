"""The aggregates of OPC UA Part 13 (OPC 10000-13) over a :class:`~historian.retrieval.series.Series`, in arrays.

::

    Series, Intervals ─▶ portions ─▶ Question ─▶ one function an aggregate ─▶ Answer ─▶ AggregateRows
                                        │
                                        ├─ Pieces    the tags' intervals and where their samples lie
                                        ├─ Kinds     which samples are Bad, Uncertain, usable, Good
                                        ├─ bounds    values at the edges of intervals
                                        └─ regions   time and area between neighbouring samples

:mod:`.compute` is the entry, :mod:`.catalogue` the list of names.  What several aggregates need (bounds, regions,
positions of samples) belongs to the :class:`~.question.Question`, which works it out once, when first asked.  The rules
are those of ``docs/reference/aggregates.md``; where the standard leaves a choice, decision 0050 says which.
"""

from historian.retrieval.aggregates.catalogue import NAMES
from historian.retrieval.aggregates.compute import AggregateRows, aggregate, aggregate_in_parts
from historian.retrieval.aggregates.notes import Notes
from historian.retrieval.aggregates.options import AggregateOptions
from historian.retrieval.windows import Windows

__all__ = ["NAMES", "AggregateOptions", "AggregateRows", "Notes", "Windows", "aggregate", "aggregate_in_parts"]
