"""The part of ``historian check`` about requests: how many a scan takes, how long, and what does not fit its rate."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Final

from cli.columns import number_of
from collectors.findings import found_out
from collectors.memory import ShortMemory
from collectors.modbus.forecast import Forecast, forecast
from historian.config.duration import format_duration
from historian.config.settings import Configuration, ModbusSource
from historian.errors import Fault

HEADER: Final = ("source", "scan class", "requests", "reads", "a scan takes", "of its rate", "with")

NAMED: Final = 5
"""So many tags are named; the rest are counted."""

Notes = dict[tuple[str, str], str]


def forecasts(configuration: Configuration, notes: Notes) -> list[Forecast]:
    """What the scans of all Modbus sources take; ``notes`` are those of earlier runs, by source and key."""
    found: list[Forecast] = []
    for name, groups in groupby(configuration.groups(), key=lambda group: group.source):
        source = configuration.sources[name]
        if isinstance(source, ModbusSource):
            mine = {key: note for (of, key), note in notes.items() if of == name}
            found += forecast(source, list(groups), ShortMemory(mine))
    return found


def rows(found: Iterable[Forecast]) -> Iterator[tuple[str, ...]]:
    """A line for each scan group."""
    for each in found:
        yield (
            each.source.name, each.group.scan_class, f"{each.requests:,}", _reads(each),
            time_text(each.time_us), _percent(each.share), _cost(each),
        )  # fmt: skip


def _reads(each: Forecast) -> str:
    """``58 registers, 1 bit``."""
    parts = ((each.registers, "register"), (each.bits, "bit"))
    return ", ".join(number_of(number, noun) for number, noun in parts if number)


def _percent(share: float) -> str:
    """Three digits, and no exponent where a scan takes many times its rate."""
    return f"{100 * share:,.0f} %" if share >= 1 else f"{100 * share:.3g} %"


def misfits(configuration: Configuration, found: Sequence[Forecast]) -> list[Fault]:
    """What cannot be read at its rate: a group that takes too long by itself, and connections with too many."""
    faults = [_too_long(configuration, each) for each in found if each.share > 1]
    fitting = [each for each in found if each.share <= 1]
    by_connection = sorted(fitting, key=lambda each: repr(each.source.connection))
    for _, members in groupby(by_connection, key=lambda each: repr(each.source.connection)):
        together = list(members)
        if sum(each.share for each in together) > 1:
            faults.append(_too_many(configuration, together[0].source.url, together))
    return faults


def shared_notes(configuration: Configuration) -> Iterator[str]:
    """Units of one connection of which a dead one would hold up the others for a whole scan."""
    sources = [source for source in configuration.sources.values() if isinstance(source, ModbusSource)]
    sources.sort(key=lambda source: repr(source.connection))
    for _, members in groupby(sources, key=lambda source: source.connection):
        together = list(members)
        names = {source.name for source in together}
        rates = [group.rate_us for group in configuration.groups() if group.source in names]
        slowest = max(together, key=lambda source: source.timeout_us)
        if len(together) > 1 and rates and slowest.timeout_us >= min(rates):
            yield (
                f"{number_of(len(together), 'unit')} share {slowest.url}; when {slowest.name} does not answer, the"
                f" others wait for its timeout, {format_duration(slowest.timeout_us)}, now and then, as long as a scan"
                f" at {format_duration(min(rates))} takes; a shorter one is better there"
            )


def finding_notes(notes: Notes) -> Iterator[str]:
    """What earlier runs found out about devices, and the plan minds."""
    for (source, key), note in notes.items():
        if text := found_out(key, note):
            yield f"{source}: found out in an earlier run, and minded: {text}"


def _too_long(configuration: Configuration, each: Forecast) -> Fault:
    rate = format_duration(each.group.rate_us)
    return Fault(
        f"{configuration.path} sources.{each.source.name}",
        f"{number_of(each.requests, 'request')} a scan of the scan class {each.group.scan_class}, which take"
        f" {time_text(each.time_us)} with {_cost(each)}, for {_tags([each])}",
        f"at most {rate}, its rate",
        "read some of these tags at a slower rate, or put them side by side in the device",
    )


def _too_many(configuration: Configuration, url: str, together: Sequence[Forecast]) -> Fault:
    names = ", ".join(f"{each.source.name} {each.group.scan_class} {_percent(each.share)}" for each in together)
    total = sum(each.share for each in together)
    return Fault(
        f"{configuration.path} sources.{together[0].source.name}",
        f"scans that take {_percent(total)} of the time of {url} together ({names}), for {_tags(together)}",
        "at most 100 %",
        "read some of these tags at a slower rate, or put them side by side in the device",
    )


def _tags(together: Sequence[Forecast]) -> str:
    names = [tag.name for each in together for tag in each.group.tags]
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more:,} more tags" if more > 0 else "")


def _cost(each: Forecast) -> str:
    how = "measured" if each.cost.measured else "assumed"
    return f"{time_text(each.cost.request_us)} a request, {time_text(each.cost.register_us)} a register ({how})"


def time_text(time_us: float) -> str:
    """``2.4 ms``: three digits, in the unit that suits."""
    for unit, size in (("s", 1e6), ("ms", 1e3)):
        if time_us >= size:
            return f"{time_us / size:.3g} {unit}"
    return f"{time_us:.3g} us"
