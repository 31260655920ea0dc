"""``historian browse``: the variables of an OPC UA server as a tag list."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, TextIO

import click

from cli.browse_rows import AddressForm, Matching, RowMaker
from cli.options import config_option
from historian.config.load import load_sections
from historian.config.tag_columns import COLUMNS
from historian.errors import HistorianError, UsageError

if TYPE_CHECKING:
    from collectors.opcua.browse import BrowseCounts
    from historian.config.settings import OpcUaSource

SOURCE: Final = "opcua"
SCAN_CLASS: Final = "fast"
"""What stands in the list where neither the configuration nor an option says it."""

_HOST: Final = re.compile(r"[\w-]+(?:\.[\w-]+)+(?::\d+)?(?:/\S*)?|[\w-]+:\d+(?:/\S*)?")
"""What looks like a host, by its dots or its port."""


@click.command()
@click.argument("server")
@click.option("--match", "patterns", metavar="PATTERN", multiple=True, help="Only paths like this: 'Area1/*', '*/PV'.")
@click.option("--output", type=click.Path(path_type=Path), help="The tag list to write; without it, stdout.")
@click.option(
    "--address", type=click.Choice(["id", "path", "both"]), default="id", show_default=True,
    help="Name a node by namespace URI and identifier, by the path that leads to it, or by both, which must agree.",
)  # fmt: skip
@click.option(
    "--names", type=click.Choice(["path", "last"]), default="path", show_default=True,
    help="Name a tag by the whole path or by its last step.",
)  # fmt: skip
@click.option("--source", help="The source of the tags; without it, the one in the configuration with this URL.")
@click.option("--scan-class", help="Their scan class; without it, the first one in the configuration.")
@config_option
def browse(
    *,
    server: str,
    patterns: tuple[str, ...],
    output: Path | None,
    address: AddressForm,
    names: str,
    source: str | None,
    scan_class: str | None,
    config_path: Path,
) -> None:
    r"""List the variables of an OPC UA SERVER: the name of a source in the configuration, or a URL.

    The list goes straight into the configuration: types, units, ranges, states and descriptions are what the server
    says.

    \b
    historian browse mixer --match 'Plant/Reactor/*' --output tags.csv
    historian browse opc.tcp://10.0.3.20:4840 --names last
    """
    from cli.event_loop import run  # noqa: PLC0415 - asyncio costs start-up time
    from cli.log import log_to_stderr  # noqa: PLC0415 - as above
    from cli.output_file import open_output  # noqa: PLC0415 - as above

    settings, chosen, known = _settings(server, config_path)
    name = source or settings.name
    row = RowMaker(name, scan_class or chosen, form=address, last=names == "last")
    log_to_stderr(verbose=False)
    with open_output(output) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
        counts = run(_write(settings, patterns, row, text))
        text.detach()
        _say_left_out(counts, row)
        if counts.found == row.unnameable:
            # Raised in here, so that a tag list of this name stays as it was.
            raise HistorianError("found no variable like that; without --match all are listed")
    click.echo(f"{counts.found - row.unnameable:,} variables{f' in {output}' if output is not None else ''}", err=True)
    if name not in known:
        _say_section(name, settings.url, config_path)


def _settings(server: str, config_path: Path) -> tuple[OpcUaSource, str, Collection[str]]:
    """The source to ask, the scan class of its tags, and the names of the sources that the configuration has."""
    from historian.config.settings import OpcUaSource  # noqa: PLC0415 - loads numpy
    from historian.config.source_url import parse_opcua_url  # noqa: PLC0415 - as above
    from historian.errors import UnusableValueError  # noqa: PLC0415 - as above

    sections = load_sections(config_path) if config_path.exists() else None
    sources = dict(sections.sources) if sections else {}
    scan_class = next(iter(sections.scan_class_names), SCAN_CLASS) if sections else SCAN_CLASS
    if server in sources:
        found = sources[server]
        if isinstance(found, OpcUaSource):
            return found, scan_class, sources
        raise UsageError(f"cannot browse {server!r}: it speaks Modbus, whose devices do not tell what they have")
    if "://" not in server:
        known = ", ".join(name for name, each in sources.items() if isinstance(each, OpcUaSource)) or "none"
        example = f"opc.tcp://{server}" if _HOST.fullmatch(server) else "opc.tcp://10.0.3.20:4840"
        raise UsageError(
            f"cannot browse {server!r}: wanted a URL such as {example} or a source of {config_path} (OPC UA: {known})"
        )
    try:
        url = parse_opcua_url(server)
    except UnusableValueError as error:
        raise UsageError(f"cannot browse: {error}") from error
    same = (each for each in sources.values() if isinstance(each, OpcUaSource) and each.url == url)
    return next(same, OpcUaSource(SOURCE, url)), scan_class, sources


async def _write(settings: OpcUaSource, patterns: Sequence[str], row: RowMaker, file: TextIO) -> BrowseCounts:
    from cli.progress import rows_read  # noqa: PLC0415 - collectors' libraries cost start-up time
    from collectors.opcua.browse import AddressSpace  # noqa: PLC0415 - as above
    from collectors.opcua.session import open_session  # noqa: PLC0415 - as above

    writer = csv.writer(file, lineterminator="\n")
    matching = Matching(patterns)
    connection, _ = await open_session(settings)
    try:
        writer.writerow(COLUMNS)
        space = AddressSpace(connection, matching.is_wanted, matching.may_hold)
        with rows_read("browsing") as show:
            async for variables in space.variables():
                writer.writerows(row.rows(variables, connection.namespaces))
                show(space.counts.found, None)
        return space.counts
    finally:
        await connection.close()


def _say_section(name: str, url: str, config_path: Path) -> None:
    """What the configuration needs, so that the list can go into it."""
    click.echo(f"the list names the source {name!r}, which {config_path} does not have; add to it:", err=True)
    click.echo(f'[sources.{name}]\nprotocol = "opcua"\nurl = "{url}"', err=True)


def _say_left_out(counts: BrowseCounts, row: RowMaker) -> None:
    for number, what in (
        (counts.unstorable, "are arrays, structures or of a type that cannot be stored"),
        (counts.unreadable, "may not be read by this user"),
        (row.unnameable, "have a name or identifier that no tag list can hold"),
        (row.renamed, "have a tag name with a number behind it, because another has the same"),
    ):
        if number:
            click.echo(f"{number:,} {what}", err=True)
    if counts.refused:
        click.echo(f"{counts.refused:,} folders were refused, see above", err=True)
