"""Reading a TOML file, with the line of every key.

Loads neither pydantic nor the tag lists, so that commands which only need the store's place start quickly.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from historian.config.text_file import UnusableFileError, read_text
from historian.config.toml_places import KeyPath, find_lines
from historian.errors import ConfigurationError, Fault

_AT_LINE: Final = re.compile(r"(.*?)\s*\(at (?:line (\d+), column \d+|end of document)\)", re.DOTALL)
_SECRET: Final = re.compile(r"passw|pwd|secret|token", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class TomlDocument:
    """A TOML file that could be read: its ``data``, and the line of each key for messages."""

    path: Path
    data: Mapping[str, Any]
    lines: Mapping[KeyPath, int]

    def line(self, key: Sequence[str | int]) -> int | None:
        """Line of ``key``, or of the nearest table above it when it is missing; None when that is the whole file."""
        for length in range(len(key), 0, -1):
            if tuple(key[:length]) in self.lines:
                return self.lines[tuple(key[:length])]
        return None


def read_toml(path: Path) -> TomlDocument:
    """Read a TOML file.  Raises ConfigurationError with one fault when it is missing, unreadable or no TOML."""
    try:
        text = read_text(path, "a configuration file", "historian init writes one to start from")
    except UnusableFileError as error:
        place = str(path) if error.line is None else f"{path}:{error.line}"
        raise ConfigurationError([error.at(place)]) from None
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError([_syntax_fault(path, text, error)]) from None
    return TomlDocument(path, data, find_lines(text.replace("\r\n", "\n")))


def key_text(key: Sequence[str | int]) -> str:
    """``sources.boiler.timeout``, ``tag_files[0]``; parts that need quotes get them."""
    text = ""
    for part in key:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            name = part if re.fullmatch(r"[A-Za-z0-9_-]+", part) else repr(part)
            text += f".{name}" if text else name
    return text


def _syntax_fault(path: Path, text: str, error: tomllib.TOMLDecodeError) -> Fault:
    match = _AT_LINE.fullmatch(str(error))
    if match is None:
        return Fault(str(path), f"a mistake in the TOML: {error}", "a file that follows toml.io")
    lines = text.splitlines()
    number = int(match[2]) if match[2] else max(len(lines), 1)
    line = lines[number - 1].strip() if number <= len(lines) else ""
    message = match[1][:1].lower() + match[1][1:]
    return Fault(f"{path}:{number}", _masked(line), f"TOML, but {message}", _syntax_hint(line, message))


def _masked(line: str) -> str:
    """The line for a message; what may be a secret stays out of it."""
    if _SECRET.search(line):
        return repr(line.partition("=")[0].rstrip() + " = ...")
    return repr(line if len(line) <= 60 else line[:56] + " ...")


def _syntax_hint(line: str, message: str) -> str:
    if "\\" in line:
        return r"put Windows paths in single quotes: 'C:\data\store'"
    if "overwrite" in message or "twice" in message:
        return "the key or section stands in the file already"
    if "invalid value" in message or "after value" in message or "expected newline" in message:
        return 'texts and durations need quotes: timeout = "800ms"'
    return ""
