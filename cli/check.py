"""``historian check``: whether the configuration is right, and with ``--connect`` whether every tag answers."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import click

from cli.columns import aligned, number_of
from cli.options import config_option
from cli.scan_plan import HEADER, Notes, finding_notes, forecasts, misfits, rows, shared_notes
from collectors.modbus.forecast import Forecast
from historian.config.duration import format_duration
from historian.config.load import load_configuration
from historian.config.settings import Configuration, ModbusSource, ModbusTls, OpcUaSecurity, OpcUaSource
from historian.errors import ConfigurationError, StoreError
from historian.model.clock import US_PER_S

RIGHT: Final = " is right"


@click.command()
@config_option
@click.option("--connect", is_flag=True, help="Connect to every source, read every tag once and show the values.")
def check(config_path: Path, connect: bool) -> None:
    """Check the configuration and its tag lists; say all that is wrong at once.

    Of Modbus devices it also says how many requests a scan takes and how long that is, and refuses what cannot be read
    at its rate.  With --connect also read every tag once: its value in engineering units, status and time.  Nothing is
    stored, and nothing is ever written to a device.
    """
    configuration = load_configuration(config_path)
    known = _source_notes(configuration)
    found = forecasts(configuration, known)
    faults = misfits(configuration, found)
    for line in [*summary(configuration, "" if faults else RIGHT), *request_lines(found)]:
        click.echo(line)
    if faults:
        raise ConfigurationError(faults)
    for note in [*notes(configuration), *shared_notes(configuration), *finding_notes(known)]:
        click.echo(f"note: {note}", err=True)
    if connect and not _all_answer(configuration):
        sys.exit(1)


def summary(configuration: Configuration, verdict: str = RIGHT) -> Iterator[str]:
    """What the configuration amounts to, a line each; the first begins with its name and the ``verdict``."""
    groups = configuration.groups()
    per_second = sum(len(group.tags) * US_PER_S / group.rate_us for group in groups)
    yield (
        f"{configuration.path}{verdict}: {number_of(len(configuration.tags), 'tag')},"
        f" {number_of(len(configuration.sources), 'source')}, {per_second:,.6g} values a second"
        f" into {configuration.store.path}"
    )
    yield ""
    rows = [
        (
            group.source, configuration.sources[group.source].protocol, configuration.sources[group.source].url,
            group.scan_class, format_duration(group.rate_us), f"{len(group.tags):,}",
            f"{len(group.tags) * US_PER_S / group.rate_us:,.6g}",
        )
        for group in groups
    ]  # fmt: skip
    header = ("source", "protocol", "url", "scan class", "rate", "tags", "values/s")
    yield from aligned(header, rows, right=("rate", "tags", "values/s"))


def request_lines(found: Sequence[Forecast]) -> Iterator[str]:
    """The requests that a scan of each Modbus device takes, and how long."""
    if found:
        yield ""
        right = ("requests", "reads", "a scan takes", "of its rate")
        yield from aligned(HEADER, list(rows(found)), right=right)


def _source_notes(configuration: Configuration) -> Notes:
    """What earlier runs found out about the devices; nothing where there is no store that tells it."""
    if not _has_store(configuration):
        return {}
    # Imported here, because most checks are made before there is a store.
    from storage.reader import StoreReader  # noqa: PLC0415 - as above

    try:
        with StoreReader.open(configuration.store.path) as reader:
            return reader.source_notes()
    except StoreError:
        return {}  # collecting will tell; this command is about the configuration


def _has_store(configuration: Configuration) -> bool:
    return (configuration.store.path / "historian.sqlite").exists()


def notes(configuration: Configuration) -> Iterator[str]:
    """What is no fault, but worth a look."""
    used = {group.source for group in configuration.groups()}
    yield from (f"no tag uses the source {name}" for name in configuration.sources if name not in used)
    classes = {group.scan_class for group in configuration.groups()}
    yield from (f"no tag uses the scan class {name}" for name in configuration.scan_classes if name not in classes)
    held = [tag for tag in configuration.tags if tag.is_step and (tag.exception.deviation or tag.compression.deviation)]
    if held:
        are = "has a deviation, which does" if len(held) == 1 else "have deviations, which do"
        tags = number_of(len(held), "step tag")
        yield f"{tags} {are} nothing, every change is stored: {held[0].name}{_more(len(held))}"
    yield from _enumeration_notes(configuration)
    for source in configuration.sources.values():
        if isinstance(source, ModbusSource) and source.tls is not None:
            yield from _tls_notes(source.name, source.tls)
        if isinstance(source, OpcUaSource):
            yield from _password_notes(source)
            yield from _security_notes(source)
            yield from _mode_notes(source)
    yield from _store_notes(configuration.store.path)
    yield from _renamed_notes(configuration)


def _store_notes(folder: Path) -> Iterator[str]:
    """A folder in which collecting would refuse to make a store."""
    if not folder.exists():
        return
    # Imported here, because most checks are made before there is a folder.
    from storage.store import refuse_foreign  # noqa: PLC0415 - as above

    try:
        refuse_foreign(folder)
    except StoreError as error:
        yield str(error)


def _enumeration_notes(configuration: Configuration) -> Iterator[str]:
    """Lists of states that can hardly be meant: all codes but theirs would be Bad."""
    for tag in configuration.tags:
        states = tag.enumeration
        if states is not None and len(states) == 1:
            only = next(iter(states.values()))
            yield f"{tag.name} has one state, {only!r}, and is Bad in any other; states are parted by |: closed|open"


def _renamed_notes(configuration: Configuration) -> Iterator[str]:
    """Tags that are new here, where the store knows another name for the same address of the same source.

    Nobody but the person can know whether it is the same tag: collecting makes a new one.
    """
    if not _has_store(configuration):
        return
    # Imported here, because most checks are made before there is a store.
    from storage.reader import StoreReader  # noqa: PLC0415 - as above

    try:
        with StoreReader.open(configuration.store.path) as reader:
            columns = [reader.tags().column(name).to_pylist() for name in ("tag", "source", "address")]
    except StoreError:
        return  # collecting will tell; this command is about the configuration
    stored = {name: point for name, *point in zip(*columns, strict=True)}
    here = {tag.name for tag in configuration.tags}
    gone = {tuple(point): name for name, point in stored.items() if name not in here}
    for tag in configuration.tags:
        was = gone.get((tag.source, tag.address)) if tag.name not in stored else None
        if was is not None:
            yield (
                f"{tag.name} is new and reads {tag.source} {tag.address}, as {was} did, which is in no list any more; "
                f'if it is the same tag: historian tags rename {was} {tag.name} --reason "..."'
            )


def _password_notes(source: OpcUaSource) -> Iterator[str]:
    if source.password_env is not None and source.password_env not in os.environ:
        yield f"the environment variable {source.password_env} of sources.{source.name}.password_env is not set here"
    if source.password_file is not None and not source.password_file.is_file():
        yield f"no file {source.password_file} of sources.{source.name}.password_file here"


def _security_notes(source: OpcUaSource) -> Iterator[str]:
    security = source.security
    if not security.is_on and (security != OpcUaSecurity(folder=security.folder) or source.user is not None):
        yield f"sources.{source.name} has no security_policy: nothing is signed or encrypted, and any server will do"


def _mode_notes(source: OpcUaSource) -> Iterator[str]:
    if source.mode == "poll" and (source.sampling_us or source.queue_size or source.deadband != "off"):
        yield f"sources.{source.name} is polled: sampling, queue_size and deadband are for mode = 'subscribe'"


def _tls_notes(name: str, tls: ModbusTls) -> Iterator[str]:
    variable = tls.private_key_password_env
    if variable is not None and variable not in os.environ:
        yield f"the environment variable {variable} of sources.{name}.private_key_password_env is not set here"
    for key in ("trusted_certificates", "certificate", "private_key", "private_key_password_file"):
        path = getattr(tls, key)
        if path is not None and not path.is_file():
            yield f"no file {path} of sources.{name}.{key} here"


def _all_answer(configuration: Configuration) -> bool:
    """Read every tag once and print what came; False when a source could not be read."""
    from cli.bad_hints import hints  # noqa: PLC0415 - needed here alone
    from cli.event_loop import run  # noqa: PLC0415 - asyncio costs start-up time
    from cli.log import log_to_stderr  # noqa: PLC0415 - as above
    from cli.read_once import read_once  # noqa: PLC0415 - as do the collectors' libraries

    log_to_stderr(verbose=False)
    readings = run(read_once(configuration))
    rows = [row for reading in readings for row in reading.rows]
    if rows:
        click.echo()
        for line in aligned(("tag", "value", "units", "status", "time"), rows, right=("value",)):
            click.echo(line)
    bad = [(row.tag, row.status) for row in rows if row.status.startswith("Bad")]
    click.echo()
    values = number_of(len(rows) - len(bad), "value")
    click.echo(f"read {len(rows):,} of {number_of(len(configuration.tags), 'tag')}: {values}, {len(bad):,} Bad")
    for line in hints(bad):
        click.echo(f"  {line}")
    for reading in readings:
        for finding in reading.findings:
            click.echo(f"note: {reading.source}: found out about the device: {finding}", err=True)
    failed = [reading for reading in readings if reading.error]
    for reading in failed:
        tags = number_of(reading.tags, "tag")
        click.echo(f"historian: {reading.source}: {reading.error} ({tags} not read)", err=True)
    return not failed


def _more(count: int) -> str:
    return f" and {count - 1} more" if count > 1 else ""
