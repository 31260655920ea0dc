"""kill -9 at moments nobody chose: what was acknowledged is there, exactly once."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

from conformance.store_data import SECOND, T0
from conformance.store_suite import stored_rows
from crash.store_process import environment, files_on_disk
from historian.model.status import BAD_SHUTDOWN
from storage.reader import StoreReader
from storage.store import Store

SCRIPT = Path(__file__).with_name("store_numbering.py")
ROUNDS = 4


def numbers_until_killed(folder: Path, first: int, enough: int) -> int:
    """Kill the process some time after it has acknowledged so many numbers; the last it acknowledged."""
    with subprocess.Popen(
        [sys.executable, SCRIPT, folder, str(first)], stdout=subprocess.PIPE, text=True, env=environment()
    ) as process:
        for _ in range(enough):
            process.stdout.readline()
        process.kill()
        rest = process.stdout.read()
    # A number without the end of its line was not acknowledged any more.
    lines = rest[: rest.rfind("\n") + 1].split()
    return int(lines[-1]) if lines else first + enough - 1


def test_killed_at_any_moment(store_path):
    chance = random.Random(7)
    first = 1
    for _ in range(ROUNDS):
        last = numbers_until_killed(store_path, first, chance.randint(1, 40))
        with StoreReader.open(store_path) as reader:
            rows = stored_rows(reader.snapshot())
        numbers = [row[2] for row in rows if row[0] == 1]
        # All that were acknowledged, and perhaps the one whose commit was under way.
        assert numbers in ([float(number) for number in range(1, end)] for end in (last + 1, last + 2))
        first = len(numbers) + 1
    with Store.open(store_path) as store, StoreReader.open(store_path) as reader:
        store.recover(T0 + 10**6 * SECOND)
        snapshot = reader.snapshot()
        assert files_on_disk(store_path) == {file.path for file in snapshot.files}
        rows = stored_rows(snapshot)
    assert [row[2] for row in rows if row[0] == 1] == [float(number) for number in range(1, first)]
    ends = [row for row in rows if row[3] == BAD_SHUTDOWN]
    assert len(ends) == ROUNDS, "each crash ends the tag that was held, once"
