"""Which tags are meant: names and patterns of names, against those the store knows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Final

from historian.config.nearest import nearest
from historian.errors import UsageError

_WILD: Final = frozenset("*?[")


def select_tags(wanted: Sequence[str], known: Sequence[str]) -> list[str]:
    """The names in ``known`` that ``wanted`` means, each once, in the order asked for; a pattern's as in ``known``.

    ``*`` stands for any text, ``?`` for one character, ``[AB]`` for one of some.  A tag whose own name has such
    characters is found by its name.  Raises UsageError naming the nearest tag when one of ``wanted`` means none.
    """
    names = set(known)
    chosen: dict[str, None] = {}
    for text in wanted:
        found = [text] if text in names else _matching(text, known)
        if not found:
            raise UsageError(_nothing_found(text, known))
        chosen.update(dict.fromkeys(found))
    return list(chosen)


def _matching(pattern: str, known: Iterable[str]) -> list[str]:
    if _WILD.isdisjoint(pattern):
        return []
    return [name for name in known if fnmatchcase(name, pattern)]


def _nothing_found(text: str, known: Sequence[str]) -> str:
    what = f"no tag matches {text!r}" if not _WILD.isdisjoint(text) else f"there is no tag {text!r}"
    return f"cannot choose the tags: {what}; {hint(text, known)}"


def hint(text: str, known: Sequence[str]) -> str:
    """What to do about a name that means no tag: the nearest one, or how to list them."""
    if not known:
        return "the store has no tags yet: start collecting first"
    parts = [part.strip() for part in text.split(",")]
    if len(parts) > 1 and (parts[0] in known or _matching(parts[0], known)):
        return f"give each on its own, not with commas between them: {' and '.join(map(repr, parts))}"
    if found := _matching(text, known):
        return f"name one tag, not a pattern; it would mean {len(found):,}, such as {found[0]!r}"
    other_case = [name for name in known if fnmatchcase(name.lower(), text.lower())]
    if other_case:
        return f"upper and lower case count: there is {other_case[0]!r}"
    near = nearest(text.strip("*?"), known)
    if near is None:
        return f'see all {len(known)} with: historian sql "select tag from tags"'  # noqa: S608 - a text for people
    return f"the nearest is {near!r}"
