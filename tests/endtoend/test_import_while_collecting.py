"""An import while the store is being collected into: the collecting process takes the samples in, and goes on."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from collectors.simulator.plant import Plant
from endtoend.commandline import Collecting, eventually, historian, rows

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals"),
]

ROWS = 300_000
T0_US = 1_600_000_000_000_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    time = pa.array(T0_US + 1_000_000 * np.arange(ROWS)).cast(pa.timestamp("us", tz="UTC"))
    pq.write_table(
        pa.table({"time": time, "OLD.A": np.arange(ROWS) / 8, "OLD.B": np.arange(ROWS)}), tmp_path / "old.parquet"
    )
    return tmp_path


def test_old_samples_come_in_while_new_ones_do(folder):
    with Plant() as plant:
        plant.write_configuration(folder)
        with Collecting(folder) as collecting:
            collecting.wait_until_connected()
            done = historian("import", "old.parquet", folder=folder, timeout_s=60)
            assert done.returncode == 0, done.stderr
            assert f"{2 * ROWS:,}  imported" in done.stdout
            assert "imported already" in historian("import", "old.parquet", folder=folder).stdout
            newest = "select max(epoch_us(time)) as t from samples where tag not like 'OLD%'"
            (before,) = rows(newest, folder)
            eventually(lambda: rows(newest, folder)[0]["t"] > before["t"], "collecting goes on")
            collecting.assert_running()
            assert collecting.stop() == 0
    (old,) = rows(
        "select count(*) n, count(distinct (tag, time)) keys, sum(value) total from samples where tag like 'OLD%'",
        folder,
    )
    total = ROWS * (ROWS - 1) / 2
    assert old == {"n": 2 * ROWS, "keys": 2 * ROWS, "total": pytest.approx(total / 8 + total)}
    assert rows("select tag from snapshot where tag like 'OLD%' order by tag", folder) == [
        {"tag": "OLD.A"},
        {"tag": "OLD.B"},
    ]
