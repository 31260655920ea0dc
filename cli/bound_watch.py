"""While collecting: are the promises of compression kept?  What was shadowed is compared every few minutes.

The result is among the health figures (``bound``), where ``historian status`` finds a broken promise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from cli.bound_text import broken_text
from historian.config.settings import ShadowSettings
from historian.errors import HistorianError
from historian.model.clock import US_PER_S
from storage.reader import StoreReader
from storage.store import Store
from storage.verify_bound import BoundReport, Finding, verify_bound

BOUND: Final = "bound"
"""Name of the figures."""

EVERY_US: Final = 600 * US_PER_S
OVERLAP_US: Final = 60 * US_PER_S
"""Between two comparisons, and how far the next one goes back behind the last: nothing falls between them."""

MOST_TOLD: Final = 20
"""Broken promises that are kept in the figures; ``historian verify --bound`` tells all."""

Figures = dict[str, Any]


class BoundWatch:
    """Tends the shadow of ``store`` and compares it.  ``say`` tells the person at the terminal of a broken promise."""

    def __init__(self, store: Store, settings: ShadowSettings, say: Callable[[str], None]) -> None:
        self._store = store
        self._settings = settings
        self._say = say
        self._due_us = 0

    def look(self, now_us: int, *, asked: bool = False) -> None:
        """Do what is due.  Raises HistorianError."""
        self._store.tend_shadow(now_us, self._settings)
        if now_us >= self._due_us or asked:
            self._due_us = now_us + EVERY_US
            self._compare(now_us)

    def _compare(self, now_us: int) -> None:
        with StoreReader.open(self._store.folder) as reader:
            before: Figures = dict(reader.health().get(BOUND, {}))
            if not reader.shadow_rows():
                return
            until_us = before.get("until_us")
            report = verify_bound(reader, since_us=None if until_us is None else int(until_us) - OVERLAP_US)
        figures = merged(before, report, now_us, now_us - self._settings.keep_us)
        self._store.note_figures({BOUND: figures})
        told = {row["tag"] for row in before.get("broken", [])}
        for row in figures["broken"]:
            if row["tag"] not in told:
                self._say(broken_text(row))


def look_safely(watch: BoundWatch, now_us: int, *, asked: bool) -> str:
    """As :meth:`BoundWatch.look`; what went wrong, in words: it is no reason to stop collecting."""
    try:
        watch.look(now_us, asked=asked)
    except HistorianError as error:
        return str(error)
    return ""


def merged(before: Mapping[str, Any], report: BoundReport, now_us: int, oldest_us: int) -> Figures:
    """The figures after another comparison; what is older than ``oldest_us`` is forgotten, as its raw samples are."""
    worst = {row["tag"]: row for row in before.get("worst", []) if row["at_us"] >= oldest_us}
    for finding in (each for each in report.findings if each.at_us >= oldest_us):
        row = _row(finding)
        if finding.tag not in worst or row["share"] >= worst[finding.tag]["share"]:
            worst[finding.tag] = row
    rows = sorted(worst.values(), key=lambda row: (not row["is_broken"], -row["share"], row["tag"]))
    return {
        "updated_us": now_us,
        "until_us": max(report.last_us or 0, int(before.get("until_us") or 0)),
        "tags": len(rows),
        "worst": rows[:MOST_TOLD],
        "broken": [row for row in rows if row["is_broken"]][:MOST_TOLD],
    }


def _row(finding: Finding) -> Figures:
    share = min(finding.share, 1e9)  # JSON has no infinity
    return {
        "tag": finding.tag, "error": finding.error, "promise": finding.promise, "share": share,
        "at_us": finding.at_us, "missing": finding.missing, "is_broken": finding.is_broken,
    }  # fmt: skip
