"""DuckDB's own tables: the same samples in a database file."""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
from peers.parquet_duckdb import TunedParquet
from peers.workload import Workload


class DuckDbTables(TunedParquet):
    """The same samples in a table of DuckDB's own."""

    name = "DuckDB tables"

    def __init__(self, folder: Path) -> None:
        self.path = folder / "samples.duckdb"

    def ingest(self, work: Workload) -> None:
        """Sorted, so that its zone maps help."""
        tag_id, time_us, value, status = work.flat()
        rows = pa.table({
            "tag_id": tag_id, "time": pa.array(time_us, pa.timestamp("us", "UTC")),
            "value": pa.array(value, mask=np.isnan(value)), "status": status.view(np.int32),
        })  # fmt: skip
        with duckdb.connect(str(self.path)) as link:
            link.register("rows", rows)
            link.execute("create table samples as from rows")

    def open(self) -> None:
        """Read only."""
        self.link = duckdb.connect(str(self.path), read_only=True)
