"""The process that answers one query of :mod:`historian.retrieval.sandbox`, within limits that the system enforces.

Takes its request as JSON from standard input, writes an Arrow stream to standard output, and when it fails one line of
JSON to standard error.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from historian.errors import HistorianError, QueryError
from historian.retrieval.connection import connect
from historian.retrieval.functions.bind import Answered
from historian.retrieval.query import ask
from storage.reader import StoreReader

SLACK_BYTES: Final = 512 << 20
"""Room above what DuckDB may take, for its threads, their stacks and Arrow's buffers."""


def main() -> int:
    """Answer the request on standard input; the exit code."""
    try:
        _answer(json.load(sys.stdin))
    except HistorianError as error:
        return _tell(type(error).__name__, str(error))
    except MemoryError:
        return _tell(QueryError.__name__, "cannot answer: the query needs more memory than it may take")
    return 0


def _tell(kind: str, text: str) -> int:
    sys.stderr.write("\n" + json.dumps({"kind": kind, "text": text}) + "\n")
    return 1


def _answer(request: dict[str, Any]) -> None:
    limits = request["limits"]
    settings = {
        "memory_limit": f"{limits['memory_bytes']}B",
        "max_temp_directory_size": f"{limits['spill_bytes']}B",
        "threads": str(limits["processors"]),
    }
    with StoreReader.open(Path(request["store"])) as reader:
        answered = Answered(reader.snapshot(), request["time_zone"], reader.tag_versions)
        connection = connect(answered.snapshot, time_zone=answered.time_zone, settings=settings, answered=answered)
        _hold_to(limits["memory_bytes"], limits["spill_bytes"])
        answer = ask(connection, request["sql"], request["parameters"], answered.read)
        with pa.ipc.new_stream(sys.stdout.buffer, answer.schema) as stream:
            for batch in answer.batches:
                stream.write_batch(batch)
        sys.stdout.buffer.flush()


def _hold_to(memory_bytes: int, file_bytes: int) -> None:
    """Let the system refuse more memory, larger files and a core dump from here on, where it can (not on Windows)."""
    try:
        import resource  # noqa: PLC0415 - Windows has none
    except ImportError:
        return
    taken = _address_space_bytes()
    if taken:
        limit = taken + memory_bytes + SLACK_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _address_space_bytes() -> int:
    """What is mapped already, most of it libraries; 0 where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    except OSError:
        return 0
    import resource  # noqa: PLC0415 - as above

    return pages * resource.getpagesize()


if __name__ == "__main__":
    sys.exit(main())
