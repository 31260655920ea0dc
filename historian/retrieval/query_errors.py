"""What DuckDB's errors mean to the person who asked: a mistake in the SQL, a limit reached, a damaged file.

DuckDB raises its own exceptions while it plans and runs; while rows stream through Arrow the same texts come as
OSError, RuntimeError or ArrowInvalid.  So the text's first words decide, which are DuckDB's name of the error.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import duckdb
import pyarrow as pa

from historian import errors
from historian.errors import CorruptionError, HistorianError, QueryError, UsageError

_INTERRUPTED: Final = re.compile(r"INTERRUPT Error|Query interrupted|Interrupted!", re.IGNORECASE)
_OUT_OF_MEMORY: Final = re.compile(r"Out of Memory Error", re.IGNORECASE)
_INTERNAL: Final = re.compile(r"(INTERNAL|FATAL) Error", re.IGNORECASE)
_DAMAGED: Final = re.compile(
    r"(Invalid Input Error|IO Error|TProtocolException|Serialization Error|Corrupt).*"
    r"(Parquet|thrift|footer|page header|decompress|magic bytes|too small|snappy|zstd)"
    r"|Footer length error|corrupted|don't know what type|Payload value bigger|ZSTD|out of range of (the )?file",
    re.IGNORECASE | re.DOTALL,
)
_FUNCTION: Final = re.compile(
    r"Python exception occurred while executing the UDF: (?P<kind>\w+): (?P<text>.*?)(\n+At:\n.*)?$", re.DOTALL
)
_MISSING: Final = re.compile(r"IO Error: (Cannot open file|No files found|.*No such file)", re.IGNORECASE | re.DOTALL)
_FILE: Final = re.compile(r"[\"'](?P<path>[^\"'\n]+\.parquet)[\"']")
_REMEDY: Final = (
    "historian verify tells what is damaged; historian verify --set-aside takes it out, so that all else can be read"
)
_FORBIDDEN: Final = re.compile(r"Permission Error", re.IGNORECASE)
_PLACE: Final = re.compile(r"LINE (\d+): ([^\n]*)\n( *)([\^~]*)")


@contextmanager
def translated(
    lines_before: int = 0, query: str = "", find_damaged: Callable[[], str | None] = lambda: None
) -> Iterator[None]:
    """Raise DuckDB's errors as ours.  ``lines_before`` lines stand in front of the person's own ``query``.

    ``find_damaged`` looks for the file that cannot be read, where DuckDB does not name it.
    QueryError for what the SQL says, CorruptionError for an archive file that is damaged or gone,
    KeyboardInterrupt for an interrupted query, HistorianError for the rest.
    """
    try:
        yield
    except (duckdb.Error, pa.ArrowException, OSError, RuntimeError) as error:
        if isinstance(error, HistorianError):
            raise
        raise _ours(str(error), lines_before, query, find_damaged) from error


def _ours(text: str, lines_before: int, query: str, find_damaged: Callable[[], str | None]) -> BaseException:  # noqa: PLR0911 - a table of cases
    if met := _FUNCTION.search(text):
        return _of_function(met["kind"], met["text"].strip())
    if _INTERRUPTED.search(text):
        return KeyboardInterrupt()
    if _OUT_OF_MEMORY.search(text):
        return QueryError(
            f"cannot answer: the query needs more memory than there is; ask for fewer samples at once.\n{text}"
        )
    said = text.split("\n\nLINE", maxsplit=1)[0]  # what follows is our own view's text
    if _MISSING.search(said):
        return CorruptionError(f"cannot answer: {_named(said, find_damaged)} is gone; {_REMEDY}")
    if _DAMAGED.search(said):
        return CorruptionError(f"cannot answer: {_named(said, find_damaged)} is damaged ({said.strip()}); {_REMEDY}")
    if _INTERNAL.search(text):
        return HistorianError(f"cannot answer: DuckDB failed inside. It says: {text}")
    if _FORBIDDEN.search(text):
        return QueryError(f"cannot answer: a query reads the store's views and nothing else of this machine.\n{text}")
    return QueryError(f"cannot answer: {with_place(text, lines_before, query)}")


def _of_function(kind: str, text: str) -> HistorianError:
    """An error that one of our table functions raised, of which DuckDB kept the class and the text."""
    met = getattr(errors, kind, None)
    if kind == CorruptionError.__name__:
        return CorruptionError(text)
    if isinstance(met, type) and issubclass(met, UsageError):
        return QueryError(text)
    return HistorianError(f"cannot answer: {kind}: {text}")


def _named(text: str, find_damaged: Callable[[], str | None]) -> str:
    match = _FILE.search(text)
    path = match["path"] if match else find_damaged()
    return f"the file {path}" if path else "a file of the archive"


def with_place(text: str, lines_before: int, query: str) -> str:
    """DuckDB's text with the line counted in ``query`` alone, and the caret still below the same letter."""

    def moved(match: re.Match[str]) -> str:
        line, shown, indent, caret = match.groups()
        number = int(line) - lines_before
        if not shown or (lines_before and number < 1) or (query and _cut(shown) not in query):
            # DuckDB 1.5 shows its own rewriting of the query when it fails while it runs: a place nobody knows.
            return ""
        shift = len(str(number)) - len(line)
        return f"LINE {number}: {shown}\n{' ' * (len(indent) + shift)}{caret}"

    return _PLACE.sub(moved, text).rstrip()


def _cut(shown: str) -> str:
    """The part of a shown line that is the query's own: DuckDB puts ... where it cuts a long one."""
    return shown.removeprefix("...").removesuffix("...")
