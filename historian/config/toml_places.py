"""On which line of a TOML file each key stands, which :mod:`tomllib` does not tell.

A fault of a configuration names its line.  This scanner runs over a text that ``tomllib`` has read without complaint,
so it looks for structure only and checks nothing: tables, arrays of tables, dotted keys, inline tables, arrays, and the
four kinds of strings that may hold any of their signs (TOML 1.0.0).
"""

from __future__ import annotations

import re
import tomllib
from typing import Final, TypeAlias

KeyPath: TypeAlias = tuple[str | int, ...]

_BLANK: Final = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SPACE: Final = re.compile(r"[ \t]*")
_KEY: Final = re.compile(r"""[A-Za-z0-9_-]+|"(?:\\.|[^"\\])*"|'[^']*'""")
_STRING: Final = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}(?!")|' + r"'''.*?'{3,5}(?!')|" + r"""\"(?:\\.|[^"\\])*"|'[^']*'""", re.DOTALL
)
_SCALAR: Final = re.compile(r"[^,\]}#\r\n]+")


def find_lines(text: str) -> dict[KeyPath, int]:
    """Line (from 1) of every key and array element of ``text``, which must be valid TOML.

    A table stands where its header or its first key does; elements of arrays have their index in the path.
    """
    return _Scanner(text).scan()


class _Scanner:
    """A cursor over the text; each method reads one construct and leaves the cursor behind it."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._position = 0
        self._line = 1
        self._lines: dict[KeyPath, int] = {}
        self._elements: dict[KeyPath, int] = {}

    def scan(self) -> dict[KeyPath, int]:
        table: KeyPath = ()
        self._skip(_BLANK)
        while self._position < len(self._text):
            if self._peek("["):
                table = self._header()
            else:
                self._pair(table)
            self._skip(_BLANK)
        return self._lines

    def _header(self) -> KeyPath:
        """``[a.b]`` or ``[[a.b]]``: the path of the table, with the number of the element for the latter."""
        line, brackets = self._line, 2 if self._peek("[[") else 1
        self._position += brackets
        path = self._resolved(self._key())
        self._skip(_SPACE)
        self._position += brackets
        if brackets == 2:
            count = self._elements.get(path, 0)
            self._elements[path] = count + 1
            self._note(path, line)
            path = (*path, count)
        self._note(path, line)
        return path

    def _resolved(self, keys: tuple[str, ...]) -> KeyPath:
        """``[a.b]`` below ``[[a]]`` belongs to the newest element of a."""
        path: KeyPath = ()
        for number, key in enumerate(keys):
            path = (*path, key)
            if path in self._elements and number < len(keys) - 1:
                path = (*path, self._elements[path] - 1)
        return path

    def _pair(self, table: KeyPath) -> None:
        line = self._line
        path = (*table, *self._key())
        self._note(path, line)
        self._skip(_SPACE)
        self._position += 1  # the equals sign
        self._skip(_SPACE)
        self._value(path)

    def _key(self) -> tuple[str, ...]:
        """``a."b c".d`` in its parts."""
        parts = []
        while True:
            self._skip(_SPACE)
            parts.append(_unquoted(self._take(_KEY)))
            self._skip(_SPACE)
            if not self._peek("."):
                return tuple(parts)
            self._position += 1

    def _value(self, path: KeyPath) -> None:
        if self._peek("["):
            self._array(path)
        elif self._peek("{"):
            self._inline_table(path)
        elif self._peek('"') or self._peek("'"):
            self._take(_STRING)
        else:
            self._take(_SCALAR)

    def _array(self, path: KeyPath) -> None:
        self._position += 1
        self._skip(_BLANK)
        number = 0
        while not self._peek("]"):
            self._note((*path, number), self._line)
            self._value((*path, number))
            number += 1
            self._skip_comma()
        self._position += 1

    def _inline_table(self, path: KeyPath) -> None:
        self._position += 1
        self._skip(_BLANK)
        while not self._peek("}"):
            self._pair(path)
            self._skip_comma()
        self._position += 1

    def _skip_comma(self) -> None:
        self._skip(_BLANK)
        if self._peek(","):
            self._position += 1
            self._skip(_BLANK)

    def _note(self, path: KeyPath, line: int) -> None:
        """Remember the line of ``path``, and of the tables above it that no header has named."""
        for length in range(1, len(path)):
            self._lines.setdefault(path[:length], line)
        self._lines[path] = line

    def _peek(self, sign: str) -> bool:
        return self._text.startswith(sign, self._position)

    def _skip(self, pattern: re.Pattern[str]) -> None:
        self._take(pattern)

    def _take(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self._text, self._position)
        if match is None:
            raise ValueError(f"cannot find keys from line {self._line} on, wanted TOML that tomllib has read")
        self._line += match[0].count("\n")
        self._position = match.end()
        return match[0]


def _unquoted(key: str) -> str:
    if key.startswith("'"):
        return key[1:-1]
    if key.startswith('"'):
        return str(tomllib.loads(f"key = {key}")["key"])
    return key
