"""Refused values in a CSV file, where there are many or a person wants to mend them."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TextIO

import numpy as np

from historian.errors import UsageError
from historian.importing.file_samples import Refused
from historian.importing.times import NO_TIME
from historian.model.status import status_name

HEADER: Final = ("file", "row", "tag", "time", "value", "status", "reason")


class RejectsFile:
    """The file of ``--rejects``.  Raises UsageError when it cannot be written.

    After an interrupted import it is gone on with; what the interrupted part had not stored is written again.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.written = 0
        self._file: TextIO | None = None

    def begin(self, source: str, position: int) -> None:
        """A file's import begins at row ``position`` + 1: forget what an earlier run wrote of later rows."""
        kept: list[list[str]] = []
        if self._file is None and position and self.path.exists():
            with self.path.open(encoding="utf-8", newline="") as file:
                kept = [row for row in csv.reader(file) if row[:1] != ["file"]]
            kept = [row for row in kept if row[0] != source or int(row[1]) <= position]
        if self._file is None:
            self._open(kept)

    def _open(self, kept: Sequence[Sequence[str]]) -> None:
        try:
            self._file = self.path.open("w", encoding="utf-8", newline="")
        except OSError as error:
            raise UsageError(f"cannot write the refused values into {self.path}: {error.strerror or error}") from error
        csv.writer(self._file).writerows([HEADER, *kept])

    def add(self, source: str, refused: Sequence[Refused], names: Sequence[str]) -> None:
        """Write refused values; on the disk before their chunk is in the store."""
        assert self._file is not None, "begin comes first"  # noqa: S101 - for the type checker
        writer = csv.writer(self._file)
        for each in refused:
            writer.writerows(_lines(source, each, names))
            self.written += len(each)
        self._file.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()


def _lines(source: str, refused: Refused, names: Sequence[str]) -> list[list[str]]:
    """A loop over refused values only."""
    return [
        [
            source,
            str(row),
            "" if series < 0 else names[series],
            "" if time_us == NO_TIME else f"{np.datetime64(time_us, 'us')}Z",
            said or "",
            status_name(status),
            str(refused.reason),
        ]
        for row, series, time_us, said, status in zip(
            refused.row.tolist(), refused.series.tolist(), refused.time_us.tolist(), refused.said.to_pylist(),
            refused.status.tolist(), strict=True,
        )
    ]  # fmt: skip
