"""A progress bar on stderr, where somebody looks at one."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, TypeAlias, TypeVar

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn

    Columns: TypeAlias = tuple[ProgressColumn, ...]

ItemT = TypeVar("ItemT")


@contextmanager
def _shown(columns: Callable[[ModuleType], Columns]) -> Iterator[Progress | None]:
    """A progress display with ``columns``, made from the module ``rich.progress``; None when stderr is no terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    # Imported here, because nobody waits for it otherwise.
    from rich import progress as parts  # noqa: PLC0415 - as above
    from rich.console import Console  # noqa: PLC0415 - as above

    with parts.Progress(*columns(parts), console=Console(stderr=True), transient=True) as progress:
        yield progress


def _counting(what: str, unit: str) -> Callable[[ModuleType], Columns]:
    """``what``, a bar, ``3/7 unit`` and the time that is left."""
    return lambda of: (
        of.TextColumn(what), of.BarColumn(), of.MofNCompleteColumn(), of.TextColumn(unit), of.TimeRemainingColumn(),
    )  # fmt: skip


@contextmanager
def counted(items: Iterator[ItemT], total: int, what: str, *, unit: str = "rows") -> Iterator[Iterator[ItemT]]:
    """``items``, with a bar of how many of ``total`` have gone by; as they are when stderr is no terminal.

    Of batches the rows are counted, of everything else the items.
    """
    with _shown(_counting(what, unit)) as progress:
        if progress is None:
            yield items
            return
        task = progress.add_task(what, total=total)

        def passed() -> Iterator[ItemT]:
            for item in items:
                yield item
                progress.advance(task, getattr(item, "num_rows", 1))

        yield passed()


class ByteBar:
    """How much of so many bytes has gone by.  Says nothing until :meth:`begin`, and nothing at all without a screen."""

    def __init__(self, progress: Progress | None, what: str) -> None:
        self._progress = progress
        self._task = None if progress is None else progress.add_task(what, total=None)

    def begin(self, total: int) -> None:
        """There are so many bytes to come; may be called again when there are more."""
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, total=total)

    def advance(self, count: int) -> None:
        """So many more bytes have gone by."""
        if self._progress is not None and self._task is not None:
            self._progress.advance(self._task, count)


@contextmanager
def byte_bar(what: str) -> Iterator[ByteBar]:
    """A bar of bytes on stderr, when stderr is a terminal."""
    with _shown(
        lambda of: (of.TextColumn(what), of.BarColumn(), of.DownloadColumn(), of.TimeRemainingColumn())
    ) as progress:
        yield ByteBar(progress, what)


@contextmanager
def rows_read(what: str) -> Iterator[Callable[[int, int | None], None]]:
    """Gives a function that is told how many rows were read, and how many there are; shows it where somebody looks."""
    rows = "{task.completed:,.0f} rows"
    with _shown(
        lambda of: (of.TextColumn(what), of.BarColumn(), of.TextColumn(rows), of.TimeElapsedColumn())
    ) as progress:
        if progress is None:
            yield lambda *_: None
            return
        task = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


@contextmanager
def tags_done(what: str, total: int) -> Iterator[Callable[[], None]]:
    """Gives a function to call once a tag is done; shows how many are, of so many, where somebody looks."""
    if total < 2:
        yield lambda: None
        return
    with _shown(_counting(what, "tags")) as progress:
        if progress is None:
            yield lambda: None
            return
        task = progress.add_task(what, total=total)
        yield lambda: progress.advance(task)


@contextmanager
def steps(what: str) -> Iterator[Callable[[str], None]]:
    """Gives a function that is told what is being done; shows it, with the time, where somebody looks."""
    with _shown(
        lambda of: (of.SpinnerColumn(), of.TextColumn("{task.description}"), of.TimeElapsedColumn())
    ) as progress:
        if progress is None:
            yield lambda _: None
            return
        task = progress.add_task(what, total=None)
        yield lambda step: progress.update(task, description=f"{what} {step}")
