"""``historian tags``: the tags of a store and of the tag lists - look at them, rename one, change many at once."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Final

import click

from cli.options import config_option, open_store, store_option

COMMANDS: Final[dict[str, str]] = {
    "list": "List the tags of the store.",
    "show": "Show a tag: its settings, all versions of them, and what is stored.",
    "rename": "Give a tag another name; its history stays with it.",
    "export": "Write all tags as a tag list.",
    "import": "Change many tags at once by a CSV file; with --dry-run, show the difference only.",
}
"""Name of each command and its line in the help; module ``cli.tags_<name>``, but ``list`` is here."""

LIST_COLUMNS: Final = ("tag", "source", "address", "value_type", "scan_class", "units", "description")


class TagsGroup(click.Group):
    """A group that imports a command only to run it."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - the signature is click's
        """All command names."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - as above
        """Import and return one command, or None."""
        if cmd_name == "list":
            return list_
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(importlib.import_module(f"cli.tags_{cmd_name}"), f"tags_{cmd_name}")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - as above
        """Write the list of commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=TagsGroup)
def tags() -> None:
    """Look at the tags, rename one, change many at once."""


@click.command("list")
@click.argument("patterns", metavar="[PATTERN]...", nargs=-1)
@click.option(
    "--format",
    "format_",
    type=click.Choice(["table", "csv", "json"]),
    default="table",
    show_default=True,
    help="How to write it.",
)
@store_option
@config_option
def list_(patterns: tuple[str, ...], format_: str, store_path: Path | None, config_path: Path) -> None:
    r"""List the tags of the store by name, all or those that PATTERN means.

    \b
    historian tags list 'FIC*'
    historian tags list --format csv > tags-of-the-store.csv
    """
    with open_store(store_path, config_path) as reader:
        known = reader.tags()
    # Imported here, so that --help does not wait for them.
    from cli.output_file import open_output  # noqa: PLC0415 - as above
    from historian.retrieval.tag_selection import select_tags  # noqa: PLC0415 - as above

    rows = {row["tag"]: row for row in known.select(list(LIST_COLUMNS)).to_pylist()}
    names = select_tags(patterns, list(rows)) if patterns else list(rows)
    chosen = [rows[name] for name in sorted(names)]
    with open_output(None) as file:
        file.write(_written(chosen, format_).encode())


def _written(rows: list[dict[str, object]], format_: str) -> str:
    if format_ == "json":
        import json  # noqa: PLC0415 - only this format needs it

        lines = [json.dumps(row, ensure_ascii=False) for row in rows]
        return "[\n" + ",\n".join(lines) + "\n]\n" if lines else "[]\n"
    cells = [["" if row[name] is None else str(row[name]) for name in LIST_COLUMNS] for row in rows]
    if format_ == "csv":
        from cli.tag_cells import csv_text  # noqa: PLC0415 - only this format needs it

        return csv_text(LIST_COLUMNS, cells)
    from cli.columns import aligned  # noqa: PLC0415 - only this format needs it

    header = [name.replace("value_type", "type").replace("_", " ") for name in LIST_COLUMNS]
    return "\n".join(aligned(header, cells)) + "\n"
