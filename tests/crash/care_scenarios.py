"""What a process does with backup, restore, rebuild or set-aside until it dies; run as a script by the crash tests.

``python care_scenarios.py SCENARIO FOLDER STEP`` ends without a goodbye when STEP is reached.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from conformance.store_data import SECOND, T0
from crash.store_scenarios import die_at
from storage.backup import backup
from storage.rebuild import rebuild
from storage.restore import restore
from storage.store import Store
from storage.verify import verify


def set_aside(folder: Path) -> None:
    with Store.open(folder / "store") as store:
        store.set_aside(verify(folder / "store").files_to_set_aside(), T0, "test")


def make_rebuild(folder: Path) -> None:
    rebuild(folder / "store", time_us=T0 + 10**6 * SECOND, who="test")


def make_backup(folder: Path) -> None:
    # Never the name of a generation that is there: as an hour later.
    made = len(list((folder / "backup" / "generations").iterdir()))
    backup(folder / "store", folder / "backup", time_us=T0 + made * 3600 * SECOND, keep=1)


def make_restore(folder: Path) -> None:
    restore(folder / "backup", folder / "restored", time_us=T0)


SCENARIOS = {
    "set aside": set_aside,
    "rebuild": make_rebuild,
    "backup": make_backup,
    "restore": make_restore,
}

if __name__ == "__main__":
    die_at(sys.argv[3], 0)
    SCENARIOS[sys.argv[1]](Path(sys.argv[2]))
    os._exit(0)
