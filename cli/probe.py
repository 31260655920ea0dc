"""``historian probe``: what a Modbus device holds, understood in every way, and what is there at all."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from cli.options import config_option
from historian.errors import SourceUnavailableError, UsageError

if TYPE_CHECKING:
    from collectors.modbus.look import Look
    from collectors.modbus.survey import Found
    from historian.config.settings import ModbusSource

BEHIND: Final = 4
"""Registers read behind those that are asked for: one for a manual that counts from one, three more for long values."""

WARNING: Final = (
    "a scan asks {what} for what is there, with up to {most:,} requests, one in {pause}, so that it may take {time} "
    "and longer where nobody answers. It only reads, but it is a plant's network: controllers may be busy with it, and "
    "who watches the network should know. Ctrl-C ends it, and shows what was found until then"
)


class Span(click.ParamType[tuple[float, float]]):
    """``20..25``: the values that an instrument may show."""

    name = "low..high"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None  # noqa: ANN401 - click's
    ) -> tuple[float, float]:  # fmt: skip
        """Two numbers, the smaller one first."""
        low, dots, high = str(value).partition("..")
        try:
            span = float(low), float(high if dots else low)
        except ValueError:
            self.fail(f"{value!r} is no span of numbers such as 20..25", param, ctx)
        if not span[0] <= span[1]:
            self.fail(f"{value!r} ends before it begins", param, ctx)
        return span


class Units(click.ParamType[tuple[int, ...]]):
    """``1..10,17``: unit identifiers."""

    name = "units"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None  # noqa: ANN401 - click's
    ) -> tuple[int, ...]:  # fmt: skip
        """All of them, each once."""
        found: list[int] = []
        for part in str(value).split(","):
            first, dots, last = part.strip().partition("..")
            if not (first.isdigit() and (last.isdigit() or not dots)):
                self.fail(f"{part!r} is no unit, wanted such as 1..10,17", param, ctx)
            found += range(int(first), int(last if dots else first) + 1)
        if not found or not all(0 <= unit <= 255 for unit in found):
            self.fail(f"{value!r}: wanted units from 0 to 255", param, ctx)
        return tuple(dict.fromkeys(found))


def _duration(ctx: click.Context, param: click.Parameter, text: str | None) -> int | None:
    from historian.config.duration import parse_duration  # noqa: PLC0415 - so that --help does not wait for it
    from historian.errors import UnusableValueError  # noqa: PLC0415 - as above

    try:
        return None if text is None else parse_duration(text)
    except UnusableValueError as error:
        raise click.BadParameter(str(error), ctx, param) from error


def _timeout(ctx: click.Context, param: click.Parameter, text: str | None) -> int | None:
    duration_us = _duration(ctx, param, text)
    if duration_us == 0:
        raise click.BadParameter("nothing is answered in no time; such as 500ms", ctx, param)
    return duration_us


def _protocol(ctx: click.Context, param: click.Parameter, text: str) -> str:  # noqa: ARG001 - the signature is click's
    if text == "opcua":
        raise UsageError("cannot probe opcua: an OPC UA server tells what it has, see: historian browse SERVER")
    if text != "modbus":
        raise UsageError(f"cannot probe {text!r}: wanted such as: historian probe modbus tcp://10.0.3.17")
    return text


@click.command()
@click.argument("protocol", metavar="modbus", callback=_protocol)
@click.argument("device")
@click.option("--unit", type=click.IntRange(0, 255), help="Unit identifier.  [default: 1, or the source's]")
@click.option("--address", default="hr:0", show_default=True, help="The first register or bit, as in a tag list.")
@click.option("--count", type=click.IntRange(1, 100), default=8, show_default=True, help="How many of them.")
@click.option("--expect", type=Span(), help="Mark what lies in this span, such as 20..25.")
@click.option("--scan", is_flag=True, help="Find units and readable ranges instead.")
@click.option("--units", type=Units(), default="1..10", show_default=True, help="With --scan: the units to look for.")
@click.option(
    "--until", type=click.IntRange(1, 65_536), default=1000, show_default=True,
    help="With --scan: look at this many registers or bits of each table, from 0 on.",
)  # fmt: skip
@click.option("--pause", default="100ms", show_default=True, callback=_duration, help="With --scan: between requests.")
@click.option(
    "--most", type=click.IntRange(1, 100_000), default=500, show_default=True,
    help="With --scan: requests at the most.",
)  # fmt: skip
@click.option("--yes", is_flag=True, help="With --scan: do not ask whether to begin.")
@click.option("--timeout", callback=_timeout, help="Wait this long for an answer.  [default: 1s, or the source's]")
@click.option(
    "--format", "format_", type=click.Choice(["table", "csv", "json"]), default="table", show_default=True,
    help="How to write it.",
)  # fmt: skip
@config_option
def probe(
    *,
    protocol: str,  # noqa: ARG001 - the only one that needs guessing; OPC UA has browse
    device: str,
    unit: int | None,
    address: str,
    count: int,
    expect: tuple[float, float] | None,
    scan: bool,
    units: tuple[int, ...],
    until: int,
    pause: int,
    most: int,
    yes: bool,
    timeout: int | None,
    format_: str,
    config_path: Path,
) -> None:
    r"""Show what the registers of a Modbus DEVICE hold, understood as every type in every byte order.

    DEVICE is a URL or the name of a source in the configuration.  The addresses before and behind are shown as well:
    manuals count from 0 or from 1.  With --expect what fits is marked; with --scan units and readable ranges are found.
    Nothing is ever written to a device.

    \b
    historian probe modbus tcp://10.0.3.17 --unit 3 --address hr:100 --count 10 --expect 20..25
    historian probe modbus rtu:///dev/ttyUSB0?baudrate=9600 --scan --units 1..30
    """
    source = _source(device, config_path)
    source = replace(
        source, unit=source.unit if unit is None else unit, timeout_us=timeout or source.timeout_us,
    )  # fmt: skip
    # Imported here, so that --help does not wait for it.
    from cli.probe_output import write_found, write_look  # noqa: PLC0415 - as above

    if scan:
        _may_begin(source, most, pause, yes=yes)
        found, ended = _survey(source, units, until, pause, most)
        if ended is None or found.units:
            write_found(found, format_)
        if ended is not None:
            raise ended
        _say_how_it_went(found, units, most)
        if not found.units:
            sys.exit(1)
        return
    table, first = _place(address)
    write_look(_look(source, table, first, count), table, range(first, first + count), expect, format_)


def _source(device: str, config_path: Path) -> ModbusSource:
    """The source to ask."""
    from historian.config.load import load_sections  # noqa: PLC0415 - so that --help does not wait for it
    from historian.config.modbus_url import parse_modbus_url  # noqa: PLC0415 - as above
    from historian.config.nearest import did_you_mean, one_of  # noqa: PLC0415 - as above
    from historian.config.settings import ModbusSource  # noqa: PLC0415 - as above
    from historian.config.source_url import url_hint  # noqa: PLC0415 - as above
    from historian.errors import UnusableValueError  # noqa: PLC0415 - as above

    if "://" in device:
        try:
            return ModbusSource("device", device, parse_modbus_url(device))
        except UnusableValueError as error:
            raise UsageError(f"cannot probe: {error}") from error
    sources = dict(load_sections(config_path).sources) if config_path.exists() else {}
    found = sources.get(device)
    if isinstance(found, ModbusSource):
        return found
    if found is not None:
        raise UsageError(f"cannot probe {device!r}: it speaks OPC UA, and tells what it has: historian browse {device}")
    known = [name for name, each in sources.items() if isinstance(each, ModbusSource)]
    hint = did_you_mean(device, known) or url_hint(device, "tcp") or f"Modbus: {one_of(known) or 'none'}"
    raise UsageError(
        f"cannot probe {device!r}: wanted a URL such as tcp://10.0.3.17, or a source of {config_path} ({hint})"
    )


def _place(address: str) -> tuple[Any, int]:
    from historian.config.modbus_address import parse_modbus_address  # noqa: PLC0415 - so that --help does not wait
    from historian.errors import UnusableValueError  # noqa: PLC0415 - as above

    try:
        point = parse_modbus_address(address)
    except UnusableValueError as error:
        raise UsageError(f"cannot use --address: {error}") from error
    return point.table, point.address


def _look(source: ModbusSource, table: Any, first: int, count: int) -> Look:  # noqa: ANN401 - a Literal of a lazy module
    from cli.event_loop import run  # noqa: PLC0415 - asyncio costs start-up time
    from collectors.modbus.look import Looker  # noqa: PLC0415 - as above
    from historian.config.modbus_address import TABLE_SIZE  # noqa: PLC0415 - as above
    from historian.model.clock import SystemClock  # noqa: PLC0415 - as above

    start, stop = max(first - 1, 0), min(first + count + BEHIND, TABLE_SIZE)
    return run(Looker(source, SystemClock()).look(table, start, stop - start))


# -- the scan ----------------------------------------------------------------------------------------------------------


def _may_begin(source: ModbusSource, most: int, pause_us: int, *, yes: bool) -> None:
    """Warn, and ask where there is somebody to ask."""
    from historian.config.duration import format_duration  # noqa: PLC0415 - so that --help does not wait for it

    time = format_duration(most * pause_us)
    warning = WARNING.format(what=source.url, most=most, pause=format_duration(pause_us), time=time)
    click.echo(f"note: {warning}", err=True)
    if not yes and sys.stdin.isatty():
        click.confirm("Begin?", abort=True, err=True)


def _survey(
    source: ModbusSource, units: Sequence[int], until: int, pause_us: int, most: int
) -> tuple[Found, SourceUnavailableError | KeyboardInterrupt | None]:
    """What was found, and what ended the scan before its end: Ctrl-C, or a connection that was lost."""
    from cli.event_loop import run  # noqa: PLC0415 - asyncio costs start-up time
    from cli.progress import steps  # noqa: PLC0415 - as above
    from collectors.modbus.link import LinkError  # noqa: PLC0415 - as above
    from collectors.modbus.survey import Survey  # noqa: PLC0415 - as above
    from historian.model.clock import SystemClock  # noqa: PLC0415 - as above

    with steps("looking for") as said:
        survey = Survey(source, SystemClock(), pause_us=pause_us, most=most, said=said)
        try:
            run(survey.run(units, until))
        except KeyboardInterrupt as interrupt:
            return survey.found, interrupt
        except LinkError as error:
            return survey.found, SourceUnavailableError(
                f"cannot scan {source.url}: {error.reason}; wanted a Modbus device or gateway there", error.status
            )
    return survey.found, None


def _say_how_it_went(found: Found, units: Sequence[int], most: int) -> None:
    if not found.is_whole:
        click.echo(
            f"note: not finished, {most:,} requests are used up; go on with more (--most) or look at less"
            " (--units, --until)", err=True,
        )  # fmt: skip
    if not found.units:
        click.echo(f"historian: none of the units {_listed(units)} answers there; other units (--units), a longer"
                   " --timeout?", err=True)  # fmt: skip


def _listed(units: Sequence[int]) -> str:
    return ", ".join(map(str, units)) if len(units) <= 5 else f"{units[0]} to {units[-1]}"
