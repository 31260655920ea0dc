"""Which servers are trusted: a folder of their certificates, each a file named by its fingerprint.

``trusted`` holds those that were accepted, ``waiting`` those that servers have shown and nobody has accepted yet,
``first_use`` notes which one a source that trusts on first use has met.  A certificate is trusted itself, not by who
signed it: plants have servers, not authorities.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

from collectors.opcua.certificates import CertificateText, describe_certificate, fingerprint_of
from historian.errors import UsageError

TRUSTED: Final = "trusted"
WAITING: Final = "waiting"
FIRST_USE: Final = "first_use"
SUFFIX: Final = ".der"

MOST_WAITING: Final = 100
"""A server that shows another certificate at each connect must not fill the disk; the oldest go first."""

LEAST_DIGITS: Final = 8
"""So many digits of a fingerprint name a certificate, where no other begins with them."""


@dataclass(frozen=True, slots=True)
class Known:
    """A certificate of the list: ``state`` is ``trusted`` or ``waiting``."""

    state: str
    text: CertificateText


class TrustList:
    """The certificates of servers in ``folder``, which need not be there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def is_trusted(self, certificate: bytes) -> bool:
        """Whether this very certificate (DER) was accepted."""
        path = self._path(TRUSTED, fingerprint_of(certificate))
        return path.is_file() and path.read_bytes() == certificate

    def show(self, certificate: bytes) -> None:
        """Keep a certificate that a server has shown, so that it can be accepted.  Raises OSError."""
        waiting = self._folder / WAITING
        waiting.mkdir(parents=True, exist_ok=True)
        path = self._path(WAITING, fingerprint_of(certificate))
        if not path.exists():
            oldest = sorted(waiting.glob(f"*{SUFFIX}"), key=lambda each: each.stat().st_mtime)
            for one in oldest[: max(0, len(oldest) + 1 - MOST_WAITING)]:
                one.unlink(missing_ok=True)
            _write(path, certificate)

    def meet(self, source: str, certificate: bytes) -> bool:
        """Trust a certificate if ``source`` has met no other one before; whether it is trusted now.  Raises OSError."""
        note = self._folder / FIRST_USE / f"{quote(source, safe='')}.json"
        fingerprint = fingerprint_of(certificate)
        if note.is_file():
            return _met(note) == fingerprint and self.is_trusted(certificate)
        self._accept(certificate)
        note.parent.mkdir(parents=True, exist_ok=True)
        _write(note, json.dumps({"source": source, "fingerprint": fingerprint}).encode())
        return True

    def all(self) -> list[Known]:
        """Those that are trusted, then those that wait; files that are no certificates are left out."""
        return [Known(state, text) for state in (TRUSTED, WAITING) for _, text in self._files(state)]

    def accept(self, digits: str) -> CertificateText:
        """Trust the certificate whose fingerprint begins with ``digits``.  Raises UsageError when there is not one."""
        path, text = self._find(digits, (WAITING, TRUSTED))
        self._accept(path.read_bytes())
        return text

    def remove(self, digits: str) -> CertificateText:
        """Forget a certificate, trusted or waiting.  Raises UsageError when there is no such one."""
        _, text = self._find(digits, (TRUSTED, WAITING))
        for state in (TRUSTED, WAITING):
            self._path(state, text.fingerprint).unlink(missing_ok=True)
        for note in (self._folder / FIRST_USE).glob("*.json"):
            if _met(note) == text.fingerprint:
                note.unlink()
        return text

    def _accept(self, certificate: bytes) -> None:
        fingerprint = fingerprint_of(certificate)
        (self._folder / TRUSTED).mkdir(parents=True, exist_ok=True)
        _write(self._path(TRUSTED, fingerprint), certificate)
        self._path(WAITING, fingerprint).unlink(missing_ok=True)

    def _find(self, digits: str, states: tuple[str, ...]) -> tuple[Path, CertificateText]:
        wanted = digits.lower().replace(":", "").replace(" ", "")
        files = {
            text.fingerprint: (path, text)
            for state in states
            for path, text in self._files(state)
            if wanted in (text.fingerprint[: len(wanted)], text.thumbprint[: len(wanted)])
        }
        if len(wanted) < LEAST_DIGITS:
            raise UsageError(
                f"cannot tell a certificate by {digits!r}: got {len(wanted)} digits, wanted {LEAST_DIGITS} or more"
            )
        if len(files) != 1:
            got = "no certificate" if not files else f"{len(files)} certificates"
            raise UsageError(
                f"cannot tell a certificate by {digits!r}: got {got} in {self._folder}, wanted one whose fingerprint "
                "begins so; see them with: historian trust list"
            )
        return next(iter(files.values()))

    def _files(self, state: str) -> Iterator[tuple[Path, CertificateText]]:
        for path in sorted((self._folder / state).glob(f"*{SUFFIX}")):
            try:
                yield path, describe_certificate(path.read_bytes())
            except (ValueError, OSError):
                continue  # somebody's file that is no certificate

    def _path(self, state: str, fingerprint: str) -> Path:
        return self._folder / state / f"{fingerprint}{SUFFIX}"


def _met(note: Path) -> str:
    """The fingerprint that a note of first use holds; empty for a file that is none."""
    try:
        content = json.loads(note.read_text("utf-8"))
    except ValueError:
        return ""
    return str(content.get("fingerprint", "")) if isinstance(content, dict) else ""


def _write(path: Path, content: bytes) -> None:
    """Put a file there whole, by a rename."""
    temporary = path.with_suffix(".part")
    temporary.write_bytes(content)
    temporary.replace(path)
