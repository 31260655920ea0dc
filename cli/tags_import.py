"""``historian tags import``: many tags changed at once by a CSV file, all of it or nothing."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from cli.columns import aligned, number_of
from cli.options import config_option, find_store, store_option, who_option
from historian.errors import ConfigurationError, Fault, StoreNotFoundError, UsageError

if TYPE_CHECKING:
    from historian.config.tag_list_edit import ListedTag, TagList
    from storage.requests import Payload, Request
    from storage.store import Store

BULK: Final = 1000
"""More changed tags than this at once are one line of the audit, which says all that changed, not one each."""


@dataclass(frozen=True, slots=True)
class Change:
    """One tag that the file changes: its place, and each column that differs with the old and the new text."""

    path: Path
    line: int
    tag: str
    cells: Mapping[str, tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Difference:
    """What a file would change in the lists."""

    changes: tuple[Change, ...]
    added: tuple[Mapping[str, str], ...]
    same: int
    left: int

    @property
    def is_none(self) -> bool:
        """True when nothing would change."""
        return not self.changes and not self.added


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Show what would change, tag by tag, and change nothing.")
@click.option("--reason", help="Why, for those who read the audit; wanted unless it is a dry run.")
@who_option
@store_option
@config_option
def tags_import(
    *, file: Path, dry_run: bool, reason: str | None, who: str, store_path: Path | None, config_path: Path
) -> None:
    r"""Change the tag lists as FILE says: a tag list with a column tag and any of the others.

    Tags of the lists get the cells of FILE, in their own lines; new tags go to the end of the last list. Tags and
    columns that FILE has not stay as they are. The result is checked first: all of it is written, or nothing.

    \b
    historian tags export --output all-tags.csv
    historian tags import all-tags.csv --dry-run
    historian tags import all-tags.csv --reason "new ranges after the revamp"
    """
    # Imported here, so that --help does not wait for them.
    from cli.tag_lists import check_lists, read_lists, replace_lists  # noqa: PLC0415 - as above

    if not dry_run and not (reason or "").strip():
        raise UsageError(f'cannot import {file}: wanted --reason "why" for the audit, or --dry-run')
    lists = read_lists(config_path)
    difference = _difference(lists, _read(file))
    texts = _texts(lists, difference)
    check_lists(config_path, texts, f"import {file}")
    for line in described(difference):
        click.echo(line)
    if dry_run or difference.is_none:
        click.echo("nothing was changed" + (", this was a dry run" if dry_run else ""), err=True)
        return
    folder = find_store(store_path, config_path)
    payload = {"who": who, "why": str(reason).strip(), "lines": audit_lines(difference)}
    for line in (replace_lists(lists, texts, lambda: _note(folder, payload)), *map(str, texts)):
        click.echo(line)


def _read(path: Path) -> TagList:
    from historian.config.faults import FaultList  # noqa: PLC0415 - so that --help does not wait
    from historian.config.tag_list_edit import read_tag_list  # noqa: PLC0415 - as above

    faults = FaultList(str(path))
    found = read_tag_list(path, faults, ("tag",))
    faults.raise_if_any()
    assert found is not None, "what cannot be read leaves a fault"  # noqa: S101 - for the type checker
    first: dict[str, int] = {}
    twice = [row for row in found.rows if first.setdefault(row.name, row.line) != row.line]
    if twice:
        raise ConfigurationError(
            [
                Fault(
                    f"{path}:{row.line} tag",
                    f"{row.name!r} once more",
                    f"each name once, line {first[row.name]} has it",
                )
                for row in twice[:20]
            ]
        )
    return found


def _difference(lists: Sequence[TagList], wanted: TagList) -> Difference:
    listed = {row.name: (each, row) for each in lists for row in each.rows}
    changes = [
        change for row in wanted.rows if row.name in listed and (change := _change(*listed[row.name], row)).cells
    ]
    added = [row.cells for row in wanted.rows if row.name not in listed]
    known = len(wanted.rows) - len(added)
    return Difference(tuple(changes), tuple(added), known - len(changes), len(listed) - known)


def _change(tag_list: TagList, old: ListedTag, new: ListedTag) -> Change:
    cells = {
        column: (old.cells.get(column, ""), text)
        for column, text in new.cells.items()
        if old.cells.get(column, "") != text
    }
    return Change(tag_list.path, old.line, old.name, cells)


def _texts(lists: Sequence[TagList], difference: Difference) -> dict[Path, str]:
    """The new text of each list that changes."""
    from historian.config.tag_list_edit import edited  # noqa: PLC0415 - so that --help does not wait

    texts = {}
    for each in lists:
        cells = {
            change.line: {column: new for column, (_, new) in change.cells.items()}
            for change in difference.changes
            if change.path == each.path
        }
        added = difference.added if each is lists[-1] else ()
        if cells or added:
            texts[each.path] = edited(each, cells, added)
    return texts


def described(difference: Difference) -> Iterator[str]:
    """The difference for people: a line a cell, a line a new tag, and how many there are of each."""
    rows = [
        (f"{change.path}:{change.line}", change.tag, column, old or "(blank)", new or "(blank)")
        for change in difference.changes
        for column, (old, new) in change.cells.items()
    ]
    if rows:
        yield from aligned(("where", "tag", "column", "is", "becomes"), rows)
        yield ""
    if difference.added:
        yield from _new_lines(difference.added)
        yield ""
    yield (
        f"{len(difference.changes):,} to change, {len(difference.added):,} new, {difference.same:,} as they are; "
        f"{number_of(difference.left, 'tag')} of the lists not in the file, left alone"
    )


def _new_lines(added: Sequence[Mapping[str, str]]) -> Iterator[str]:
    """A line for each new tag, with the columns that any of them has."""
    columns = [column for column in added[0] if any(cells.get(column) for cells in added)]
    rows = [[cells.get(column, "") for column in columns] for cells in added]
    yield from aligned([f"new {columns[0]}", *columns[1:]], rows)


def audit_lines(difference: Difference) -> list[dict[str, str]]:
    """The lines of the audit: one a tag, or one for all where there are very many."""
    olds, news = ({each.tag: _side(each, side) for each in difference.changes} for side in (0, 1))
    said = {cells["tag"]: {column: text for column, text in cells.items() if text} for cells in difference.added}
    lines = [_line("tag list changed", tag, olds[tag], news[tag]) for tag in olds]
    lines += [_line("tag list extended", tag, {}, cells) for tag, cells in said.items()]
    if len(lines) <= BULK:
        return lines
    return [_line("tag lists changed", f"{len(lines)} tags", olds, news | said)]


def _side(change: Change, side: int) -> dict[str, str]:
    return {column: pair[side] for column, pair in change.cells.items()}


def _line(action: str, name: str, old: Mapping[str, object], new: Mapping[str, object]) -> dict[str, str]:
    return {"action": action, "object": name, "old": _json(old), "new": _json(new)}


def _json(mapping: Mapping[str, object]) -> str:
    return json.dumps(mapping, ensure_ascii=False) if mapping else ""


def _note(folder: Path, payload: Mapping[str, object]) -> str:
    from cli.writing import perform  # noqa: PLC0415 - so that --help does not wait

    with suppress(StoreNotFoundError):  # then nothing was ever collected, and there is no audit yet
        perform(folder, "note-tags", payload)
    return "collect follows the lists with historian reload, or at its next start, with new versions of tags; changed:"


def handle(store: Store, request: Request) -> Payload:
    """Write into the audit what was changed in the lists; the tags' versions begin when collecting does."""
    from historian.model.commit import AuditEvent  # noqa: PLC0415 - so that --help does not wait for numpy

    asked, now_us = request.payload, time.time_ns() // 1000
    store.note(
        [
            AuditEvent(now_us, asked["who"], line["action"], line["object"], line["old"], line["new"], asked["why"])
            for line in asked["lines"]
        ]
    )
    return {}
