"""Reading every tag once, for ``historian check --connect``: the way of a scan without schedule, pipeline and store."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from collectors.driver import Driver, Reading
from collectors.drivers import Drivers
from historian.config.settings import Configuration
from historian.errors import HistorianError
from historian.model.clock import US_PER_S, SystemClock
from historian.model.scan import Scan, ScanGroup
from historian.model.status import is_bad, status_name
from historian.model.tag import Tag, ValueType
from historian.pipeline.scaling import Scaling


class TagRow(NamedTuple):
    """One line of the table, as texts."""

    tag: str
    value: str
    units: str
    status: str
    time: str


@dataclass(frozen=True, slots=True)
class SourceReading:
    """What one source gave: a row for each tag read, why it gave no more, and what was found out about the device."""

    source: str
    tags: int
    rows: tuple[TagRow, ...]
    error: str = ""
    findings: tuple[str, ...] = ()


async def read_once(configuration: Configuration) -> list[SourceReading]:
    """Read all sources that have tags, at the same time; a source that fails does so alone."""
    drivers = Drivers(SystemClock())
    members: dict[str, list[ScanGroup]] = {}
    for group in configuration.groups():
        members.setdefault(group.source, []).append(group)
    return await asyncio.gather(
        *(
            read_source(source, groups, drivers.make(configuration.sources[source]))
            for source, groups in members.items()
        )
    )


async def read_source(source: str, groups: Sequence[ScanGroup], driver: Driver) -> SourceReading:
    """Connect, read every tag of ``groups`` once, close."""
    rows: list[TagRow] = []
    findings: list[str] = []
    error = ""
    try:
        await driver.connect()
        types = await driver.resolve(groups)
        for group in groups:
            reading = await driver.read(group, await driver.plan(group))
            rows += _rows(group, _scan(group, reading), types)
            findings += filter(None, [reading.finding])
    except HistorianError as problem:
        error = str(problem)
    finally:
        await driver.close()
    return SourceReading(source, sum(len(group.tags) for group in groups), tuple(rows), error, tuple(findings))


def _scan(group: ScanGroup, reading: Reading) -> Scan:
    arrival_us = SystemClock().wall_us()
    raw = Scan(
        group.number, arrival_us, reading.time_us, reading.value, reading.status, reading.exact, reading.text
    )  # fmt: skip
    return Scaling(group.tags).apply(raw)


def _rows(group: ScanGroup, scan: Scan, types: Mapping[str, ValueType]) -> list[TagRow]:
    # A loop over tags, each once: these are lines for a person.
    bad = is_bad(scan.status)
    return [
        TagRow(
            tag.name,
            "" if bad[lane] else value_text(tag, types.get(tag.name, tag.value_type), scan, lane),
            tag.units,
            status_name(int(scan.status[lane])),
            time_text(int(scan.time_us[lane])),
        )
        for lane, tag in enumerate(group.tags)
    ]


def value_text(tag: Tag, value_type: ValueType | None, scan: Scan, lane: int) -> str:
    """The value for a person: text as it is, a state with its code, whole numbers without a point."""
    if lane in scan.text:
        return repr(scan.text[lane])
    if lane in scan.exact:
        return str(scan.exact[lane])
    number = float(scan.value[lane])
    if tag.enumeration is not None and int(number) in tag.enumeration:
        return f"{int(number)} {tag.enumeration[int(number)]}"
    if value_type is ValueType.BOOL:
        return "true" if number else "false"
    if number.is_integer() and abs(number) < 2**53:
        return str(int(number))
    return f"{number:.7g}" if value_type is ValueType.FLOAT32 else f"{number:.10g}"


def time_text(time_us: int) -> str:
    """UTC with milliseconds, as all results here, without the date when it is today's; empty when there is none."""
    if not time_us:
        return ""
    whole = datetime.fromtimestamp(time_us // US_PER_S, UTC)
    day = "" if whole.date() == datetime.now(UTC).date() else f"{whole:%Y-%m-%d} "
    return f"{day}{whole:%H:%M:%S}.{time_us % US_PER_S // 1000:03d}Z"
