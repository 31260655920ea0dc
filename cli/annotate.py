"""``historian annotate``: what a person knows about a tag at a time, noted beside its samples."""

from __future__ import annotations

import time
from datetime import tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.options import config_option, find_store, read_time, store_option, tz_option, who_option
from historian.errors import UsageError

if TYPE_CHECKING:
    from storage.requests import Payload, Request
    from storage.store import Store


@click.command()
@click.argument("tag", required=False)
@click.option("--at", help="The time the note is about: 2026-11-22T06:00:00Z, -8h, now.")
@click.option("--start", help="Instead of --at: the first time the note is about.")
@click.option("--end", help="With --start: the last time it is about.")
@click.option("--text", help="The note.")
@click.option("--list", "list_", is_flag=True, help="Show the notes, those of TAG or all.")
@click.option("--remove", "number", type=int, help="Remove the note of this number; the audit keeps it.")
@click.option("--reason", default="", help="With --remove: why, for those who read the audit.")
@who_option
@tz_option
@store_option
@config_option
def annotate(
    *, tag: str | None, at: str | None, start: str | None, end: str | None, text: str | None, list_: bool,
    number: int | None, reason: str, who: str, zone: tzinfo, store_path: Path | None, config_path: Path,
) -> None:  # fmt: skip
    r"""Note something on TAG at a time, or over one.

    history() and explain() show notes beside the samples, the aggregate AnnotationCount counts them, the view
    annotations lists them. Works while collecting.

    \b
    historian annotate FIC101.PV --at 2026-11-22T06:00:00Z --text "probe cleaned"
    historian annotate FIC101.PV --start 06:00 --end 07:30 --text "calibration, values are not of the process"
    historian annotate FIC101.PV --list
    historian annotate --remove 7
    """
    folder = find_store(store_path, config_path)
    if list_:
        _list(folder, tag, zone)
    elif number is not None:
        _remove(folder, number, who, reason)
    elif tag is None or text is None:
        raise UsageError("cannot annotate: wanted a TAG, --text and --at, or --list, or --remove")
    else:
        _add(folder, tag, _times(at, start, end, zone), {"text": text, "who": who})


def _times(at: str | None, start: str | None, end: str | None, zone: tzinfo) -> tuple[int, int]:
    """First and last time of the note, in microseconds."""
    if (at is None) == (start is None) or (start is None) != (end is None):
        raise UsageError("cannot annotate: wanted either --at, or --start and --end")
    now_us = time.time_ns() // 1000
    if start is None or end is None:
        return (at_us := read_time("--at", str(at), now_us, zone)), at_us
    start_us, end_us = read_time("--start", start, now_us, zone), read_time("--end", end, now_us, zone)
    if start_us > end_us:
        raise UsageError(f"cannot annotate: --start {start} is after --end {end}")
    return start_us, end_us


def _add(folder: Path, tag: str, times_us: tuple[int, int], note: dict[str, Any]) -> None:
    from cli.writing import perform  # noqa: PLC0415 - so that --help does not wait for the store

    payload = {"tag_id": _tag_id(folder, tag), "start_us": times_us[0], "end_us": times_us[1], **note}
    number = perform(folder, "annotate", payload)["number"]
    click.echo(f"{tag}: note {number} added")


def _tag_id(folder: Path, tag: str) -> int:
    from historian.retrieval.tag_selection import hint  # noqa: PLC0415 - so that --help does not wait
    from storage.reader import StoreReader  # noqa: PLC0415 - as above

    with StoreReader.open(folder) as reader:
        tags = reader.tags()
    names = tags.column("tag").to_pylist()
    if tag not in names:
        raise UsageError(f"cannot annotate: there is no tag {tag!r}; {hint(tag, names)}")
    return int(tags.column("tag_id")[names.index(tag)].as_py())


def _remove(folder: Path, number: int, who: str, reason: str) -> None:
    from cli.writing import perform  # noqa: PLC0415 - so that --help does not wait for the store

    done = perform(folder, "annotate", {"remove": number, "who": who, "why": reason})
    click.echo(f"{done['tag']}: note {number} removed, kept in the audit")


def _list(folder: Path, tag: str | None, zone: tzinfo) -> None:
    from cli.text_table import render  # noqa: PLC0415 - so that --help does not wait
    from historian.api import open_historian  # noqa: PLC0415 - as above

    with open_historian(folder, time_zone=str(zone)) as store:
        where = "" if tag is None else "where tag = ?"
        notes = store.sql(
            f"select * from annotations {where} order by start, number",  # noqa: S608 - the tag is a parameter
            None if tag is None else [tag],
        )
    click.echo(render(notes, None) if len(notes) else f"there are no notes{'' if tag is None else f' on {tag}'}")


def handle(store: Store, request: Request) -> Payload:
    """Do the request with the store."""
    from storage.annotation import Annotation  # noqa: PLC0415 - so that --help does not wait for the store

    asked = request.payload
    if "remove" in asked:
        return {"tag": store.remove_annotation(asked["remove"], who=asked["who"], why=asked["why"])}
    note = Annotation(asked["tag_id"], asked["start_us"], asked["end_us"], asked["text"])
    return {"number": store.annotate(note, who=asked["who"])}
