"""The catalogue of averages (:mod:`storage.averages`), from their files alone."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from storage import averages, names
from storage.averages import AverageFile
from storage.copying import fingerprint
from storage.verify_files import chunks

_NAME: Final = re.compile(r"(\d{4}-\d{2})-(\d{6,})-[0-9a-f]+\.parquet")


def from_files(archive: Path, store_id: str | None) -> list[AverageFile]:
    """The newest file of each month that can be read; the others were replaced by it.

    They count as final: nobody knows any more whether the samples they were made of are all there.
    """
    found: dict[int, AverageFile] = {}
    for path in sorted((archive / names.AVERAGES).rglob(f"*{names.PARQUET_SUFFIX}")):
        match = _NAME.fullmatch(path.name)
        file = None if match is None else _read(archive, path, match[1], int(match[2]), store_id)
        if file is not None and (file.month_us not in found or found[file.month_us].number < file.number):
            found[file.month_us] = file
    return list(found.values())


def _read(archive: Path, path: Path, month: str, number: int, store_id: str | None) -> AverageFile | None:
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            said = file.metadata.metadata
            if said[b"historian.store_id"].decode() != store_id or file.read().schema.names != averages.SCHEMA.names:
                return None
            every_us, parts = int(said[b"historian.every_us"]), list(chunks(path, file.metadata))
            rows = file.metadata.num_rows
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError, AttributeError):
        return None  # verify tells about it
    size, sha256 = fingerprint(path)
    return AverageFile(
        number, path.relative_to(archive).as_posix(), int(np.datetime64(month, "us").astype(np.int64)), every_us, rows,
        min(part.first_us for part in parts), max(part.last_us for part in parts),
        min(part.first_tag for part in parts), max(part.last_tag for part in parts), size, sha256, final=True,
    )  # fmt: skip
