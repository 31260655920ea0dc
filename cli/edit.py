"""``historian edit``: one sample gets another value or status; what was there stays in the audit."""

from __future__ import annotations

import json
from datetime import tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.options import config_option, find_store, reason_option, store_option, tz_option, who_option
from historian.errors import UnusableValueError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cli.one_tag import OneTag
    from storage.requests import Payload, Request
    from storage.store import Store


@click.command()
@click.argument("tag")
@click.option("--at", required=True, help="Time of the sample, exactly: 2026-11-22T06:00:00.25Z, or as --tz says.")
@click.option("--value", help="The value: a number, a text, true or false, or a state of the tag.")
@click.option(
    "--status", "status_name", help="The status, such as Good, UncertainSubNormal or BadSensorFailure.  [default: Good]"
)
@click.option("--insert", is_flag=True, help="Make a sample where there is none.")
@reason_option
@who_option
@tz_option
@store_option
@config_option
def edit(
    *, tag: str, at: str, value: str | None, status_name: str | None, insert: bool, reason: str, who: str,
    zone: tzinfo, store_path: Path | None, config_path: Path,
) -> None:  # fmt: skip
    r"""Give the sample of TAG at a time another value, another status, or both.

    The sample is marked as substituted (column substituted of samples); the audit keeps the old one, who changed it
    and why. Works while collecting.

    \b
    historian edit FIC101.PV --at 2026-11-22T06:00:00Z --value 12.5 --reason "lab sample 4711"
    historian edit FIC101.PV --at 2026-11-22T06:00:00Z --status BadSensorFailure --reason "probe was out"
    """
    # Imported here, so that --help does not wait for the store.
    from cli.one_tag import open_tag  # noqa: PLC0415 - as above
    from cli.writing import perform  # noqa: PLC0415 - as above

    folder = find_store(store_path, config_path)
    with open_tag(folder, tag) as known:
        at_us = known.time_us("--at", at, zone)
        status = None if status_name is None else _status(status_name)
        payload = _payload(known, at_us, value, status, insert=insert) | {"who": who, "why": reason}
    _show(perform(folder, "edit", payload))


def _payload(known: OneTag, at_us: int, value: str | None, status: int | None, *, insert: bool) -> dict[str, Any]:
    """The request; checks what can be known before."""
    from historian.model.status import BAD, GOOD  # noqa: PLC0415 - so that --help does not wait for numpy

    if value is None and status is None:
        raise UsageError("cannot edit: got neither a value nor a status, wanted --value, --status or both")
    code = GOOD if status is None else status
    if value is not None and code >= BAD:
        raise UsageError("cannot edit: got a value and a Bad status; a Bad sample has no value, leave one of them out")
    there = known.sample(at_us)
    if there is None and not insert:
        raise UsageError(known.nothing_at(at_us))
    if there is None:
        known.refuse_future(at_us)
    keeps = value is None and code < BAD
    if keeps and (there is None or there.is_bad):
        raise UsageError(
            "cannot edit: there is no value that could stay, and this status needs one; give it with --value"
        )
    return {
        "tag_id": known.tag_id,
        "at_us": at_us,
        "value": there.value if keeps and there is not None else _value(known, value),
        "status": code,
        "insert": insert,
    }


def _value(known: OneTag, text: str | None) -> float | int | str | None:
    try:
        return None if text is None else known.typed.parse(text)
    except UnusableValueError as error:
        raise UsageError(f"cannot use --value for {known.name}: {error}") from error


def _status(name: str) -> int:
    from historian.config.nearest import did_you_mean  # noqa: PLC0415 - so that --help does not wait
    from historian.model.status_codes import NAMES  # noqa: PLC0415 - as above

    codes = {known: code for code, known in NAMES.items()}
    if name not in codes:
        hint = did_you_mean(name, codes) or "such as Good, Uncertain, Bad"
        raise UsageError(f"cannot use --status: there is no status {name!r}; {hint}")
    return codes[name]


def _show(report: Mapping[str, Any]) -> None:
    new = json.loads(report["new"])
    lines = {"replaced": "changed", "inserted": "inserted", "unchanged": "nothing to change"}
    click.echo(f"{report['tag']} at {new['time']}: {lines[report['kind']]}")
    if report["kind"] == "replaced":
        click.echo(f"  was  {described(json.loads(report['old']))}")
    click.echo(f"  is   {described(new)}")


def described(sample: Mapping[str, Any]) -> str:
    """Value and status of a sample of the audit, for people."""
    value = sample["value"]
    shown = "no value" if value is None else json.dumps(value, ensure_ascii=False)
    return f"{shown}, {sample['status']}"


def handle(store: Store, request: Request) -> Payload:
    """Do the request with the store."""
    asked = request.payload
    report = store.edit(
        asked["tag_id"], asked["at_us"], asked["value"], asked["status"],
        who=asked["who"], why=asked["why"], insert=asked["insert"],
    )  # fmt: skip
    return {"kind": report.kind.value, "tag": report.tag, "old": report.old, "new": report.new}
