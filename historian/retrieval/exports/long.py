"""Every stored sample: a row a sample, by tag and time."""

from __future__ import annotations

from typing import Final

import pyarrow as pa

from historian.model.samples import FloatArray, IndexArray
from historian.retrieval.exports.form import Form, Part
from historian.retrieval.functions.reading import Reading
from historian.retrieval.history import LONG_SCHEMA
from historian.retrieval.long_table import VersionsOf, long_table, read_history
from historian.retrieval.time_range import TimeRange

_SHARES: Final = 1 << 20
"""The range is cut at these parts of it, when one tag has too many samples for one slice."""


class LongForm(Form):
    """The samples of tags in a range; ``versions_of`` tells which units they had when."""

    schema = LONG_SCHEMA

    def __init__(self, reading: Reading, rows: IndexArray, span: TimeRange, versions_of: VersionsOf) -> None:
        super().__init__(reading, rows)
        self._span = span
        self._versions_of = versions_of
        self.steps = min(_SHARES, span.end_us - span.start_us)

    def cost(self) -> FloatArray:
        """float64[k]: samples."""
        return self.reading.samples_about(self.rows, self._span.start_us, self._span.end_us)

    def table(self, part: Part) -> pa.Table:
        """The samples of a part."""
        reading, span = self.reading, TimeRange(self._time_us(part.first), self._time_us(part.end))
        samples, of_tag = read_history(reading.ranges, reading.snapshot, reading.tags, part.rows, span)
        return long_table(samples, of_tag, reading.tags, self._versions_of, "UTC")

    def _time_us(self, step: int) -> int:
        start_us, end_us = self._span.start_us, self._span.end_us
        return start_us + (end_us - start_us) * step // self.steps
