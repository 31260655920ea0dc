"""Following a changed configuration while collecting, on request (:mod:`cli.reload`) or on SIGHUP.

What has faults is refused as a whole.  What is right is registered in the store first; then source by source follows
(:mod:`cli.running_sources`).  A crash in between costs nothing: the next start reads the new configuration anyway.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import TimeoutError as WaitedTooLongError
from pathlib import Path
from typing import Final

from cli.running_sources import RunningSources, wanted_groups, wanted_tags
from historian.config.difference import Difference, are_other_samples, difference, followed
from historian.config.load import load_configuration
from historian.config.settings import Configuration
from historian.errors import HistorianError, StoreError, UsageError
from historian.model.clock import Clock
from historian.model.tag import Tag
from historian.pipeline.pipeline import KnownTags, Pipeline
from historian.pipeline.shadow import shadowed
from storage.health import SOURCE
from storage.requests import Payload, Request
from storage.store import Store

_log = logging.getLogger("historian.cli")

MOST_NAMED: Final = 5
WAIT_S: Final = 100.0
"""So long the answer of a request is waited for inside the process; a source that hangs may take its time-out."""


class Reloader:
    """Follows the configuration of a process that collects; used in its event loop."""

    def __init__(
        self,
        configuration: Configuration,
        tag_ids: Mapping[str, int],
        *,
        store: Store,
        pipeline: Pipeline,
        sources: RunningSources,
        clock: Clock,
        say: Callable[[str], None],
    ) -> None:
        self._configuration = configuration
        self._store = store
        self._pipeline = pipeline
        self._sources = sources
        self._tag_ids = tag_ids
        self._tags = {tag_ids[tag.name]: tag for tag in wanted_tags(configuration)}
        self._clock = clock
        self._say = say
        self._turn = asyncio.Lock()
        self._loop = asyncio.get_running_loop()

    def handle(self, request: Request) -> Payload:
        """The handler of the request box, called in its thread.  Raises what reloading raises."""
        asked, own = Path(str(request.payload.get("path", ""))), self._configuration.path.resolve()
        if asked != own:
            raise UsageError(f"cannot reload {asked}: this store is collected into with the configuration {own}")
        future = asyncio.run_coroutine_threadsafe(self.reload("historian reload"), self._loop)
        try:
            return {"said": future.result(WAIT_S)}
        except WaitedTooLongError:
            text = "cannot tell what came of the reload: a source takes long to answer; see the audit"
            raise StoreError(text) from None

    async def follow(self, asked: asyncio.Event) -> None:
        """Reload whenever ``asked`` is set by a signal, until cancelled."""
        while True:
            await asked.wait()
            asked.clear()
            try:
                await self.reload("SIGHUP")
            except HistorianError:
                continue  # said, and in the audit
            except Exception as error:  # noqa: BLE001 - last line of defence: collecting goes on, the fault is shown
                _log.exception("a fault while following the configuration")
                self._say(f"the configuration could not be followed: {error!r}")

    async def reload(self, why: str) -> str:
        """Follow the configuration as it is in the file now; what was done, in words.

        Raises UsageError and StoreError; the old configuration goes on then.
        """
        async with self._turn:
            try:
                said = await self._follow(why)
            except HistorianError as error:
                self._pipeline.event("reload refused", "configuration", str(error), why)
                self._say(f"the configuration is not followed, the one before goes on: {error}")
                raise
        self._say(said)
        return said

    async def _follow(self, why: str) -> str:
        old = self._configuration
        new = await asyncio.to_thread(load_configuration, old.path)
        news = await asyncio.to_thread(difference, old, new)
        if not new.tags:
            raise UsageError(f"cannot follow {old.path}: got no tags, wanted at least one; or stop collecting instead")
        if news.is_nothing:
            return _text_of(news)
        new = followed(old, new)
        tags = await asyncio.to_thread(wanted_tags, new)
        before, ids = self._tags, self._tag_ids
        now_us = self._clock.wall_us()
        self._tag_ids = await asyncio.to_thread(self._store.register_tags, tags, now_us, "collect", why)
        self._tags = {self._tag_ids[tag.name]: tag for tag in tags}
        groups = await asyncio.to_thread(wanted_groups, new)
        ended = [number for number, tag in before.items() if _ends(tag, self._tags.get(number))]
        gone = await self._sources.change(new, groups, KnownTags(self._tag_ids, ended, shadowed(new.tags, new.shadow)))
        self._configuration = new
        names = {number: tag.name for number, tag in self._tags.items()}
        renamed = {name: names[number] for name, number in ids.items() if names.get(number, name) != name}
        news = difference(old, new, renamed)
        self._note(news, why)
        if gone:
            await asyncio.to_thread(self._store.note_figures, {f"{SOURCE}{name}": {} for name in gone})
        return _text_of(news)

    def _note(self, news: Difference, why: str) -> None:
        self._pipeline.event("reloaded", "configuration", _text_of(news), why)
        for name in news.removed:
            self._pipeline.event("not collected any more", name, "taken out of the configuration", why)


def _ends(before: Tag, now: Tag | None) -> bool:
    return now is None or are_other_samples(before, now)


def _text_of(news: Difference) -> str:
    """``configuration reloaded: 2 tags added (A, B), source mixer changed``."""
    parts = [
        _some("tag", news.added, "added"),
        _some("tag", news.changed, "changed"),
        _some("tag", news.removed, "removed"),
        _some("source", news.sources_added, "added"),
        _some("source", news.sources_changed, "changed"),
        _some("source", news.sources_removed, "removed"),
        _some("scan class", news.scan_classes_changed, "changed"),
        "health tags switched" if news.health_changed else "",
    ]
    done = ", ".join(filter(None, parts)) or "nothing has changed"
    waiting = f"; followed from the next start on: {', '.join(news.waiting)}" if news.waiting else ""
    return f"configuration reloaded: {done}{waiting}"


def _some(what: str, names: tuple[str, ...], how: str) -> str:
    if not names:
        return ""
    named = ", ".join(names[:MOST_NAMED]) + (" ..." if len(names) > MOST_NAMED else "")
    many = "es" if what.endswith("s") else "s"
    return f"{len(names):,} {what}{'' if len(names) == 1 else many} {how} ({named})"
