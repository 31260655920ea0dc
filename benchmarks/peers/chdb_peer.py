"""ClickHouse in the process: a MergeTree with delta and gorilla codecs under zstd."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from chdb import session
from peers.sql_questions import SqlQuestions
from peers.workload import Workload


class ChDb(SqlQuestions):
    """One table, ordered by tag and time."""

    name = "chdb"
    newest_value = "argMax(value, time)"
    zone = ""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.link = session.Session(str(folder / "chdb"))

    def prepare(self, work: Workload) -> None:
        """The quickest way in is a file: written before the clock runs."""
        tag_id, time_us, value, status = work.flat()
        times = pa.array(time_us, pa.timestamp("us", "UTC"))
        values = pa.array(value, mask=np.isnan(value))
        table = pa.table({"tag_id": tag_id, "time": times, "value": values, "status": status})
        pq.write_table(table, self.folder / "in.parquet", compression="none", use_dictionary=False)

    def ingest(self, work: Workload) -> None:
        """From that file."""
        self.link.query("create database if not exists b")
        self.link.query(
            "create table b.samples (tag_id UInt32 codec(ZSTD(3)), "
            "time DateTime64(6, 'UTC') codec(DoubleDelta, ZSTD(3)), value Nullable(Float64) codec(ZSTD(3)), "
            "status UInt32 codec(ZSTD(3))) engine MergeTree order by (tag_id, time)"
        )
        source = f"file('{self.folder}/in.parquet', Parquet)"
        self.link.query(f"insert into b.samples select tag_id, time, value, status from {source}")
        (self.folder / "in.parquet").unlink()

    def open(self) -> None:
        """Merged to one part, as it would be after a while."""
        self.link.query("optimize table b.samples final")

    def size(self) -> int:
        """Bytes."""
        found = self.link.query(
            "select sum(data_compressed_bytes) from system.parts where active and database = 'b'", "CSV"
        )
        return int(str(found).strip())

    def bucket(self, width_us: int) -> str:
        """In ClickHouse's words."""
        return f"intDiv(toUnixTimestamp64Micro(time), {width_us})"

    def run(self, sql: str) -> object:
        """As Arrow."""
        return self.link.query(sql.replace(" samples", " b.samples"), "Arrow").bytes()

    def close(self) -> None:
        """Let go."""
        self.link.close()
