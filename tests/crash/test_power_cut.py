"""The power goes at a moment nobody chose: what was acknowledged is there, exactly once.

Unlike kill -9 this also shows that every fsync is where it must be: what only the kernel had in memory is gone.
"""

from __future__ import annotations

import errno
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from conformance.store_data import SECOND, T0
from conformance.store_suite import stored_rows
from crash.power_cut import Disk, disk
from crash.store_process import environment, files_on_disk
from storage.reader import StoreReader
from storage.store import Store
from storage.verify import verify

SCRIPT = Path(__file__).with_name("store_numbering.py")
ROUNDS = 4


@pytest.fixture
def small_disk(tmp_path):
    with disk(tmp_path) as found:
        yield found


def numbers_until_the_cut(plug: Disk, folder: Path, first: int, enough: int) -> int:
    """The last number acknowledged before the power went."""
    with subprocess.Popen(
        [sys.executable, SCRIPT, folder, str(first)],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment(),
    ) as process:  # fmt: skip
        for _ in range(enough):
            process.stdout.readline()
        plug.cut()
        process.kill()
        rest = process.stdout.read()
    plug.unplug()
    plug.plug_in()
    lines = rest[: rest.rfind("\n") + 1].split()
    return int(lines[-1]) if lines else first + enough - 1


def numbers_in(folder: Path) -> list[float]:
    with StoreReader.open(folder) as reader:
        return [row[2] for row in stored_rows(reader.snapshot()) if row[0] == 1]


@pytest.mark.timeout(180)
def test_the_power_goes_at_any_moment(small_disk):
    chance = random.Random(11)
    folder = small_disk.folder / "store"
    first = 1
    for _ in range(ROUNDS):
        last = numbers_until_the_cut(small_disk, folder, first, chance.randint(1, 40))
        numbers = numbers_in(folder)
        # All that were acknowledged, and perhaps the one whose commit was under way.
        assert numbers in ([float(number) for number in range(1, end)] for end in (last + 1, last + 2))
        first = len(numbers) + 1
    with Store.open(folder) as store, StoreReader.open(folder) as reader:
        store.recover(T0 + 10**6 * SECOND)
        assert files_on_disk(folder) == {file.path for file in reader.snapshot().files}
    assert verify(folder).damages == ()


def test_the_cut_takes_what_was_not_synced(small_disk):
    """The plug works: without this the test above could not fail."""
    kept, lost = small_disk.folder / "kept", small_disk.folder / "lost"
    with kept.open("wb") as file:
        file.write(b"synced")
        file.flush()
        os.fsync(file.fileno())
    descriptor = os.open(small_disk.folder, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)
    lost.write_bytes(b"not synced")
    small_disk.cut()
    with pytest.raises(OSError) as caught:  # noqa: PT011 - the number tells, below
        (small_disk.folder / "after").write_bytes(b"too late")
    assert caught.value.errno in (errno.EIO, errno.EROFS, getattr(errno, "ESHUTDOWN", errno.EIO))
    small_disk.unplug()
    small_disk.plug_in()
    assert kept.read_bytes() == b"synced"
    assert not lost.exists() or lost.read_bytes() != b"not synced"
