"""What a person asks of an import; the same for all files of one command."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import Literal, TypeAlias

Form: TypeAlias = Literal["long", "wide"]
OnDuplicate: TypeAlias = Literal["no-replace", "replace", "insert"]
StatusCodes: TypeAlias = Literal["opc-ua", "opc-da"]

FILE_PLACEHOLDER = "{file}"
"""In the name of a tag: the name of the file without folder and endings."""


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """How the files are to be read, and what is done with their samples.

    ``columns``: the column of each role (``time``, ``tag``, ``value``, ``status``, ``group``), and of each tag of a
    wide file that shall not be called as its column.  ``zone``: of times without one.
    """

    form: Form | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    tag: str | None = None
    tag_prefix: str = ""
    skip: tuple[str, ...] = ()
    zone: tzinfo = UTC
    zone_name: str = "UTC"
    time_format: str | None = None
    status_codes: StatusCodes | None = None
    on_duplicate: OnDuplicate = "no-replace"
    compress: bool = False
    reject_out_of_range: bool = False

    def meaning(self) -> dict[str, object]:
        """What decides which samples a file gives, JSON-ready: a file imported with other options is another import."""
        return {
            "form": self.form,
            "columns": dict(sorted(self.columns.items())),
            "tag": self.tag,
            "tag_prefix": self.tag_prefix,
            "skip": sorted(self.skip),
            "zone": self.zone_name,
            "time_format": self.time_format,
            "status_codes": self.status_codes,
            "on_duplicate": self.on_duplicate,
            "compress": self.compress,
            "reject_out_of_range": self.reject_out_of_range,
        }
