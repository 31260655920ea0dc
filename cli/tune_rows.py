"""What ``historian tune`` found, for programs: JSON with everything, CSV with a row a tag or a row a candidate."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from cli.tag_cells import csv_text
from historian.tuning.proposal import Tuning
from historian.tuning.trial import Outcome

COLUMNS: Final = (
    "tag", "units", "verdict", "why", "samples", "days", "noise", "noise_is_floor", "step", "span", "exc_dev",
    "comp_dev", "kept", "ratio", "samples_per_day", "bytes_per_day", "bytes_per_day_now", "saved_bytes_per_day",
    "largest_error", "rms_error", "hourly_error", "hourly_rms_error",
)  # fmt: skip


def verdict(tuning: Tuning) -> str:
    """``propose``, ``stay`` (the settings of now are as good) or ``leave alone``."""
    if tuning.left is not None:
        return "leave alone"
    return "stay" if tuning.chosen is None else "propose"


def as_json(found: Sequence[Tuning]) -> str:
    """All that is known of each tag, the candidates among it."""
    return json.dumps([_mapping(one) for one in found], indent=1, ensure_ascii=False)


def as_csv(found: Sequence[Tuning], *, candidates: bool) -> str:
    """A row a tag with the proposal, or what holds now; or with ``candidates`` a row for each deviation tried."""
    rows = [row for one in found for row in (_candidate_rows(one) if candidates else [_row(one)])]
    return csv_text(COLUMNS, [[_cell(row.get(name)) for name in COLUMNS] for row in rows])


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _head(tuning: Tuning) -> dict[str, Any]:
    known, left = tuning.knowledge, tuning.left
    row: dict[str, Any] = {
        "tag": tuning.tag.name, "units": tuning.tag.units, "verdict": verdict(tuning),
        "why": tuning.note if left is None else left.why, "samples": tuning.scanned,
    }  # fmt: skip
    if known is None or tuning.everything is None:
        return row
    return row | {
        "days": tuning.everything.days, "noise": known.noise.sigma, "noise_is_floor": known.noise.is_floor,
        "step": known.step, "span": known.span,
    }  # fmt: skip


def _figures(outcome: Outcome) -> dict[str, Any]:
    errors = outcome.errors
    return {
        "exc_dev": outcome.settings.exc_dev, "comp_dev": outcome.settings.comp_dev,
        "kept": outcome.kept, "ratio": outcome.ratio, "samples_per_day": outcome.samples_per_day,
        "bytes_per_day": outcome.bytes_per_day, "largest_error": errors.largest, "rms_error": errors.rms,
        "hourly_error": errors.hourly, "hourly_rms_error": errors.hourly_rms,
    }  # fmt: skip


def _row(tuning: Tuning) -> dict[str, Any]:
    shown = tuning.chosen or tuning.present
    if shown is None or tuning.present is None:
        return _head(tuning)
    compared = {
        "bytes_per_day_now": tuning.present.bytes_per_day, "saved_bytes_per_day": tuning.saved_bytes_per_day
    }  # fmt: skip
    return _head(tuning) | _figures(shown) | compared


def _candidate_rows(tuning: Tuning) -> Iterator[dict[str, Any]]:
    if tuning.present is None:
        yield _head(tuning)
        return
    now = tuning.present.bytes_per_day
    for outcome in tuning.outcomes:
        said = "propose" if outcome is tuning.chosen else "candidate"
        saved = now - outcome.bytes_per_day
        compared = {"verdict": said, "bytes_per_day_now": now, "saved_bytes_per_day": saved}
        yield _head(tuning) | _figures(outcome) | compared


def _mapping(tuning: Tuning) -> Mapping[str, Any]:
    head = _head(tuning)
    if tuning.left is not None:
        return head | {"reason": tuning.left.reason.value}
    if tuning.present is None or tuning.everything is None:
        return head
    return head | {
        "span_is_configured": tuning.knowledge is not None and tuning.knowledge.is_configured,
        "everything": _figures(tuning.everything),
        "present": _figures(tuning.present),
        "proposal": None if tuning.chosen is None else _figures(tuning.chosen),
        "saved_bytes_per_day": tuning.saved_bytes_per_day,
        "candidates": [_figures(outcome) for outcome in tuning.outcomes],
    }
