"""``historian tags export``: all tags as one tag list, to edit in a spreadsheet and to give back with import."""

from __future__ import annotations

from pathlib import Path

import click

from cli.options import config_option, store_option
from historian.config.tag_columns import COLUMNS


@click.command("export")
@click.option("--output", type=click.Path(path_type=Path), help="The file; without it, to standard output.")
@store_option
@config_option
def tags_export(output: Path | None, store_path: Path | None, config_path: Path) -> None:
    r"""Write all tags as a tag list in CSV.

    The tags of the configuration, as its tag lists say it; with --store those of the store, also where there is no
    configuration any more.

    \b
    historian tags export --output all-tags.csv
    """
    # Imported here, so that --help does not wait for them.
    from cli.output_file import open_output  # noqa: PLC0415 - as above
    from cli.tag_cells import csv_text  # noqa: PLC0415 - as above

    rows = _configured(config_path) if store_path is None else _stored(store_path)
    with open_output(output) as file:
        file.write(csv_text(COLUMNS, rows).encode())
    if output is not None:
        click.echo(f"{len(rows):,} tags written to {output}", err=True)


def _configured(config_path: Path) -> list[list[str]]:
    from cli.tag_lists import read_lists  # noqa: PLC0415 - so that --help does not wait

    return [[row.cells.get(column, "") for column in COLUMNS] for each in read_lists(config_path) for row in each.rows]


def _stored(folder: Path) -> list[list[str]]:
    from cli.tag_cells import cells_of  # noqa: PLC0415 - so that --help does not wait
    from storage.reader import StoreReader  # noqa: PLC0415 - as above

    with StoreReader.open(folder) as reader:
        return [list(cells_of(row).values()) for row in reader.tags().to_pylist()]
