"""Just enough of Markdown to hold the documentation to its word: links, headings, fenced blocks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent

_FENCE = re.compile(
    r"^(?P<fence>`{3,})(?P<language>[\w-]*)[^\n]*\n(?P<text>.*?)^(?P=fence)[ ]*$", re.MULTILINE | re.DOTALL
)
_LINK = re.compile(r"(?<!\\)\[[^\]]*\]\((?P<target>[^)\s]+)\)")
_HEADING = re.compile(r"^(?P<marks>#{1,6}) (?P<text>.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: its language and its text."""

    language: str
    text: str


def pages() -> list[Path]:
    """Every page of the documentation, the ones at the top of the tree included."""
    return sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page in their order."""
    return [Block(match["language"], match["text"]) for match in _FENCE.finditer(page.read_text(encoding="utf-8"))]


def texts(page: Path, language: str) -> list[str]:
    """The texts of the fenced blocks in one language."""
    return [block.text for block in blocks(page) if block.language == language]


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def links(page: Path) -> Iterator[tuple[str, str]]:
    """File (empty: this page) and anchor (often empty) of each link that stays inside the project."""
    for match in _LINK.finditer(re.sub(r"`[^`\n]*`", "", prose(page))):
        if "://" not in match["target"] and not match["target"].startswith("mailto:"):
            file, _, anchor = match["target"].partition("#")
            yield file, anchor


def anchors(page: Path) -> set[str]:
    """What a link may name after ``#``: headings in lower case, punctuation gone, spaces as hyphens."""
    texts = (match["text"].replace("`", "") for match in _HEADING.finditer(prose(page)))
    return {re.sub(r"[^\w\- ]", "", text.strip().lower()).replace(" ", "-") for text in texts}


def section(page: Path, title: str) -> str:
    """The text under the heading that holds ``title`` as a word, up to the next of its level, or ""."""
    text = page.read_text(encoding="utf-8")
    word = re.compile(rf"(?<![\w-]){re.escape(title)}(?![\w-])")
    headings = list(_HEADING.finditer(_FENCE.sub(lambda match: "\n" * match[0].count("\n"), text)))
    lines = text.splitlines()
    for number, heading in enumerate(headings):
        if word.search(heading["text"]):
            level = len(heading["marks"])
            following = [later for later in headings[number + 1 :] if len(later["marks"]) <= level]
            first = _line(heading)
            last = _line(following[0]) if following else len(lines)
            return "\n".join(lines[first:last])
    return ""


def _line(match: re.Match[str]) -> int:
    return match.string.count("\n", 0, match.start())
