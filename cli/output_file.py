"""Where a result goes: a file that is whole or not there, or stdout."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from historian.errors import HistorianError, UsageError


@contextmanager
def open_output(path: Path | None) -> Iterator[BinaryIO]:
    """A binary file to write the result into: ``path``, or stdout when None or ``-``."""
    if path is None or str(path) == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    with replaced_file(path) as temporary, temporary.open("wb") as file:
        yield file
        file.flush()
        if temporary.is_file():  # a pipe has nothing to keep
            os.fsync(file.fileno())


@contextmanager
def replaced_file(path: Path) -> Iterator[Path]:
    """A name to write under; when the block ends well the file is renamed to ``path``, else it is removed.

    So a reader of ``path`` never sees half a result, and a failed run leaves what was there before.  A link stays one:
    what it points at is replaced.  A device or a pipe (``/dev/stdout``, ``/dev/null``) is written to as it is.  Raises
    UsageError when there is no such folder or ``path`` is one, HistorianError when the disk refuses.
    """
    if not path.parent.is_dir():
        raise UsageError(f"cannot write {path}: there is no folder {path.parent}; make it first, or name another")
    if path.is_dir():
        raise UsageError(f"cannot write {path}: it is a folder, wanted a file's name")
    if path.exists() and not path.is_file():
        with _explained(path):
            yield path
        return
    target = path.resolve()
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        with _explained(path):
            yield temporary
            temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Raise what the disk says as HistorianError; our own errors and a reader that is gone pass."""
    try:
        yield
    except OSError as error:
        if isinstance(error, HistorianError | BrokenPipeError) or error.errno is None:
            raise
        raise HistorianError(f"cannot write {path}: {_reason(error)}") from error


def _reason(error: OSError) -> str:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return "the disk is full; make room and run it again. What was there before is untouched"
    return f"{error.strerror or error}; what was there before is untouched"
