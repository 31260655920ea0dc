"""The health figures as tags: ``historian.boiler.scan_ms``, ``historian.process.memory_mb`` and their like.

They are read like those of any source, by :mod:`collectors.figures_driver`, and go the same way to the archive.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from historian.config.settings import Configuration
from historian.config.tag_name import OWN_PREFIX
from historian.model.clock import US_PER_S
from historian.model.error_bound import ErrorBound
from historian.model.scan import ScanGroup
from historian.model.tag import CompressionSettings, ExceptionSettings, Tag, ValueType

SOURCE: Final = "historian"
SCAN_CLASS: Final = "health"
"""What tables of tags say of them; a configuration may use both names for itself."""

RATE_US: Final = 10 * US_PER_S
HOUR_US: Final = 3600 * US_PER_S

Figures: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Figure:
    """A tag for each source, or for the process.  ``bound`` None: whole numbers, of which each change is kept."""

    name: str
    units: str
    description: str
    value: Callable[[Figures, int], float | None]
    bound: float | None = None
    states: Mapping[int, str] | None = None


def _of(key: str, scale: float = 1.0) -> Callable[[Figures, int], float | None]:
    def value(figures: Figures, _: int) -> float | None:
        found = figures.get(key)
        return None if found is None else float(found) * scale

    return value


def _silent_s(figures: Figures, now_us: int) -> float | None:
    last_us = figures.get("last_good_us")
    return max(now_us - int(last_us), 0) / US_PER_S if last_us else None


def _connected(figures: Figures, _: int) -> float:
    return float(figures.get("state") == "connected")


OF_A_SOURCE: Final = (
    _Figure("connected", "", "whether it answers", _connected, states={0: "no", 1: "yes"}),
    _Figure("scan_ms", "ms", "time of the last scan", _of("latency_ms"), 0.5),
    _Figure("scan_p50_ms", "ms", "median time of a scan", _of("latency_p50_ms"), 0.5),
    _Figure("scan_p99_ms", "ms", "99th percentile of the time of a scan", _of("latency_p99_ms"), 0.5),
    _Figure("lateness_ms", "ms", "how late the last scan started", _of("lateness_ms"), 0.5),
    _Figure("lateness_p99_ms", "ms", "99th percentile of how late scans started", _of("lateness_p99_ms"), 0.5),
    _Figure("silent_s", "s", "since the last good scan", _silent_s, 1.0),
    _Figure("requests", "", "requests since the start", _of("requests"), 0.0),
    _Figure("overruns", "", "scans skipped since the start", _of("overruns")),
    _Figure("errors", "", "times it did not answer since the start", _of("errors")),
    _Figure("reconnects", "", "times it came back since the start", _of("reconnects")),
    _Figure("lost", "", "values known to be missing since the start", _of("lost")),
    _Figure("good", "", "points that are Good", _of("good")),
    _Figure("uncertain", "", "points that are Uncertain", _of("uncertain")),
    _Figure("bad", "", "points that are Bad", _of("bad")),
)

OF_THE_PROCESS: Final = (
    _Figure("memory_mb", "MB", "memory of the collecting process", _of("memory_bytes", 1e-6), 1.0),
    _Figure("cpu_percent", "%", "of one processor", _of("cpu_percent"), 1.0),
    _Figure("commit_ms", "ms", "time of the last commit", _of("commit_ms"), 0.5),
    _Figure("commit_p50_ms", "ms", "median time of a commit", _of("commit_p50_ms"), 0.5),
    _Figure("commit_p99_ms", "ms", "99th percentile of the time of a commit", _of("commit_p99_ms"), 0.5),
    _Figure("commit_rows", "", "samples of the last commit", _of("commit_rows"), 0.0),
    _Figure("pending_rows", "", "samples in memory that the store could not take", _of("pending_rows"), 0.0),
    _Figure("late_rows", "", "samples from histories of devices that are not stored yet", _of("late_rows"), 0.0),
    _Figure("samples_in", "", "values read since the start", _of("samples_in"), 0.0),
    _Figure("samples_stored", "", "samples stored since the start", _of("samples_stored"), 0.0),
    _Figure("quarantined", "", "samples refused since the start", _of("quarantined")),
)


def health_tags(configuration: Configuration) -> tuple[Tag, ...]:
    """The tags for the sources that have tags, and those for the process; none where they are switched off."""
    if not configuration.health.tags:
        return ()
    names = {tag.source for tag in configuration.tags}
    sources = [name for name in configuration.sources if name in names]
    of_sources = [_tag(_address(name, each), each) for name in sources for each in OF_A_SOURCE]
    return (*of_sources, *(_tag(f"process.{each.name}", each) for each in OF_THE_PROCESS))


def health_group(tags: Iterable[Tag], number: int) -> ScanGroup:
    """The scan group of these tags."""
    return ScanGroup(number, SOURCE, SCAN_CLASS, RATE_US, 0, tuple(tags))


def figures_now(sources: Mapping[str, Figures], process: Figures, now_us: int) -> dict[str, float | None]:
    """Every figure by its tag's address.  ``sources``: health figures by the source's name."""
    found = {_address(name, each): each.value(row, now_us) for name, row in sources.items() for each in OF_A_SOURCE}
    return found | {f"process.{each.name}": each.value(process, now_us) for each in OF_THE_PROCESS}


def _address(source: str, figure: _Figure) -> str:
    return f"{source}.{figure.name}"


def _tag(address: str, figure: _Figure) -> Tag:
    is_whole = figure.bound is None
    bound = None if is_whole else ErrorBound(figure.bound or 0.0)
    return Tag(
        OWN_PREFIX + address,
        SOURCE,
        address,
        SCAN_CLASS,
        ValueType.FLOAT64 if not is_whole else ValueType.BOOL if figure.states else ValueType.INT64,
        figure.units,
        figure.description,
        step=True if is_whole else None,
        exception=ExceptionSettings(bound, max_us=HOUR_US),
        compression=CompressionSettings(bound, max_us=HOUR_US),
        enumeration=figure.states,
    )
