"""``historian tags rename``: the same tag under another name, in the store and in its tag list."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.options import config_option, find_store, reason_option, store_option, who_option
from historian.errors import StoreNotFoundError, UnusableValueError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from historian.config.tag_list_edit import ListedTag, TagList
    from storage.requests import Payload, Request
    from storage.store import Store


@click.command("rename")
@click.argument("old")
@click.argument("new")
@click.option("--store-only", is_flag=True, help="Leave the tag lists alone.")
@reason_option
@who_option
@store_option
@config_option
def tags_rename(
    *, old: str, new: str, store_only: bool, reason: str, who: str, store_path: Path | None, config_path: Path
) -> None:
    r"""Rename the tag OLD to NEW: its samples, old and new, have the new name from now on.

    The name is changed in the store and in the tag list: that cell, no other character of the file. Works while
    collecting.

    \b
    historian tags rename FIC101.PV FIC1101.PV --reason "as on drawing 4711"
    """
    _check_names(old, new)
    folder = find_store(store_path, config_path)

    payload = {"old": old, "new": new, "who": who, "why": reason}
    if store_only:
        click.echo(_rename_in_store(folder, payload, must_know=True))
        return
    # Imported here, because --store-only does not need them.
    from cli.tag_lists import read_lists  # noqa: PLC0415 - as above

    lists = read_lists(config_path)
    if _find(lists, old) is None and _find(lists, new) is None:
        raise UsageError(
            f"cannot rename {old!r}: no tag list of {config_path} has it; for a tag that is in the store alone, add "
            "--store-only"
        )
    must_know = _find(lists, old) is None
    in_store = partial(_rename_in_store, folder, payload, must_know=must_know)
    for line in _rename(config_path, lists, old, new, in_store):
        click.echo(line)


def _check_names(old: str, new: str) -> None:
    from historian.config.tag_name import check_tag_name  # noqa: PLC0415 - so that --help does not wait

    if old == new:
        raise UsageError(f"cannot rename {old!r}: the new name is the old one")
    try:
        check_tag_name(new)
    except UnusableValueError as error:
        raise UsageError(f"cannot rename {old!r}: {error}") from error


def _find(lists: list[TagList], name: str) -> tuple[TagList, ListedTag] | None:
    return next(((each, row) for each in lists for row in each.rows if row.name == name), None)


def _rename(config_path: Path, lists: list[TagList], old: str, new: str, in_store: Callable[[], str]) -> list[str]:
    """Rename in store and list; what was done, a line each."""
    from cli.tag_lists import cells_differ, check_lists, replace_lists  # noqa: PLC0415 - so that --help does not wait
    from historian.config.tag_list_edit import edited  # noqa: PLC0415 - as above

    found, taken = _find(lists, old), _find(lists, new)
    if found is None:
        assert taken is not None, "the caller looked"  # noqa: S101 - for the type checker
        return [in_store(), f"{taken[0].path}:{taken[1].line} has the name {new} already"]
    if taken is not None:
        raise UsageError(
            f"cannot rename {old!r}: {taken[0].path}:{taken[1].line} has a tag {new!r} already; choose another name"
        )
    tag_list, row = found
    text = edited(tag_list, {row.line: {"tag": new}})
    check_lists(config_path, {tag_list.path: text}, f"rename {old!r}")
    if cells_differ(tag_list, text) != [(tag_list.rows.index(row), "tag")]:
        raise UsageError(f"cannot rename {old!r}: {tag_list.path}:{row.line} cannot hold {new!r}; choose another name")
    said = replace_lists([tag_list], {tag_list.path: text}, in_store)
    return [said, f"{tag_list.path}:{row.line}: {old} is now {new}, nothing else was changed"]


def _rename_in_store(folder: Path, payload: dict[str, str], *, must_know: bool) -> str:
    from cli.writing import perform  # noqa: PLC0415 - so that --help does not wait
    from storage.reader import StoreReader  # noqa: PLC0415 - as above

    old, new = payload["old"], payload["new"]
    try:
        with StoreReader.open(folder) as reader:
            known = set(reader.tags().column("tag").to_pylist())
    except StoreNotFoundError:
        if must_know:
            raise
        return f"there is no store {folder} yet, so nothing to rename in it"
    if not must_know and old not in known:
        return f"the store has no tag {old}{f', it has {new}' if new in known else ''}: nothing to rename in it"
    done = perform(folder, "rename", payload)
    return f"{folder}: {old} is now {new}, with all its samples (tag_id {done['tag_id']})"


def handle(store: Store, request: Request) -> Payload:
    """Do the request with the store."""
    asked = request.payload
    now_us = time.time_ns() // 1000
    tag_id = store.rename_tag(asked["old"], asked["new"], now_us, asked["who"], asked["why"])
    store.write_tags()
    return {"tag_id": tag_id}
