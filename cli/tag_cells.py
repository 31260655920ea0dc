"""A tag of the store as the cells of a tag list: the way back from :mod:`historian.config.tag_row`."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from historian.config.duration import format_duration, parse_duration
from historian.config.tag_columns import COLUMNS

_PLAIN: Final = ("tag", "source", "address", "scan_class", "units", "description")
_NUMBERS: Final = ("scale", "offset", "low", "high", "exc_dev", "comp_dev")
_CODED: Final = re.compile(r"[+-]?\d{1,20}\s*=")


def cells_of(row: Mapping[str, Any]) -> dict[str, str]:
    """The cells of a row of ``storage.tags.SCHEMA``, by column; blank for what the configuration did not say.

    Deviations are in engineering units, because the store does not know which were given as percentages.
    """
    cells = {column: row[column] for column in _PLAIN} | {"type": row["type_text"]}
    cells |= {column: number_cell(row[column]) for column in _NUMBERS}
    cells |= {
        f"{kind}_{end}": duration_cell(row[f"{kind}_{end}_us"]) for kind in ("exc", "comp") for end in ("min", "max")
    }
    cells["step"] = {None: "", True: "yes", False: "no"}[row["step"]]
    cells["enum"] = enumeration_cell(row["enumeration"])
    return {column: cells[column] for column in COLUMNS}


def number_cell(value: float | None) -> str:
    """The shortest text that is read as this number again."""
    return "" if value is None else repr(value).removesuffix(".0")


def duration_cell(duration_us: int | None) -> str:
    """The duration in its largest unit; blank for none and for 0, which is the default."""
    if not duration_us:
        return ""
    text = format_duration(duration_us)
    exact = f"{duration_us // 1000}.{duration_us % 1000:03d}ms"
    return text if parse_duration(text) == duration_us else exact


def enumeration_cell(enumeration: str | None) -> str:
    """``closed|open``, with codes where they do not count from 0."""
    if enumeration is None:
        return ""
    texts = {int(code): text for code, text in json.loads(enumeration).items()}
    counts = list(texts) == list(range(len(texts))) and not any(map(_CODED.match, texts.values()))
    return "|".join(texts.values() if counts else (f"{code}={text}" for code, text in texts.items()))


def csv_text(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Rows as CSV with a line of names."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return file.getvalue()
