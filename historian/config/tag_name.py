"""What a tag may be called."""

from __future__ import annotations

from typing import Final

from historian.config.nearest import shown
from historian.errors import UnusableValueError

MAX_TAG_NAME: Final = 255
OWN_PREFIX: Final = "historian."


def check_tag_name(name: str) -> str:
    """``name`` itself when a tag may have it.  Raises UnusableValueError otherwise."""
    if len(name) > MAX_TAG_NAME:
        raise UnusableValueError(f"a name of {len(name)} characters", f"at most {MAX_TAG_NAME}")
    if not name.isprintable():
        odd = next(character for character in name if not character.isprintable())
        raise UnusableValueError(
            f"{shown(name)} with the character U+{ord(odd):04X}", "letters, digits and other visible signs"
        )
    if name.startswith(OWN_PREFIX):
        raise UnusableValueError(
            shown(name), f"a name that does not begin with {OWN_PREFIX}", "kept for the historian's own"
        )
    if not name or name != name.strip() or name.startswith("#"):
        raise UnusableValueError(shown(name), "a name without spaces around it that does not begin with #")
    return name
