"""What ``historian tune`` found, for people: proposals by what they save, then the tags that stay as they are."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from cli.columns import aligned
from historian.tuning.proposal import Tuning
from historian.tuning.trial import Outcome

PIPE_WIDTH: Final = 200
MOST_NAMED: Final = 30
"""So many tags with the same reason are named."""

_UNITS: Final = ("B", "kB", "MB", "GB", "TB")
_FIRST_TO_GO: Final = ("rms error", "ratio", "noise", "now", "1 h error")
"""Columns that are left out, in this order, where the terminal is narrow."""

Cells = Mapping[str, str]


def width() -> int:
    """Columns of the terminal; a file or a pipe has no width of its own."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else PIPE_WIDTH


def as_text(found: Sequence[Tuning], columns: int, *, candidates: bool) -> str:
    """The whole report, not wider than ``columns`` where that can be."""
    proposed = [one for one in found if one.chosen is not None]
    parts = [_candidates(one, columns) for one in found if one.outcomes] if candidates else []
    if proposed and not candidates:
        parts.append(_proposals(proposed, columns))
    parts += [_staying(found, columns), _left_alone(found, columns), _total(found)]
    return "\n\n".join(part for part in parts if part)


# -- the tables --------------------------------------------------------------------------------------------------------


def _proposals(proposed: Sequence[Tuning], columns: int) -> str:
    notes = dict.fromkeys(one.note for one in proposed if one.note)
    marks = {note: chr(ord("a") + place) for place, note in enumerate(notes)}
    rows = [
        {"tag": one.tag.name, **_figures(one, one.chosen), "": marks.get(one.note, "")}
        for one in proposed
        if one.chosen is not None
    ]
    told = [line for note, mark in marks.items() for line in _wrapped(f"{mark}  {note}", columns, "   ")]
    return "\n".join([*_table(rows, columns), *told])


def _candidates(tuning: Tuning, columns: int) -> str:
    """Every deviation that was tried for one tag."""
    known = tuning.knowledge
    assert known is not None, "what was tried is known"  # noqa: S101 - for the type checker
    grid = f", in steps of {number(known.step)}" if known.step else ""
    floor = "noise" if known.noise.is_floor else "moves from sample to sample by"
    units = f" {tuning.tag.units}" if tuning.tag.units else ""
    head = f"{tuning.tag.name}: {floor} {number(known.noise.sigma)}{units}{grid}; {tuning.scanned:,} samples"
    rows = [
        {"": ">" if outcome is tuning.chosen else "", **_figures(tuning, outcome), "noise": "", "now": ""}
        for outcome in tuning.outcomes
    ]
    lines = [*_wrapped(head, columns, "  "), *_table(rows, columns)]
    return "\n".join([*lines, *(_wrapped(tuning.note, columns, "") if tuning.note else [])])


def _figures(tuning: Tuning, outcome: Outcome) -> Cells:
    known, present = tuning.knowledge, tuning.present
    assert known is not None and present is not None  # noqa: S101, PT018 - for the type checker
    errors = outcome.errors
    return {
        "noise": number(known.noise.sigma),
        "now": number(present.settings.comp_dev),
        "comp_dev": f"{number(outcome.settings.comp_dev)} {tuning.tag.units}".rstrip(),
        "kept": f"{outcome.share:.1%}",
        "ratio": f"{outcome.ratio:.1f}",
        "bytes/day": amount(outcome.bytes_per_day),
        "saved/day": amount(present.bytes_per_day - outcome.bytes_per_day),
        "max error": number(errors.largest),
        "rms error": number(errors.rms),
        "1 h error": number(errors.hourly),
    }


def _table(rows: Sequence[Cells], columns: int) -> list[str]:
    names = [name for name in rows[0] if any(row[name] for row in rows)]
    right = [name for name in names if name != "tag"]
    for goes in (None, *_FIRST_TO_GO):
        names = [name for name in names if name != goes]
        lines = list(aligned(names, [[row[name] for name in names] for row in rows], right))
        if max(map(len, lines)) <= columns:
            break
    return lines


# -- the others --------------------------------------------------------------------------------------------------------


def _staying(found: Sequence[Tuning], columns: int) -> str:
    names = [one.tag.name for one in found if one.left is None and one.chosen is None]
    return "\n".join(_reason("As good as they are", names, columns)).removeprefix("  ") if names else ""


def _left_alone(found: Sequence[Tuning], columns: int) -> str:
    """The reasons, with the tags that each is of."""
    names: dict[str, list[str]] = {}
    for one in found:
        if one.left is not None:
            names.setdefault(one.left.why, []).append(one.tag.name)
    if not names:
        return ""
    lines = [line for why, tags in names.items() for line in _reason(why, tags, columns)]
    return "\n".join(["Left alone:", *lines])


def _reason(why: str, tags: Sequence[str], columns: int) -> Iterator[str]:
    yield from _wrapped(f"  {why}:", columns, "    ")
    more = f" and {len(tags) - MOST_NAMED:,} more" if len(tags) > MOST_NAMED else ""
    yield from _wrapped(f"      {', '.join(tags[:MOST_NAMED])}{more}", columns, "      ")


def _total(found: Sequence[Tuning]) -> str:
    proposed = [one for one in found if one.chosen is not None]
    now = sum(one.present.bytes_per_day for one in found if one.present is not None)
    saved = sum(one.saved_bytes_per_day for one in proposed)
    left = sum(one.left is not None for one in found)
    alone = "is" if left == 1 else "are"
    counts = f"{len(proposed):,} of {len(found):,} tags change, {left:,} {alone} left alone"
    if not proposed:
        return counts
    return f"{counts}: {amount(now - saved)} a day instead of {amount(now)}"


# -- texts -------------------------------------------------------------------------------------------------------------


def number(value: float | None) -> str:
    """Three digits; nothing for none."""
    if value is None:
        return ""
    text = f"{value:.3g}"
    return f"{value:,.0f}" if "e+" in text and abs(value) < 1e7 else text


def amount(size_bytes: float) -> str:
    """``8.2 kB``, in powers of a thousand as disks are sold."""
    size = size_bytes
    for unit in _UNITS[:-1]:
        if abs(size) < 999.5:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} {_UNITS[-1]}"


def _wrapped(text: str, columns: int, indent: str) -> Iterator[str]:
    return iter(textwrap.wrap(text, max(columns, 40), subsequent_indent=indent, break_long_words=False) or [""])
