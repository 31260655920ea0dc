"""Every name the store uses on disk.  docs/format describes what is in each."""

from __future__ import annotations

from typing import Final

import numpy as np

DATABASE: Final = "historian.sqlite"
WAL_SUFFIX: Final = "-wal"
LOCK: Final = "historian.lock"
REQUESTS: Final = "requests"
ARCHIVE: Final = "archive"
SAMPLES: Final = "samples"
AVERAGES: Final = "averages"
DAMAGED: Final = "damaged"
JOINED_SUFFIX: Final = ".joined"
TAGS: Final = "tags.parquet"
TAG_VERSIONS: Final = "tag_versions.parquet"
PARQUET_SUFFIX: Final = ".parquet"
TEMPORARY_PREFIX: Final = "."
TEMPORARY_SUFFIX: Final = ".tmp"


def samples_path(first_us: int, number: int, token: str) -> str:
    """Path of a file of samples below ``archive``: by the UTC month of its first sample; no two are ever the same.

    ``number`` counts the files of the store; ``token`` keeps a store whose database was restored from an older copy
    from giving a name again that is taken.
    """
    text = str(np.datetime_as_string(np.datetime64(first_us, "us"), unit="s"))
    date, _, clock = text.partition("T")
    year, month, day = date.rsplit("-", 2)
    stamp = f"{year}{month}{day}T{clock.replace(':', '')}Z"
    return f"{SAMPLES}/{year}/{month}/{stamp}-{number:06d}-{token}{PARQUET_SUFFIX}"


def temporary_name(name: str) -> str:
    """What ``name`` is called while it is written; readers of folders skip names that start with a dot."""
    return f"{TEMPORARY_PREFIX}{name}{TEMPORARY_SUFFIX}"
