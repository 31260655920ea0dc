"""The questions in SQL, for peers that speak it: tag numbers, times as timestamps, plain tables."""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import UTC, datetime


def text(time_us: int) -> str:
    """A time as SQL writes it."""
    return datetime.fromtimestamp(time_us / 1e6, UTC).strftime("%Y-%m-%d %H:%M:%S")


class SqlQuestions(ABC):
    """Each question as one statement over ``samples (tag_id, time, value, status)``; Bad values are null."""

    newest_value = "arg_max(value, time)"
    zone = "+00"

    @abstractmethod
    def run(self, sql: str) -> object:
        """The rows of a statement."""

    def newest(self) -> object:
        """Of every tag."""
        return self.run(f"select tag_id, max(time), {self.newest_value} from samples group by tag_id")

    def raw(self, tag: int, start_us: int, end_us: int) -> object:
        """Of one tag."""
        where = f"tag_id = {tag} and {self._between(start_us, end_us)}"
        return self.run(f"select time, value, status from samples where {where}")

    def buckets(self, tag: int, start_us: int, end_us: int, width_us: int) -> object:
        """Average, minimum, maximum of one tag."""
        return self.run(
            f"select {self.bucket(width_us)} b, avg(value), min(value), max(value) from samples "
            f"where tag_id = {tag} and {self._between(start_us, end_us)} group by b order by b"
        )

    def averages(self, width_us: int) -> object:
        """Of all tags."""
        return self.run(f"select tag_id, {self.bucket(width_us)} b, avg(value) from samples group by tag_id, b")

    def bucket(self, width_us: int) -> str:
        """The number of the bucket that a row's time is in."""
        return f"(epoch_us(time) // {width_us})"

    def at(self, time_us: int) -> object:
        """The value of every tag at a time."""
        return self.run(
            f"select tag_id, max(time), {self.newest_value} from samples "
            f"where time <= '{text(time_us)}{self.zone}' group by tag_id"
        )

    def _between(self, start_us: int, end_us: int) -> str:
        return f"time >= '{text(start_us)}{self.zone}' and time < '{text(end_us)}{self.zone}'"
