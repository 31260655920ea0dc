"""Parquet tuned by hand for DuckDB: sorted by tag and time, a row group a tag, dictionaries, zstd."""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from peers.sql_questions import SqlQuestions
from peers.workload import Workload


class TunedParquet(SqlQuestions):
    """One file."""

    name = "tuned Parquet, DuckDB"

    def __init__(self, folder: Path) -> None:
        self.path = folder / "samples.parquet"

    def ingest(self, work: Workload) -> None:
        """Encode as a person would who knows the data."""
        tag_id, time_us, value, status = work.flat()
        table = pa.table({
            "tag_id": tag_id, "time": pa.array(time_us, pa.timestamp("us", "UTC")),
            "value": pa.array(value, mask=np.isnan(value)), "status": status.view(np.int32),
        })  # fmt: skip
        pq.write_table(
            table, self.path, compression="zstd", compression_level=3, row_group_size=len(work.times_us),
            use_dictionary=["tag_id", "value", "status"], column_encoding={"time": "DELTA_BINARY_PACKED"},
            sorting_columns=[pq.SortingColumn(0), pq.SortingColumn(1)], store_schema=False,
        )  # fmt: skip

    def open(self) -> None:
        """A connection that keeps footers."""
        self.link = duckdb.connect()
        self.link.execute("set parquet_metadata_cache = true")
        self.link.execute(f"create view samples as from read_parquet('{self.path}')")

    def size(self) -> int:
        """Bytes."""
        return self.path.stat().st_size

    def run(self, sql: str) -> object:
        """As Arrow."""
        return self.link.sql(sql).to_arrow_table()

    def close(self) -> None:
        """Let go."""
        self.link.close()
