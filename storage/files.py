"""The folder of the archive: files appear in it whole or not at all.

Reached through ``pyarrow.fs``; what else a file needs to survive a power cut (a temporary name, fsync of the file,
rename, fsync of the folder) is here and nowhere else, so that an archive in an object store changes this module only.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

import pyarrow as pa
import pyarrow.fs

from storage import names, steps

_CHUNK_BYTES: Final = 1 << 20


class ArchiveFolder:
    """A local folder.  Paths are relative to it, with forward slashes."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._filesystem = pa.fs.SubTreeFileSystem(root.as_posix(), pa.fs.LocalFileSystem())

    def write(self, path: str, content: Callable[[pa.NativeFile], None], *, step: str) -> None:
        """Write a file: ``content`` is called with a stream; afterwards the file is there and on the disk.

        A file of this name is replaced.  After an error nothing is left of the new one.  Raises OSError.  ``step``
        begins the names of the steps in :mod:`storage.steps`.
        """
        file = self.begin(path, step=step)
        try:
            content(file.stream)
            file.finish()
        except BaseException:
            file.abandon()
            raise

    def begin(self, path: str, *, step: str) -> UnfinishedFile:
        """As :meth:`write`, for who writes several at the same time: fill its ``stream``, then finish or abandon it."""
        pure = PurePosixPath(path)
        temporary = str(pure.parent / names.temporary_name(pure.name))
        self._make_folder(str(pure.parent))
        return UnfinishedFile(self, path, temporary, self._filesystem.open_output_stream(temporary), step)

    def _make_folder(self, path: str) -> None:
        """Make a folder and those above it, each known to the disk before something is put into it."""
        folder = self.root / path
        missing = [each for each in (folder, *folder.parents) if not each.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        for each in reversed(missing):
            sync_folder(each.parent)

    def remove(self, path: str) -> bool:
        """Remove a file; False when there was none."""
        try:
            (self.root / path).unlink()
        except FileNotFoundError:
            return False
        return True

    def remove_unfinished(self, path: str) -> bool:
        """Remove a file that is no part of the store, under its final and its temporary name; False without any."""
        pure = PurePosixPath(path)
        temporary = str(pure.parent / names.temporary_name(pure.name))
        return any([self.remove(path), self.remove(temporary)])

    def open(self, path: str) -> pa.NativeFile:
        """A file for reading at any place; the caller closes it.  Raises OSError."""
        return self._filesystem.open_input_file(path)

    def size(self, path: str) -> int:
        """Bytes of a file."""
        return (self.root / path).stat().st_size

    def sha256(self, path: str) -> str:
        """Checksum of a whole file as it can be read back, the same as ``sha256sum`` prints."""
        digest = hashlib.sha256()
        with self._filesystem.open_input_stream(path) as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                digest.update(chunk)
        return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class UnfinishedFile:
    """A file that is being written: nobody sees it under its name before :meth:`finish`."""

    folder: ArchiveFolder
    path: str
    temporary: str
    stream: pa.NativeFile
    step: str

    def finish(self) -> None:
        """The file is there and on the disk when this returns.  Raises OSError; then :meth:`abandon` it."""
        self.stream.close()
        written, final = self.folder.root / self.temporary, self.folder.root / self.path
        steps.reached(f"{self.step}: file written")
        with written.open("r+b") as file:
            os.fsync(file.fileno())
        steps.reached(f"{self.step}: file synced")
        written.replace(final)
        steps.reached(f"{self.step}: file renamed")
        sync_folder(final.parent)
        steps.reached(f"{self.step}: folder synced")

    def abandon(self) -> None:
        """Nothing is left of it; does nothing to a file that is there already."""
        with suppress(OSError):  # what could not be written cannot be closed either
            self.stream.close()
        self.folder.remove(self.temporary)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut.

    Windows has no such call; its file system keeps a journal of names.
    """
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
