"""Commands that write to the store: by themselves, or through the process that collects into it.

A store has one writer.  A command that finds nobody writing opens the store itself; otherwise it puts a request into
the box that ``historian collect`` looks into (:mod:`storage.requests`).  Both end in the same function, the request's
handler, so that nothing depends on which way it went.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias

from historian.errors import StoreLockedError
from historian.pipeline.commit_loop import wait_or_stop
from storage.requests import PICK_UP_S, WORK_S, Handler, NotTakenError, Payload, Request, RequestServer, submit
from storage.store import Store

StoreHandler: TypeAlias = Callable[[Store, Request], Payload]
"""Does with the store what a request asks for; what it returns is JSON-ready."""

_log = logging.getLogger("historian.cli")

HANDLERS: Final[dict[str, str]] = {
    "annotate": "cli.annotate:handle",
    "compact": "cli.compact:handle",
    "edit": "cli.edit:handle",
    "import": "cli.import_:handle",
    "remove": "cli.remove:handle",
    "rename": "cli.tags_rename:handle",
    "note-tags": "cli.tags_import:handle",
    "set-aside": "cli.verify:handle",
    "join-again": "cli.verify:handle_join",
}
"""By kind of request: module and function, imported when the first request of the kind comes."""

LOOK_S: Final = 0.25
"""Between two looks into the box; a look takes 20 microseconds."""

END_S: Final = 3.0
"""A request under way may end within this time when collecting stops."""


def handler_of(store: Store, kind: str) -> Handler:
    """What does requests of this kind with ``store``."""
    return partial(_handle, store, HANDLERS[kind])


def _handle(store: Store, place: str, request: Request) -> Payload:
    module, _, function = place.partition(":")
    handle: StoreHandler = getattr(importlib.import_module(module), function)
    return handle(store, request)


def perform(
    folder: Path,
    kind: str,
    payload: Payload,
    *,
    pick_up_s: float = PICK_UP_S,
    timeout_s: float = WORK_S,
    attach: Callable[[Path], None] | None = None,
) -> Mapping[str, Any]:
    """Have a request of this kind done, here or by the process that writes to the store; what came of it.

    Raises what the handler raises, the errors of :meth:`storage.store.Store.open`, and those of
    :func:`storage.requests.submit`.
    """
    try:
        return _perform_here(folder, kind, payload, attach)
    except StoreLockedError:
        pass
    try:
        return submit(folder, kind, payload, pick_up_s=pick_up_s, timeout_s=timeout_s, attach=attach)
    except NotTakenError as error:
        # Whoever had the lock took no requests, but may have ended by now.
        try:
            return _perform_here(folder, kind, payload, attach)
        except StoreLockedError:
            raise error from None


def _perform_here(
    folder: Path, kind: str, payload: Payload, attach: Callable[[Path], None] | None
) -> Mapping[str, Any]:
    with Store.open(folder) as store:
        if attach is None:
            return handler_of(store, kind)(Request(kind, payload))
        # Imported here, because few requests have a file with them.
        from tempfile import TemporaryDirectory  # noqa: PLC0415 - as above

        with TemporaryDirectory(prefix="historian-") as work:
            data = Path(work) / "data"
            attach(data)
            return handler_of(store, kind)(Request(kind, payload, data))


class RequestService:
    """Serves the request box of a store that is being collected into, in a thread of its own.

    ``also``: what does requests of more kinds, which only a process that collects can do.
    """

    def __init__(self, store: Store, say: Callable[[str], None], also: Mapping[str, Handler] | None = None) -> None:
        self._store = store
        self._say = say
        self._also = dict(also or {})
        self._server: RequestServer | None = None
        self._error = ""

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until ``stop`` is set, and what is under way then to its end; may be cancelled before."""
        loop = asyncio.get_running_loop()
        thread = ThreadPoolExecutor(1, "requests")
        try:
            while not stop.is_set():
                await loop.run_in_executor(thread, self._serve)
                await wait_or_stop(stop, LOOK_S)
        finally:
            thread.shutdown(wait=False)

    def _serve(self) -> None:
        """Runs in its thread.  Whatever fails, collecting goes on, and the box is looked into again."""
        try:
            if self._server is None:
                handlers = {kind: handler_of(self._store, kind) for kind in HANDLERS}
                self._server = RequestServer(self._store.folder, handlers | self._also)
            self._server.serve()
        except OSError as error:
            self._note(str(error))
        except Exception as error:  # noqa: BLE001 - last line of defence: one bad request must not end all later ones
            _log.exception("a fault while serving a request")
            self._note(repr(error))
        else:
            self._error = ""

    def _note(self, error: str) -> None:
        if error != self._error:
            self._error = error
            self._say(f"requests of other commands cannot be answered, this is tried again: {error}")
