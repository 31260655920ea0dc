"""Notes of people, as AnnotationCount counts them."""

from __future__ import annotations

from dataclasses import dataclass

from historian.model.samples import IndexArray, Int64Array


@dataclass(frozen=True, slots=True)
class Notes:
    """``n`` notes on the tags of a series: ``starts[i]`` to ``starts[i + 1]`` are those on tag i.

    ``time_us`` int64[n], ascending within a tag: of a note on an instant that instant, of one on an interval its start.
    """

    starts: IndexArray
    time_us: Int64Array
