"""``historian tags show``: all that is known of one tag."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import tzinfo
from pathlib import Path
from typing import Any

import click

from cli.columns import aligned
from cli.options import config_option, open_store, store_option, tz_option
from historian.errors import UsageError


@click.command("show")
@click.argument("tag")
@tz_option
@store_option
@config_option
def tags_show(tag: str, zone: tzinfo, store_path: Path | None, config_path: Path) -> None:
    r"""Show TAG: its settings, every version of them with its times, its samples and the newest one.

    \b
    historian tags show FIC101.PV
    """
    # Imported here, so that --help does not wait for them.
    from historian.retrieval.connection import connect  # noqa: PLC0415 - as above
    from historian.retrieval.history import EVER, narrowed  # noqa: PLC0415 - as above
    from historian.retrieval.tag_selection import hint  # noqa: PLC0415 - as above

    with open_store(store_path, config_path) as reader:
        snapshot = reader.snapshot()
        names = snapshot.tags.column("tag").to_pylist()
        if tag not in names:
            raise UsageError(f"cannot show the tag: {_unknown(tag, reader.tag_versions())}; {hint(tag, names)}")
        row = snapshot.tags.slice(names.index(tag), 1).to_pylist()[0]
        own = _versions_of(reader.tag_versions([row["tag_id"]]), row["tag_id"])
        connection = connect(narrowed(snapshot, [tag], EVER), time_zone=str(zone))
        try:
            facts, newest = (_one(connection, query, tag) for query in (_FACTS, _NEWEST))
        finally:
            connection.close()
    for line in (*_settings(row), "", *_history(own, zone), "", *_samples(facts, newest)):
        click.echo(line)


_FACTS = "select count(*) as samples, min(time) as first, max(time) as last from samples where tag = ?"
_NEWEST = "select time, value, value_int, value_text, status, last_scan from snapshot where tag = ?"


def _one(connection: Any, query: str, tag: str) -> dict[str, Any]:  # noqa: ANN401 - duckdb is imported late
    from historian.retrieval.query import ask  # noqa: PLC0415 - so that --help does not wait

    rows = ask(connection, query, [tag]).table().to_pylist()
    return dict(rows[0]) if rows else {}


def _unknown(tag: str, versions: Any) -> str:  # noqa: ANN401 - pyarrow is imported late
    """That there is no tag of this name, or what became of the one that had it."""
    numbers = [
        number
        for number, name in zip(versions.column("tag_id").to_pylist(), versions.column("tag").to_pylist(), strict=True)
        if name == tag
    ]
    if not numbers:
        return f"there is no tag {tag!r}"
    now = _versions_of(versions, numbers[-1])[-1]["tag"]
    return f"{tag!r} was renamed and is {now!r} now"


def _versions_of(versions: Any, tag_id: int) -> list[dict[str, Any]]:  # noqa: ANN401 - pyarrow is imported late
    places = [place for place, number in enumerate(versions.column("tag_id").to_pylist()) if number == tag_id]
    return list(versions.slice(places[0], len(places)).to_pylist())


def _settings(row: Mapping[str, Any]) -> Iterator[str]:
    from cli.tag_cells import cells_of  # noqa: PLC0415 - so that --help does not wait

    cells = {name: text for name, text in cells_of(row).items() if text}
    cells["type"] = " ".join(dict.fromkeys(text for text in (row["value_type"], row["type_text"]) if text))
    cells["between samples"] = "holds its value" if row["is_step"] else "straight line"
    rows = [(name, text) for name, text in (cells | {"tag_id": str(row["tag_id"])}).items() if text]
    yield from (line for number, line in enumerate(aligned(("", ""), rows)) if number)


def _history(versions: list[dict[str, Any]], zone: tzinfo) -> Iterator[str]:
    from cli.tag_cells import cells_of  # noqa: PLC0415 - so that --help does not wait

    said = [cells_of(version) | {"value type": version["value_type"] or ""} for version in versions]
    rows = []
    for number, (version, cells) in enumerate(zip(versions, said, strict=True)):
        before = said[number - 1] if number else cells
        changed = [
            f"{name} {before[name] or '(blank)'} -> {cells[name] or '(blank)'}"
            for name in cells
            if cells[name] != before[name]
        ]
        times = [_moment(version[name], zone) for name in ("valid_from", "valid_to")]
        rows.append((str(version["version"]), times[0], times[1] or "now", ", ".join(changed)))
    yield from aligned(("version", "from", "to", "changed"), rows, right=("version",))


def _samples(facts: Mapping[str, Any], newest: Mapping[str, Any]) -> Iterator[str]:
    from cli.text_table import cell  # noqa: PLC0415 - so that --help does not wait

    rows = [("samples", f"{facts['samples']:,}"), ("first", cell(facts["first"])), ("last", cell(facts["last"]))]
    if newest:
        values = [newest[name] for name in ("value_int", "value", "value_text") if newest[name] is not None]
        value = " ".join(dict.fromkeys(cell(each) for each in values[:1] + values[-1:]))
        rows.append(("newest", f"{value or '(none)'} {newest['status']} at {cell(newest['time'])}"))
        rows.append(("last scan", cell(newest["last_scan"])))
    yield from (line for number, line in enumerate(aligned(("", ""), [row for row in rows if row[1]])) if number)


def _moment(value: Any, zone: tzinfo) -> str:  # noqa: ANN401 - a datetime or None
    from cli.text_table import cell  # noqa: PLC0415 - so that --help does not wait

    return cell(None if value is None else value.astimezone(zone))
