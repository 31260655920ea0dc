"""CSV files, a block at a time: all cells as text, because only a tag's type says what a text may be.

Understood beside plain CSV: semicolons, tabs, bars, decimal commas, ``sep=;``, comments before the header, UTF-8 with
or without a mark and Windows-1252, and compressed files (.gz, .bz2, .zst).
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.csv

from historian.errors import UsageError
from historian.importing.file_samples import Reason, Refused
from historian.importing.samples_of_batch import Batch
from historian.importing.times import NO_TIME

BLOCK_BYTES: Final = 4 << 20
"""So much is parsed at once: some ten thousands of rows, or a few hundred of very wide ones."""

_HEAD_BYTES: Final = 1 << 16
_SEPARATOR_LINE: Final = re.compile(r"sep=(.)\s*", re.IGNORECASE)
_DECIMAL_COMMA: Final = re.compile(r"[+-]?\d+,\d+")
_DELIMITERS: Final = ",;\t|"


@dataclass(frozen=True, slots=True)
class Dialect:
    """How the text of a file is to be taken."""

    names: tuple[str, ...]
    delimiter: str
    skip_rows: int
    encoding: str
    decimal_comma: bool
    quoted: bool


class CsvFile:
    """One CSV file.  Raises UsageError where it has no header."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.dialect = sniff(path)
        self.schema = pa.schema([(name, pa.string()) for name in self.dialect.names])
        self.rows: int | None = None
        self._invalid: list[tuple[int, str]] = []

    @property
    def decimal_comma(self) -> bool:
        """True where numbers are written with a comma."""
        return self.dialect.decimal_comma

    def batches(self, columns: list[str]) -> Iterator[Batch]:
        """All rows of these columns."""
        try:
            reader = self._open(columns)
            yield from self._numbered(reader)
        except pa.ArrowInvalid as error:
            raise UsageError(f"cannot read {self.path} as CSV: {error}") from error

    def _open(self, columns: list[str]) -> pa.csv.CSVStreamingReader:
        dialect = self.dialect
        return pa.csv.open_csv(
            self.path.as_posix(),
            read_options=pa.csv.ReadOptions(
                block_size=BLOCK_BYTES, skip_rows=dialect.skip_rows + 1, encoding=dialect.encoding, use_threads=False,
                column_names=list(dialect.names),
            ),
            parse_options=pa.csv.ParseOptions(
                delimiter=dialect.delimiter, newlines_in_values=dialect.quoted, invalid_row_handler=self._skip,
            ),
            convert_options=pa.csv.ConvertOptions(
                column_types=self.schema, include_columns=columns, null_values=[""], strings_can_be_null=True,
            ),
        )  # fmt: skip

    def _skip(self, row: pa.csv.InvalidRow) -> str:
        self._invalid.append((row.number, row.text))
        return "skip"

    def _numbered(self, reader: pa.csv.CSVStreamingReader) -> Iterator[Batch]:
        done = 0
        for batch in reader:
            yield Batch(batch, done + 1 + np.arange(len(batch), dtype=np.int64))
            done += len(batch)

    def refused(self) -> Refused | None:
        """The rows since the last call that have more or fewer cells than the header."""
        invalid, self._invalid = self._invalid, []
        if not invalid:
            return None
        count = len(invalid)
        return Refused(
            Reason.ROW,
            np.array([0 if number is None else number - self.dialect.skip_rows - 1 for number, _ in invalid], np.int64),
            np.full(count, -1, np.int32),
            np.full(count, NO_TIME, np.int64),
            pa.array([text for _, text in invalid], pa.string()),
            np.zeros(count, np.uint32),
        )


def sniff(path: Path) -> Dialect:
    """What the beginning of a file shows.  Raises UsageError for an empty one."""
    with pa.input_stream(path.as_posix(), compression="detect") as stream:
        head = stream.read(_HEAD_BYTES)
    encoding, text = _decoded(head)
    lines = text.splitlines()
    if len(head) == _HEAD_BYTES:
        lines = lines[:-1] or lines
    skip, delimiter = 0, None
    while skip < len(lines) and (
        not lines[skip].strip() or lines[skip].startswith("#") or _SEPARATOR_LINE.fullmatch(lines[skip])
    ):
        match = _SEPARATOR_LINE.fullmatch(lines[skip])
        delimiter = match[1] if match else delimiter
        skip += 1
    if skip == len(lines):
        raise UsageError(f"cannot import {path}: it is empty, wanted a first line with the names of the columns")
    delimiter = delimiter or max(_DELIMITERS, key=lines[skip].count)
    names = tuple(name.strip() for name in next(csv.reader([lines[skip]], delimiter=delimiter)))
    comma = delimiter != "," and _has_decimal_commas(lines[skip + 1 : skip + 100], delimiter)
    return Dialect(names, delimiter, skip, encoding, comma, '"' in text)


def _decoded(head: bytes) -> tuple[str, str]:
    try:
        # A character may be cut at the end of what was read.
        return "utf8", head.decode("utf-8-sig", errors="strict" if len(head) < _HEAD_BYTES else "ignore")
    except UnicodeDecodeError:
        return "cp1252", head.decode("cp1252", errors="replace")


def _has_decimal_commas(lines: list[str], delimiter: str) -> bool:
    cells = [cell.strip() for row in csv.reader(lines, delimiter=delimiter) for cell in row]
    return any(_DECIMAL_COMMA.fullmatch(cell) for cell in cells)
