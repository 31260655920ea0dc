"""Apache TsFile: one table, the tag a TAG column; what it cannot compute itself is done in numpy and Polars."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import tsfile
from peers.workload import Workload

BATCH_ROWS = 65_536


class TsFile:
    """One file."""

    name = "TsFile"

    def __init__(self, folder: Path) -> None:
        self.path = folder / "samples.tsfile"

    def ingest(self, work: Workload) -> None:
        """A tag after the other."""
        self.names = work.names
        self.end_us = int(work.times_us[-1])
        kinds = tsfile.ColumnCategory
        columns = [
            tsfile.ColumnSchema("tag", tsfile.TSDataType.STRING, kinds.TAG),
            tsfile.ColumnSchema("value", tsfile.TSDataType.DOUBLE, kinds.FIELD),
            tsfile.ColumnSchema("status", tsfile.TSDataType.INT32, kinds.FIELD),
        ]
        times = pa.array(work.times_us // 1000)
        with tsfile.TsFileTableWriter(str(self.path), tsfile.TableSchema("samples", columns)) as writer:
            for row, name in enumerate(work.names):
                values = pa.array(work.values[row], mask=work.bad[row])
                tags = pa.array([name]).take(pa.array(np.zeros(len(times), np.int8)))
                columns_of = {"time": times, "tag": tags, "value": values, "status": work.bad[row].astype(np.int32)}
                writer.write_arrow_batch(pa.table(columns_of))

    def open(self) -> None:
        """Open for reading."""
        self.link = tsfile.TsFileReader(str(self.path))

    def size(self) -> int:
        """Bytes."""
        return self.path.stat().st_size

    def newest(self) -> object:
        """Nothing keeps the newest: what is in the last ten seconds."""
        return self.at(self.end_us)

    def raw(self, tag: int, start_us: int, end_us: int) -> pl.DataFrame:
        """Of one tag."""
        return self._read(start_us, end_us - 1, tsfile.tag_eq("tag", self.names[tag - 1]))

    def buckets(self, tag: int, start_us: int, end_us: int, width_us: int) -> object:
        """Average, minimum, maximum of one tag."""
        rows = self.raw(tag, start_us, end_us).group_by(_bucket(width_us))
        value = pl.col("value")
        return rows.agg(value.mean().alias("average"), value.min().alias("low"), value.max().alias("high"))

    def averages(self, width_us: int) -> object:
        """Of all tags."""
        return self._read(0, self.end_us, None).group_by("tag", _bucket(width_us)).agg(pl.col("value").mean())

    def at(self, time_us: int) -> object:
        """The last of each tag in the ten seconds before a time."""
        return self._read(time_us - 10_000_000, time_us, None).group_by("tag").last()

    def close(self) -> None:
        """Let go."""
        self.link.close()

    def _read(self, start_us: int, end_us: int, tags: object) -> pl.DataFrame:
        found = self.link.query_table(
            "samples", ["tag", "value", "status"], start_us // 1000, end_us // 1000, tags, BATCH_ROWS
        )
        batches = []
        while (batch := found.read_arrow_batch()) is not None:
            batches.append(batch)
        found.close()
        return pl.from_arrow(pa.concat_tables(batches))


def _bucket(width_us: int) -> pl.Expr:
    return (pl.col("time").cast(pl.Int64) * 1000 // width_us).alias("bucket")
