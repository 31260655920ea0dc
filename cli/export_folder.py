"""A folder of exported files in the manner of Hive, which goes on where it was when it was interrupted.

A file appears when it is whole, so those that are there are done.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cli.export import NOTHING, write_batches
from cli.output_file import replaced_file
from cli.progress import counted
from historian.errors import UsageError

if TYPE_CHECKING:
    from historian.retrieval.exports.request import ExportRequest, Key, Piece

RECORD: Final = "_export.json"
"""What was asked, so that the same can go on; readers of folders leave out names that begin so."""


def write_folder(
    request: ExportRequest, keys: Sequence[Key], folder: Path, format_: str, question: Mapping[str, Any]
) -> str:
    """Write the files that are not there yet; what was done, for people.

    Raises UsageError for a folder that holds something else, and when there is nothing to export.
    """
    # Imported here, because a single file does not need it.
    from historian.retrieval.exports.request import pieces  # noqa: PLC0415 - as above

    asked = {**question, "partition_by": list(keys), "format": format_}
    request = _begin(folder, asked, request)
    wanted = list(pieces(request, keys, format_))
    there = [piece for piece in wanted if (folder / piece.path).is_file()]
    missing = [piece for piece in wanted if not (folder / piece.path).is_file()]
    with counted(iter(missing), len(missing), "writing", unit="files") as passing:
        rows = sum(_write(request, piece, folder, format_, question) for piece in passing)
    if not rows and not there:
        (folder / RECORD).unlink()
        raise UsageError(NOTHING)
    return f"{rows:,} rows" + (f" more, beside {len(there):,} files that were there," if there else "")


def _write(request: ExportRequest, piece: Piece, folder: Path, format_: str, question: Mapping[str, Any]) -> int:
    path = folder / piece.path
    path.parent.mkdir(parents=True, exist_ok=True)
    form = request.form(piece.rows, piece.time)
    # A column that the path tells is not in the file: readers of such folders would see it twice.
    without = ["tag"] if "tag=" in piece.path else []
    rows = write_batches(form, form.batches(), path, format_, question, without=without)
    if not rows:
        path.unlink()
        _remove_empty(path.parent, folder)
    return rows


def _remove_empty(path: Path, folder: Path) -> None:
    while path != folder and not any(path.iterdir()):
        path.rmdir()
        path = path.parent


def _begin(folder: Path, asked: Mapping[str, Any], request: ExportRequest) -> ExportRequest:
    """The request, with the times that it had when the same export was begun in this folder."""
    path = folder / RECORD
    if path.is_file():
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["asked"] != asked:
            raise UsageError(
                f"cannot export into {folder}: another export is there ({path} says which); name another folder"
            )
        return replace(request, start_us=record["start_us"], end_us=record["end_us"])
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"cannot export into {folder}: it is not an empty folder; name another")
    folder.mkdir(parents=True, exist_ok=True)
    with replaced_file(path) as temporary:
        record = {"asked": asked, "start_us": request.start_us, "end_us": request.end_us}
        temporary.write_text(json.dumps(record, indent=1), encoding="utf-8")
    return request
