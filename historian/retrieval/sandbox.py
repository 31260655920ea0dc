"""SQL from people who are not trusted: a process of its own answers it, and is ended at its limits.

DuckDB's own limits do not hold everywhere: a list of a thousand million numbers that is worked out while planning takes
20 GB with a limit of 500 MB, and hears no interrupt.  So the query runs in a child (:mod:`.sandbox_child`) that the
system holds to its memory and that is killed when its time is over; the answer comes as an Arrow stream through a pipe.
What the SQL may reach is the same as everywhere: the store's views and functions, nothing else, and only to read.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Final

import pyarrow as pa

from historian import errors
from historian.errors import HistorianError, QueryError
from historian.retrieval.query import Answer, Parameters

KEPT_VARIABLES: Final = ("PATH", "LANG", "LC_ALL", "SYSTEMROOT", "TEMP", "TMP", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE")
"""Of the environment the child gets these alone, so that nothing in it can be asked for."""

_MEBIBYTE: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """What one query may take: time from its start to its last row, memory, room on the disk, processors."""

    seconds: float = 30.0
    memory_bytes: int = 1024 * _MEBIBYTE
    spill_bytes: int = 1024 * _MEBIBYTE
    processors: int = 2


@contextmanager
def ask_sandboxed(
    folder: Path,
    sql: str,
    parameters: Parameters | None = None,
    *,
    time_zone: str = "UTC",
    limits: Limits | None = None,
) -> Iterator[Answer]:
    """The answer to one statement over the store in ``folder``; its rows can be read once, inside the ``with``.

    ``parameters`` are JSON-ready.  Raises what :func:`historian.retrieval.query.ask` raises, and QueryError when a
    limit is reached, also while the rows are read.
    """
    limits = limits or Limits()
    request = {
        "store": str(folder.absolute()), "sql": sql, "parameters": parameters, "time_zone": time_zone,
        "limits": asdict(limits),
    }  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="historian-sandbox-") as spill, _child(spill) as child:
        query = _Query(child, limits)
        with query.timed():
            query.send(request)
            yield query.answer()


@contextmanager
def _child(spill: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that waits for its request in an empty folder, and is gone afterwards, whatever happens."""
    # -P: Python would look for modules in its working folder first, which is not ours to fill.
    child = subprocess.Popen(
        [sys.executable, "-P", "-m", "historian.retrieval.sandbox_child"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=spill,
        env={name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ},
    )
    try:
        yield child
    finally:
        child.kill()
        child.wait()
        for pipe in (child.stdin, child.stdout, child.stderr):
            if pipe is not None:
                pipe.close()


class _Query:
    """One query under way in a child."""

    def __init__(self, child: subprocess.Popen[bytes], limits: Limits) -> None:
        self._child = child
        self._limits = limits
        self._is_late = False

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Kill the child when the time is over."""
        timer = threading.Timer(self._limits.seconds, self._end)
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()

    def _end(self) -> None:
        self._is_late = True
        self._child.kill()

    def send(self, request: Mapping[str, Any]) -> None:
        """Ask."""
        pipe = _pipe(self._child.stdin)
        try:
            pipe.write(json.dumps(request).encode())
            pipe.close()
        except BrokenPipeError:
            raise self._failure() from None

    def answer(self) -> Answer:
        """What comes back.  Raises what the child raised."""
        try:
            reader = pa.ipc.open_stream(_pipe(self._child.stdout))
        except (pa.ArrowException, OSError):
            raise self._failure() from None
        return Answer(reader.schema, self._batches(reader))

    def _batches(self, reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
        while True:
            try:
                batch = reader.read_next_batch()
            except StopIteration:
                break
            except (pa.ArrowException, OSError):
                raise self._failure() from None
            yield batch
        if self._child.wait() != 0:
            raise self._failure()

    def _failure(self) -> HistorianError:
        """What went wrong, when the child has ended or is about to."""
        said = _pipe(self._child.stderr).read().decode(errors="replace").strip()
        self._child.wait()
        if self._is_late:
            return QueryError(f"cannot answer: the query took longer than {self._limits.seconds:g} s and was ended")
        last = said.splitlines()[-1] if said else ""
        try:
            told = json.loads(last)
            kind: type[HistorianError] = getattr(errors, told["kind"])
            return kind(told["text"])
        except (ValueError, TypeError, KeyError, AttributeError):
            # It died without a word: the system ended it, or it could not get what it asked for.
            return QueryError(
                f"cannot answer: the query needs more than the {self._limits.memory_bytes // _MEBIBYTE:,} MiB of "
                f"memory it may take, or failed inside; ask for fewer samples at once. {last}".rstrip()
            )


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None, "opened as a pipe"  # noqa: S101 - for the type checker
    return pipe
