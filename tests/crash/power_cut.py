"""An ext4 file system in a file, and its plug: shut down as a power cut would, then mounted again.

What the kernel had not yet written at that moment is gone, its journal included (EXT4_GOING_FLAGS_NOLOGFLUSH).
"""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

EXT4_IOC_SHUTDOWN = 0x8004587D
"""_IOR('X', 125, __u32)"""
NOLOGFLUSH = 2
DISK_BYTES = 64 << 20


def _run(*command: str | Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(command, capture_output=True, check=False, timeout=30)


class Disk:
    """A disk of 64 MiB; ``folder`` is where it is mounted."""

    def __init__(self, folder: Path, image: Path) -> None:
        self.folder = folder
        self._image = image

    def plug_in(self) -> None:
        """Mount it; the file system puts itself in order from its journal."""
        done = _run("mount", "-o", "loop", self._image, self.folder)
        assert done.returncode == 0, done.stderr.decode()

    def cut(self) -> None:
        """No further byte reaches the disk."""
        import fcntl

        descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, EXT4_IOC_SHUTDOWN, struct.pack("I", NOLOGFLUSH))
        finally:
            os.close(descriptor)

    def unplug(self) -> None:
        """Unmount it, if it is mounted."""
        if self.folder.is_mount():
            done = _run("umount", self.folder)
            assert done.returncode == 0, done.stderr.decode()


@contextmanager
def disk(tmp_path: Path) -> Iterator[Disk]:
    """A mounted disk; skips the test where there can be none."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root on Linux can mount a disk and cut its power")
    image, folder = tmp_path / "disk.img", tmp_path / "disk"
    folder.mkdir()
    with image.open("wb") as file:
        file.truncate(DISK_BYTES)
    try:
        made = _run("mkfs.ext4", "-q", "-F", image)
    except FileNotFoundError:
        pytest.skip("this machine has no mkfs.ext4")
    if made.returncode:
        pytest.skip(f"no ext4 can be made here: {made.stderr.decode().strip()}")
    mounted = _run("mount", "-o", "loop", image, folder)
    if mounted.returncode:
        pytest.skip(f"this machine mounts no loop devices: {mounted.stderr.decode().strip()}")
    found = Disk(folder, image)
    try:
        yield found
    finally:
        found.unplug()
