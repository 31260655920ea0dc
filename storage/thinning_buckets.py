"""Averages of equal spans of time, from samples in any number of pieces.

The definition is that of OPC 10000-13's TimeAverage2 (simple bounds): from a sample that is not Bad the value holds
(step tags), or goes in a line to the next one, until the next sample; if that one is Bad it holds.  From a Bad sample
on there is none.  The average is the integral over the time that has a value, divided by that time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from historian.model.samples import BoolArray, FloatArray, Int64Array


@dataclass(frozen=True, slots=True)
class Buckets:
    """``count`` spans of ``every_us`` from ``start_us`` on."""

    start_us: int
    every_us: int
    count: int

    @property
    def end_us(self) -> int:
        """Where the last one ends."""
        return self.start_us + self.every_us * self.count


@dataclass(slots=True)
class Sums:
    """What is known of one tag in each bucket, float64[count]; pieces are added in the order of time.

    ``integral`` in value times microseconds, over ``good_us``; ``minimum`` and ``maximum`` of the values there were,
    also of those between samples; ``samples`` counts the samples that are not Bad.
    """

    buckets: Buckets
    integral: FloatArray
    good_us: FloatArray
    minimum: FloatArray
    maximum: FloatArray
    samples: Int64Array

    @classmethod
    def of(cls, buckets: Buckets) -> Sums:
        """Nothing yet."""
        count = buckets.count
        return cls(
            buckets, np.zeros(count), np.zeros(count), np.full(count, np.inf), np.full(count, -np.inf),
            np.zeros(count, np.int64),
        )  # fmt: skip

    def add(self, time_us: Int64Array, value: FloatArray, *, is_step: bool) -> None:
        """The regions between neighbouring samples: ``time_us`` int64[n] rising, ``value`` float64[n] NaN if Bad."""
        self._count(time_us[:-1], value[:-1])
        has_value: BoolArray = ~np.isnan(value[:-1])
        start, end = time_us[:-1][has_value], time_us[1:][has_value]
        first, last = value[:-1][has_value], value[1:][has_value]
        last = first if is_step else np.where(np.isnan(last), first, last)
        slope = (last - first) / (end - start)
        low, high = np.maximum(start, self.buckets.start_us), np.minimum(end, self.buckets.end_us)
        inside = np.flatnonzero(high > low)
        self._add_regions(start[inside], first[inside], slope[inside], low[inside], high[inside])

    def _count(self, time_us: Int64Array, value: FloatArray) -> None:
        there = (time_us >= self.buckets.start_us) & (time_us < self.buckets.end_us) & ~np.isnan(value)
        places = (time_us[there] - self.buckets.start_us) // self.buckets.every_us
        self.samples += np.bincount(places, minlength=self.buckets.count)

    def _add_regions(
        self, start: Int64Array, first: FloatArray, slope: FloatArray, low: Int64Array, high: Int64Array
    ) -> None:
        """Regions, cut at the edges of the buckets: the value at t is ``first + slope * (t - start)``."""
        begin_us, every_us = self.buckets.start_us, self.buckets.every_us
        first_bucket, last_bucket = (low - begin_us) // every_us, (high - 1 - begin_us) // every_us
        pieces = last_bucket - first_bucket + 1
        region = np.repeat(np.arange(len(pieces)), pieces)
        bucket = first_bucket[region] + np.arange(len(region)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
        left = np.maximum(low[region], begin_us + bucket * every_us)
        right = np.minimum(high[region], begin_us + (bucket + 1) * every_us)
        at_left = first[region] + slope[region] * (left - start[region])
        at_right = first[region] + slope[region] * (right - start[region])
        width = (right - left).astype(np.float64)
        self.integral += np.bincount(bucket, (at_left + at_right) / 2 * width, self.buckets.count)
        self.good_us += np.bincount(bucket, width, self.buckets.count)
        np.minimum.at(self.minimum, bucket, np.minimum(at_left, at_right))
        np.maximum.at(self.maximum, bucket, np.maximum(at_left, at_right))
