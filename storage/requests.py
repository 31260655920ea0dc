"""The request box: how a command has something written while another process holds the store's lock.

A command puts its request as a file into the folder ``requests`` of the store (:func:`submit`); the process that writes
to the store, ``historian collect``, looks there a few times a second (:meth:`RequestServer.serve`), has it done and
answers with a file.  Every file appears whole, by a rename::

    ID.request   put there by the command; taken back by it when nobody answers in time
    ID.data      what goes with it, if anything, before it
    ID.taken     the same file, renamed by the server: it is done at most once, whatever happens
    ID.result    the answer; removed by the command that read it

Only who may write to the store's folder can ask.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

from historian.errors import HistorianError, StoreError, UsageError
from storage import names
from storage.lock import read_owner

PICK_UP_S: Final = 10.0
"""So long a request waits for somebody to take it; ``collect`` looks four times a second."""

WORK_S: Final = 120.0
"""So long a command waits for what was begun."""

POLL_S: Final = 0.05
KEEP_S: Final = 600.0
"""Answers that nobody fetched, and what dead commands left, are removed after this time."""

Payload: TypeAlias = Mapping[str, Any]
"""JSON-ready."""

_CANNOT_TELL: Final = "cannot tell what came of the request"
_SEE_AUDIT: Final = "see in the audit whether it was done: " + 'historian sql "from audit order by time desc limit 5"'

_REQUEST, _TAKEN, _RESULT, _DATA = ".request", ".taken", ".result", ".data"


@dataclass(frozen=True, slots=True)
class Request:
    """What somebody asks for.  ``data`` is a file that goes with it; it is removed when the request is done."""

    kind: str
    payload: Payload
    data: Path | None = None


Handler: TypeAlias = Callable[[Request], Payload]
"""Does what a request asks for and says what came of it.  A HistorianError is told to the command that asked."""


class NotTakenError(StoreError):
    """Nobody took the request in time; it was taken back, nothing was done."""


def submit(
    folder: Path,
    kind: str,
    payload: Payload,
    *,
    pick_up_s: float = PICK_UP_S,
    timeout_s: float = WORK_S,
    attach: Callable[[Path], None] | None = None,
) -> dict[str, Any]:
    """Ask the process that writes to the store in ``folder``; its answer.

    ``attach`` writes a file that goes with the request.  Raises NotTakenError when nobody takes it within ``pick_up_s``
    (while others are served: ``timeout_s``), StoreError when it was taken and the answer does not come within
    ``timeout_s`` after that, and what the handler raised: UsageError or StoreError.
    """
    box = folder / names.REQUESTS
    name = f"{time.time_ns():020d}-{secrets.token_hex(4)}"
    data = box / (name + _DATA)
    try:
        make_box(folder)
        if attach is not None:
            attach(data)
            _share(data, box)
        expires_us = time.time_ns() // 1000 + round((pick_up_s + timeout_s) * 1e6)
        _write(box, name + _REQUEST, {"kind": kind, "payload": dict(payload), "expires_us": expires_us})
        return _outcome(_wait(folder, box, name, pick_up_s, timeout_s))
    except OSError as error:
        raise StoreError(
            f"cannot ask the process that writes to the store {folder}: {error}; wanted a folder {box.name} in it that "
            "can be written to"
        ) from error
    finally:
        withdrawn = _withdraw(box, name)
        if attach is not None and (withdrawn or not (box / (name + _TAKEN)).exists()):
            with suppress(OSError):  # swept later
                data.unlink(missing_ok=True)


def make_box(folder: Path) -> Path:
    """The folder for requests, made if needed for all who may write to the store's."""
    box = folder / names.REQUESTS
    try:
        box.mkdir()
    except FileExistsError:
        return box
    box.chmod(folder.stat().st_mode & 0o7777)
    return box


def _wait(folder: Path, box: Path, name: str, pick_up_s: float, timeout_s: float) -> dict[str, Any]:
    started = time.monotonic()
    while (answer := _read(box / (name + _RESULT))) is None:
        waited = time.monotonic() - started
        busy = waited < timeout_s and _is_busy(box, name)
        if waited > pick_up_s and not busy and _withdraw(box, name):
            raise NotTakenError(
                f"cannot write to the store {folder}: {read_owner(folder) or 'another process'} writes to it and did "
                f"not answer within {pick_up_s:.0f} s; nothing was done. Only historian collect takes requests: wait "
                "until the other one has ended, and see with historian status what collect does"
            )
        if waited > pick_up_s + timeout_s:
            raise StoreError(f"{_CANNOT_TELL}: it was begun, but there is no answer after {waited:.0f} s; {_SEE_AUDIT}")
        time.sleep(POLL_S)
    (box / (name + _RESULT)).unlink(missing_ok=True)
    return answer


def _is_busy(box: Path, name: str) -> bool:
    """True while the server is at the request of somebody else."""
    return any(taken.name != name + _TAKEN for taken in box.glob(f"*{_TAKEN}"))


def _withdraw(box: Path, name: str) -> bool:
    """Take a request back; False when somebody has it.  Removing and renaming a file exclude each other."""
    try:
        (box / (name + _REQUEST)).unlink()
    except OSError:
        return False
    return True


def _outcome(answer: Mapping[str, Any]) -> dict[str, Any]:
    if "error" not in answer:
        return dict(answer["result"])
    raise (UsageError if answer.get("usage") else StoreError)(str(answer["error"]))


class RequestServer:
    """The side that does what is asked for: in the process that holds the writer's lock, in one thread."""

    def __init__(self, folder: Path, handlers: Mapping[str, Handler]) -> None:
        """Makes the box, and answers what an earlier server had begun when it died."""
        self._box = make_box(folder)
        self._handlers = handlers
        self._swept_s = -KEEP_S
        for taken in sorted(self._box.glob(f"*{_TAKEN}")):
            ended = StoreError(f"{_CANNOT_TELL}: collect ended while it was at it; {_SEE_AUDIT}")
            self._answer(taken.name.removesuffix(_TAKEN), _failure(ended))

    def serve(self) -> int:
        """Do all requests there are, the oldest first; how many."""
        if time.monotonic() - self._swept_s > KEEP_S / 10:
            self._sweep()
        done = 0
        # The folder may have been removed with everything in it: then nobody asks.
        make_box(self._box.parent)
        with os.scandir(self._box) as entries:
            waiting = sorted(entry.name for entry in entries if entry.name.endswith(_REQUEST))
        for each in waiting:
            done += self._take(each.removesuffix(_REQUEST))
        return done

    def _take(self, name: str) -> bool:
        taken = self._box / (name + _TAKEN)
        try:
            (self._box / (name + _REQUEST)).rename(taken)
        except OSError:
            return False  # taken back in this moment, or on Windows still open: then it is there the next time
        self._answer(name, self._do(name, _read(taken)))
        return True

    def _do(self, name: str, asked: Mapping[str, Any] | None) -> Payload:
        if asked is None or not isinstance(asked.get("payload"), dict):
            return _failure(UsageError(f"cannot read the request {name}: wanted a JSON object with kind and payload"))
        if time.time_ns() // 1000 > int(asked.get("expires_us", 0)):
            return _failure(StoreError("the request came too late, nothing was done; ask again"))
        handler = self._handlers.get(str(asked.get("kind")))
        if handler is None:
            known = ", ".join(sorted(self._handlers))
            return _failure(
                UsageError(f"cannot do {asked.get('kind')!r}: collect knows {known}; is it older than this?")
            )
        data = self._box / (name + _DATA)
        try:
            return {
                "result": dict(handler(Request(str(asked["kind"]), asked["payload"], data if data.exists() else None)))
            }
        except HistorianError as error:
            return _failure(error)
        except Exception as error:  # noqa: BLE001 - last line of defence: collecting goes on, who asked is told
            return _failure(StoreError(f"a fault of its own, not of yours: {type(error).__name__}: {error}"))

    def _answer(self, name: str, answer: Payload) -> None:
        _write(self._box, name + _RESULT, answer)
        (self._box / (name + _DATA)).unlink(missing_ok=True)
        (self._box / (name + _TAKEN)).unlink(missing_ok=True)

    def _sweep(self) -> None:
        """Remove what commands left that are not there any more."""
        self._swept_s = time.monotonic()
        now_s = time.time()
        for path in self._box.iterdir():
            try:
                if path.suffix != _TAKEN and now_s - path.stat().st_mtime > KEEP_S:
                    path.unlink()
            except OSError:
                continue  # fetched in this moment


def _failure(error: HistorianError) -> Payload:
    return {"error": str(error), "usage": isinstance(error, UsageError)}


def _write(box: Path, name: str, content: Payload) -> None:
    temporary = box / names.temporary_name(name)
    temporary.write_text(json.dumps(content), encoding="utf-8")
    _share(temporary, box)
    temporary.replace(box / name)


def _share(path: Path, box: Path) -> None:
    """Let the other side read a file, whatever this process's umask: who may write into the box may."""
    path.chmod(box.stat().st_mode & 0o666)


def _read(path: Path) -> dict[str, Any] | None:
    """The content of a file; None when it is not there (yet) or holds something else."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None
