"""Drawing a :class:`cli.live.LiveView`: a table that fits the terminal, or one plain line where there is none."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import Final

import numpy as np
from rich.console import Console
from rich.text import Text

from cli.live import LiveView, SourceLine, TagLine, choose
from historian.model.samples import FloatArray
from historian.model.status import Severity

BLOCKS: Final = "▁▂▃▄▅▆▇█"
PLAIN_BLOCKS: Final = "_.-=+*#@"

NAMED_VALUE, UNITS, QUALITY, AGE = 20, 5, 9, 5
"""Widths of the columns that are always there; name and value share theirs, which grows with what it must hold."""

WIDEST_TREND: Final = 32
NARROWEST_TREND: Final = 6
BLOCK_WIDTH: Final = 58
"""A second block of tags is set beside the first where each has this much room."""

MARGIN_LINES: Final = 1

STYLE_OF: Final = {Severity.GOOD: "green", Severity.UNCERTAIN: "yellow", Severity.BAD: "bold red"}
STATE_STYLE: Final = {"connected": "green", "connecting": "yellow", "failed": "bold red"}


class Screen:
    """Lays out views for one terminal."""

    def __init__(self, console: Console, title: str, first: Sequence[str]) -> None:
        self._console = console
        self._title = title
        self._first = first
        self._blocks = PLAIN_BLOCKS if console.options.ascii_only else BLOCKS
        self._named_value: dict[int, int] = {}
        self._dash = "-" if console.options.ascii_only else "─"

    def draw(self, view: LiveView, elapsed_s: float, total_s: float) -> Text:
        """Everything, no wider and no higher than the terminal."""
        width, height = self._console.size.width, self._console.size.height - MARGIN_LINES
        foot = [self._source(source, width) for source in view.sources]
        foot.append(self._totals(view, width))
        head = [self._head(elapsed_s, total_s, width)]
        columns = max(1, width // BLOCK_WIDTH)
        room = max(height - len(head) - len(foot) - 3, 1)
        shown = choose(view.tags, room * columns, self._first)
        body = self._table(shown, columns, width)
        if len(shown) < len(view.tags):
            foot.append(Text(f"{len(shown)} of {len(view.tags)} tags; a larger window shows more", "dim"))
        return _lines([*head, *body, Text(self._dash * width, "dim"), *foot], width)

    def _head(self, elapsed_s: float, total_s: float, width: int) -> Text:
        times = f"{min(elapsed_s, total_s):.0f} of {total_s:.0f} s"
        room = max(width - len(self._title) - len(times) - 4, 0)
        done = round(room * min(elapsed_s / total_s, 1.0)) if total_s else room
        bar = Text.assemble(("━" * done, "cyan"), ("━" * (room - done), "bright_black"))
        if self._blocks is PLAIN_BLOCKS:
            bar = Text("#" * done + "." * (room - done))
        return Text.assemble((self._title, "bold"), "  ", bar, "  ", times)

    # -- tags --------------------------------------------------------------------------------------------------------

    def _table(self, tags: Sequence[TagLine], columns: int, width: int) -> list[Text]:
        rows = max(-(-len(tags) // columns), 1)
        block_width = (width - 2 * (columns - 1)) // columns
        blocks = [self._block(tags[at : at + rows], at, block_width) for at in range(0, len(tags), rows)]
        empty = Text(" " * block_width)
        return [Text("  ").join(line) for line in zip_longest(*blocks, fillvalue=empty)]

    def _block(self, tags: Sequence[TagLine], place: int, width: int) -> list[Text]:
        """Tags beneath one another; their columns never get narrower again, so that nothing jumps."""
        needed = max((len(tag.name) + 1 + len(tag.value) for tag in tags), default=0)
        named = self._named_value[place] = max(self._named_value.get(place, NAMED_VALUE), needed)
        left = width - (named + UNITS + QUALITY + AGE + 4)
        trend = min(left, WIDEST_TREND) if left >= NARROWEST_TREND else 0
        head = [_both("tag", "value", named), " " * UNITS, *([_left("trend", trend)] if trend else [])]
        head += [_left("quality", QUALITY), _right("age", AGE) if left >= 0 else ""]
        return [_cell(Text(" ".join(head), "dim"), width), *(self._tag(tag, named, trend, width) for tag in tags)]

    def _tag(self, tag: TagLine, named: int, trend: int, width: int) -> Text:
        style = STYLE_OF[tag.severity]
        parts = [(tag.name, "bold"), (_right(tag.value, named - len(tag.name)), "")]
        parts += [(" " + _left(tag.units, UNITS), "dim")]
        if not tag.value:
            parts[1:] = [(" " + _right(reason(tag), named + UNITS - len(tag.name)), style)]
        if trend:
            parts.append((" " + self._spark(tag.trend, trend), "cyan"))
        parts += [(" " + _left(tag.severity.label, QUALITY), style)]
        if width >= named + UNITS + QUALITY + AGE + 4:
            parts.append((" " + _right(age(tag.age_s), AGE), "dim"))
        return _cell(Text.assemble(*parts), width)

    def _spark(self, trend: FloatArray, width: int) -> str:
        """A trend in ``width`` characters; a blank where there is no value."""
        points = trend[np.linspace(0, len(trend) - 1, width).round().astype(int)]
        levels = np.nan_to_num(np.clip(points, 0.0, 1.0) * (len(self._blocks) - 1)).round().astype(int)
        return "".join(
            " " if missing else self._blocks[level] for level, missing in zip(levels, np.isnan(points), strict=True)
        )

    # -- below the tags ----------------------------------------------------------------------------------------------

    @staticmethod
    def _source(source: SourceLine, width: int) -> Text:
        bad = (f"{source.bad} bad", STYLE_OF[Severity.BAD] if source.bad else "dim")
        line = Text.assemble(
            (_left(source.name, 8), "bold"),
            " ",
            (_left(source.state, 10), STATE_STYLE.get(source.state, "")),
            f" {_scan_rate(source):>13}  {source.good} good  ",
            bad,
        )
        if source.errors:
            line.append(f"  {source.errors} errors", "bold red")
        return _with_more(line, [f"{source.latency_ms:.1f} ms", source.url], width)

    @staticmethod
    def _totals(view: LiveView, width: int) -> Text:
        rate = "" if view.values_per_s is None else f" ({view.values_per_s:.0f}/s)"
        ratio = "" if view.compression is None else f"{view.compression:.1f} : 1"
        line = Text.assemble(
            (_left("store", 8), "bold"),
            " ",
            (_left(ratio, 10), "bold green"),
            f" {view.samples_in:,} values read{rate}, {view.samples_stored:,} stored",
        )
        return _with_more(line, [f"slowest commit {view.commit_max_ms:.0f} ms"], width)


def _with_more(line: Text, more: Sequence[str], width: int) -> Text:
    """``line`` with as much of ``more`` as there is room for."""
    for text in more:
        if len(line) + len(text) + 2 > width:
            break
        line.append(f"  {text}", "dim")
    return line


def plain_line(view: LiveView, elapsed_s: float, names: Sequence[str]) -> str:
    """One line of text for a log or a pipe: sources, compression, the newest values of ``names``, what is not good."""
    by_name = {tag.name: tag for tag in view.tags}
    values = [_plain_value(by_name[name]) for name in names if name in by_name]
    sources = [f"{source.name} {source.state} {_scan_rate(source)}".rstrip() for source in view.sources]
    ratio = "" if view.compression is None else f" ({view.compression:.1f}:1)"
    store = f"{view.samples_in} values read, {view.samples_stored} stored{ratio}"
    troubles = [
        f"{tag.name} {tag.status}" for tag in view.tags if tag.severity is not Severity.GOOD and tag.age_s is not None
    ]
    return " | ".join([f"{elapsed_s:5.1f} s", *sources, store, ", ".join([*values, *troubles])])


def _scan_rate(source: SourceLine) -> str:
    return "" if source.scans_per_s is None else f"{source.scans_per_s:.1f} scans/s"


def _plain_value(tag: TagLine) -> str:
    return f"{tag.name} {tag.value or tag.status} {tag.units if tag.value else ''}".rstrip()


def reason(tag: TagLine) -> str:
    """Why there is no value: the status without its severity, which stands beside it."""
    return tag.status.removeprefix(tag.severity.label)


def age(age_s: float | None) -> str:
    """How long ago the source last answered for the tag, in at most five characters."""
    if age_s is None:
        return ""
    if age_s < 99.95:
        return f"{age_s:.1f}s"
    return f"{age_s / 60:.0f}m" if age_s < 6000 else f"{age_s / 3600:.0f}h"


def _both(left: str, right: str, width: int) -> str:
    return left + _right(right, width - len(left))


def _left(text: str, width: int) -> str:
    return _cut(text, width).ljust(width)


def _right(text: str, width: int) -> str:
    return _cut(text, width).rjust(width)


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: max(width - 1, 0)] + "~"


def _cell(text: Text, width: int) -> Text:
    text.truncate(width, overflow="crop", pad=True)
    return text


def _lines(lines: Sequence[Text], width: int) -> Text:
    for line in lines:
        line.truncate(width, overflow="crop")
    whole = Text("\n").join(lines)
    whole.no_wrap, whole.overflow = True, "crop"
    return whole
