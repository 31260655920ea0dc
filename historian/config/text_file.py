"""The text of a file of the configuration, in UTF-8 with or without a byte order mark."""

from __future__ import annotations

import codecs
from pathlib import Path

from historian.errors import UnusableValueError


class UnusableFileError(UnusableValueError):
    """A file cannot be read as text.  ``line`` is the place inside it, None when not even a line could be read."""

    def __init__(self, got: str, wanted: str, hint: str = "", line: int | None = None) -> None:
        super().__init__(got, wanted, hint)
        self.line = line


def read_text(path: Path, wanted: str, hint_if_missing: str = "") -> str:
    """The text of ``path``.  Raises UnusableFileError when it is missing, may not be read, or is not in UTF-8."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise UnusableFileError(f"no file {path}", wanted, hint_if_missing) from None
    except OSError as error:
        if path.is_dir():  # asked for here, because Windows refuses a folder as if permission were missing
            raise UnusableFileError(f"the folder {path}", wanted) from None
        raise UnusableFileError(f"{path}, which cannot be read: {error.strerror}", wanted) from None
    return _decoded(content)


def _decoded(content: bytes) -> str:
    hint = "in a spreadsheet, save as 'CSV UTF-8'"
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise UnusableFileError("text in UTF-16", "text in UTF-8", hint, line=1)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1  # the object lacks the mark that content may have
        byte = f"the byte 0x{error.object[error.start]:02X}"
        raise UnusableFileError(byte, "text in UTF-8", hint, line) from None
