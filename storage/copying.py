"""Copies of files that are whole, durable and checked, or not there: what backups and restored stores are made of."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from historian.errors import CorruptionError
from storage import names
from storage.files import sync_folder

_CHUNK_BYTES: Final = 1 << 20


class Fingerprint(NamedTuple):
    """What tells whether a file is the one that was meant."""

    bytes: int
    sha256: str


def fingerprint(path: Path, advance: Callable[[int], None] = lambda _: None) -> Fingerprint:
    """Of a file as it can be read now.  Raises OSError."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as stream:
        while data := stream.read(_CHUNK_BYTES):
            digest.update(data)
            size += len(data)
            advance(len(data))
    return Fingerprint(size, digest.hexdigest())


def is_whole(path: Path, wanted: Fingerprint, advance: Callable[[int], None] = lambda _: None) -> bool:
    """True when the file is there and is what it should be; reads it to its end only if its size is right."""
    try:
        return path.stat().st_size == wanted.bytes and fingerprint(path, advance) == wanted
    except OSError:
        return False


def copy(source: Path, target: Path, wanted: Fingerprint | None, advance: Callable[[int], None]) -> Fingerprint:
    """Copy a file under a temporary name, durable, read it back, and give it its name.

    Raises FileNotFoundError without a source, CorruptionError when the source is not what was ``wanted`` or the copy
    cannot be read back as it was written, OSError.  Nothing is left of a copy that failed.
    """
    make_folder(target.parent)
    temporary = target.with_name(names.temporary_name(target.name))
    try:
        found = _write(source, temporary, advance)
        _refuse_other(source, found, wanted)
        _refuse_other(temporary, fingerprint(temporary), found)
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(target.parent)
    return found


def _refuse_other(path: Path, found: Fingerprint, wanted: Fingerprint | None) -> None:
    if wanted is not None and found != wanted:
        raise CorruptionError(
            f"cannot copy {path}: it reads as {found.bytes} bytes with SHA-256 {found.sha256}, "
            f"wanted {wanted.bytes} bytes with {wanted.sha256}"
        )


def _write(source: Path, temporary: Path, advance: Callable[[int], None]) -> Fingerprint:
    digest, size = hashlib.sha256(), 0
    with source.open("rb") as stream, temporary.open("wb") as output:
        while data := stream.read(_CHUNK_BYTES):
            digest.update(data)
            output.write(data)
            size += len(data)
            advance(len(data))
        make_durable(output.fileno())
    return Fingerprint(size, digest.hexdigest())


def make_durable(descriptor: int) -> None:
    """To the disk; and out of the memory, where the system can be told so, that reading back reads the disk."""
    os.fsync(descriptor)
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)


def write_text(path: Path, text: str) -> None:
    """Replace a small file, all or nothing, durable."""
    make_folder(path.parent)
    temporary = path.with_name(names.temporary_name(path.name))
    try:
        with temporary.open("w", encoding="utf-8") as output:
            output.write(text)
            output.flush()
            os.fsync(output.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, each known to the disk."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for each in reversed(missing):
        sync_folder(each.parent)
