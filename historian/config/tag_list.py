"""The tag lists that a configuration names, read into tags in their order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from historian.config.csv_table import read_table
from historian.config.document import TomlDocument, key_text
from historian.config.faults import FaultList, Where
from historian.config.nearest import did_you_mean, shown
from historian.config.tag_row import TagContext, TagReader
from historian.config.text_file import UnusableFileError, read_text
from historian.model.tag import Tag


def read_tag_lists(
    document: TomlDocument,
    names: tuple[str, ...],
    context: TagContext,
    faults: FaultList,
    texts: Mapping[Path, str] | None = None,
) -> tuple[Tag, ...]:
    """All tags of the files ``names``, paths relative to the configuration's folder.

    ``texts`` stand in the place of what is in some of the files: a list is checked before it is written.  What is wrong
    goes into ``faults``; a name that comes twice is told with the place of the first.
    """
    tags: list[Tag] = []
    first_places: dict[str, Where] = {}
    before = len(faults)
    for number, name in enumerate(names):
        path = document.path.parent / name
        text = texts[path] if texts is not None and path in texts else _text_of(document, number, path, faults)
        for place, tag_name, tag in _read_rows(path, text, context, faults):
            first = first_places.setdefault(tag_name, place)
            if first is not place and tag_name:
                wanted = f"each name once, {first.file}:{first.line} has it"
                faults.add(place, f"{shown(tag_name)} once more", wanted)
            elif tag is not None:
                tags.append(tag)
    if names and not tags and len(faults) == before:
        place = Where(str(document.path.parent / names[0]), 1)
        faults.add(place, "no tags", "a line for at least one tag below the header")
    return tuple(tags)


def _text_of(document: TomlDocument, number: int, path: Path, faults: FaultList) -> str | None:
    """The text of the list that is number ``number``; None after telling why it cannot be read."""
    key = ("tag_files", number)
    place = Where(str(document.path), document.line(key), key_text(key))
    try:
        return read_text(path, "a tag list in CSV", _nearest_file(path))
    except UnusableFileError as error:
        where = place if error.line is None else Where(str(path), error.line)
        faults.add(where, error.got, error.wanted, error.hint)
        return None


def _read_rows(
    path: Path, text: str | None, context: TagContext, faults: FaultList
) -> Iterator[tuple[Where, str, Tag | None]]:
    """Place, name and tag of each row; the tag is None where the row has a fault."""
    table = None if text is None else read_table(str(path), text, faults)
    if table is None:
        return
    reader = TagReader(table, context, faults)
    name_place = table.places["tag"]
    for row in table.rows:
        tag_name = row.cells[name_place] if name_place < len(row.cells) else ""
        yield Where(table.file, row.line, "tag"), tag_name, reader.read(row)


def _nearest_file(path: Path) -> str:
    if path.exists() or not path.parent.is_dir():
        return ""
    return did_you_mean(path.name, [file.name for file in path.parent.glob("*.csv")])
