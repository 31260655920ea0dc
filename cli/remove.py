"""``historian remove``: the samples of a range go; the audit keeps them."""

from __future__ import annotations

from datetime import tzinfo
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.options import config_option, find_store, reason_option, store_option, tz_option, who_option
from historian.errors import UsageError

if TYPE_CHECKING:
    from storage.requests import Payload, Request
    from storage.store import Store


@click.command()
@click.argument("tag")
@click.option("--start", required=True, help="First time to remove: 2026-11-22T06:00:00Z, -8h, today.")
@click.option("--end", required=True, help="Time before which to stop: the sample of this time stays.")
@reason_option
@who_option
@click.option("--dry-run", is_flag=True, help="Say what would be removed, and leave it.")
@tz_option
@store_option
@config_option
def remove(
    *, tag: str, start: str, end: str, reason: str, who: str, dry_run: bool, zone: tzinfo, store_path: Path | None,
    config_path: Path,
) -> None:  # fmt: skip
    r"""Remove the samples of TAG from --start on and before --end.

    The audit keeps the removed samples, who removed them and why. Works while collecting.

    \b
    historian remove LI204.PV --start 2026-11-22T06:00:00Z --end 2026-11-22T07:00:00Z --reason "probe was out" --dry-run
    """
    # Imported here, so that --help does not wait for the store.
    from cli.one_tag import open_tag  # noqa: PLC0415 - as above
    from cli.writing import perform  # noqa: PLC0415 - as above

    folder = find_store(store_path, config_path)
    with open_tag(folder, tag) as known:
        start_us, end_us = known.time_us("--start", start, zone), known.time_us("--end", end, zone)
        if start_us >= end_us:
            raise UsageError(f"cannot remove: --start {start} is not before --end {end}")
        there = known.describe(start_us, end_us)
        payload = {"tag_id": known.tag_id, "start_us": start_us, "end_us": end_us, "who": who, "why": reason}
    if not there.samples:
        click.echo(f"{tag} has no samples in this range; nothing to remove")
        return
    click.echo(f"{'would remove from' if dry_run else 'removing from'} {tag}: {there}")
    if not dry_run:
        removed = perform(folder, "remove", payload)["removed"]
        click.echo(f'removed {_count(removed)}, kept in the audit: historian sql "from audit order by time desc"')


def _count(samples: int) -> str:
    return "1 sample" if samples == 1 else f"{samples:,} samples"


def handle(store: Store, request: Request) -> Payload:
    """Do the request with the store."""
    asked = request.payload
    report = store.remove(asked["tag_id"], asked["start_us"], asked["end_us"], who=asked["who"], why=asked["why"])
    return {"tag": report.tag, "removed": report.removed, "first_us": report.first_us, "last_us": report.last_us}
