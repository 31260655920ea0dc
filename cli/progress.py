"""A progress bar on stderr, where somebody looks at one."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa


@contextmanager
def counted(batches: Iterator[pa.RecordBatch], total: int, what: str) -> Iterator[Iterator[pa.RecordBatch]]:
    """``batches``, with a bar of how many of ``total`` rows have gone by; as they are when stderr is no terminal."""
    if not sys.stderr.isatty():
        yield batches
        return
    # Imported here, because nobody waits for it otherwise.
    from rich.console import Console  # noqa: PLC0415 - as above
    from rich.progress import (  # noqa: PLC0415 - as above
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TextColumn("rows"), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=total)

        def passed() -> Iterator[pa.RecordBatch]:
            for batch in batches:
                yield batch
                progress.advance(task, batch.num_rows)

        yield passed()
