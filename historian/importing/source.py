"""A file to be imported: opened by what it is, recognised by what is in it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Protocol

import pyarrow as pa

from historian.errors import UsageError
from historian.importing.csv_file import CsvFile
from historian.importing.file_samples import Refused
from historian.importing.options import ImportOptions
from historian.importing.parquet_file import ParquetFile
from historian.importing.samples_of_batch import Batch

_PARQUET_MAGIC: Final = b"PAR1"


class SourceFile(Protocol):
    """What the kinds of files have in common."""

    @property
    def schema(self) -> pa.Schema:
        """Names and types of the columns."""

    @property
    def rows(self) -> int | None:
        """How many there are about, None when that is unknown."""

    @property
    def decimal_comma(self) -> bool:
        """True where numbers are written with a comma."""

    def batches(self, columns: list[str]) -> Iterator[Batch]:
        """All rows, some at a time; the same each time."""

    def refused(self) -> Refused | None:
        """Rows of the batches so far, since the last call, that are no rows."""


def open_source(path: Path) -> SourceFile:
    """The file ``path``.  Raises UsageError when it cannot be read as what it looks like."""
    try:
        with path.open("rb") as file:
            is_parquet = file.read(len(_PARQUET_MAGIC)) == _PARQUET_MAGIC
    except OSError as error:
        raise UsageError(f"cannot import {path}: {error.strerror or error}") from error
    if path.suffix.lower() == ".parquet" and not is_parquet:
        raise UsageError(f"cannot import {path}: it is no Parquet file, whatever its name says; CSV is called .csv")
    return ParquetFile(path) if is_parquet else CsvFile(path)


def fingerprint(path: Path, options: ImportOptions, tag_of_file: str | None) -> str:
    """Identifies the content together with everything that decides which samples it gives; not the name of the file.

    SHA-256 in hexadecimal.
    """
    with path.open("rb") as file:
        content = hashlib.file_digest(file, "sha256").hexdigest()
    meaning = json.dumps([content, options.meaning(), tag_of_file], sort_keys=True)
    return hashlib.sha256(meaning.encode()).hexdigest()
