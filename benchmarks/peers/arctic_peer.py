"""ArcticDB on LMDB: one wide frame of values and one of statuses, a column a tag."""

from __future__ import annotations

from pathlib import Path

import arcticdb
import numpy as np
import pandas as pd
from peers.workload import Workload


class Arctic:
    """Wide, which suits tags that are all sampled at the same times and no others."""

    name = "ArcticDB, wide"

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "arctic"
        self.link = arcticdb.Arctic(f"lmdb://{self.folder}")
        self.library = self.link.get_library("b", create_if_missing=True)

    def ingest(self, work: Workload) -> None:
        """Two writes."""
        index = pd.DatetimeIndex(work.times_us.astype("datetime64[us]").astype("datetime64[ns]"), name="time")
        columns = [str(tag) for tag in range(1, len(work.names) + 1)]
        values = np.where(work.bad, np.nan, work.values).T
        self.library.write("values", pd.DataFrame(values, index, columns))
        self.library.write("status", pd.DataFrame(work.bad.T.astype(np.uint32), index, columns))

    def open(self) -> None:
        """Nothing to do."""

    def size(self) -> int:
        """Compressed bytes, not those of LMDB's own sparse file."""
        tools = self.library.admin_tools()
        return sum(int(size.bytes_compressed) for size in tools.get_sizes().values())

    def newest(self) -> object:
        """The last row."""
        return self.library.tail("values", 1).data

    def raw(self, tag: int, start_us: int, end_us: int) -> object:
        """Of one tag, values and statuses."""
        span = self._span(start_us, end_us - 1)
        return [self.library.read(name, date_range=span, columns=[str(tag)]).data for name in ("values", "status")]

    def buckets(self, tag: int, start_us: int, end_us: int, width_us: int) -> object:
        """Average, minimum, maximum of one tag."""
        name = str(tag)
        query = arcticdb.QueryBuilder().date_range(self._span(start_us, end_us - 1))
        query = query.resample(f"{width_us // 1_000_000}s")
        query = query.agg({"average": (name, "mean"), "low": (name, "min"), "high": (name, "max")})
        return self.library.read("values", query_builder=query).data

    def averages(self, width_us: int) -> object:
        """Of all tags."""
        names = self.library.get_description("values").columns
        query = arcticdb.QueryBuilder().resample(f"{width_us // 1_000_000}s").agg({each.name: "mean" for each in names})
        return self.library.read("values", query_builder=query).data

    def at(self, time_us: int) -> object:
        """The last row not after a time, looked for in the ten seconds before it."""
        return self.library.read("values", date_range=self._span(time_us - 10_000_000, time_us)).data.tail(1)

    def close(self) -> None:
        """Let go."""
        del self.library, self.link

    @staticmethod
    def _span(start_us: int, end_us: int) -> tuple[pd.Timestamp, pd.Timestamp]:
        return pd.Timestamp(start_us, unit="us"), pd.Timestamp(end_us, unit="us")
