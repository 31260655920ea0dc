"""What differs between two configurations: what a collecting process has to do to follow the second."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from historian.config.settings import Configuration
from historian.model.tag import Tag

AT_START_ONLY: Final = {
    "store": "[store]",
    "compaction": "[compaction]",
    "retention": "[retention]",
    "shadow": "[shadow]",
    "future_limit_us": "[limits] future",
    "past_limit_us": "[limits] past",
}
"""Fields of a configuration that are looked at when collecting begins, and what they are called in the file."""

SAME_SAMPLES: Final = ("source", "address", "type_text", "value_type", "scale", "offset", "enumeration")
"""What makes the samples of a tag what they are: where one of these changes, those before and after do not belong
together, and no line goes from one to the other."""


@dataclass(frozen=True, slots=True)
class Difference:
    """By name, each in the order of the configuration that has it.

    ``waiting`` are sections that have changed and are looked at only when collecting begins.
    """

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]
    sources_added: tuple[str, ...]
    sources_removed: tuple[str, ...]
    sources_changed: tuple[str, ...]
    scan_classes_changed: tuple[str, ...]
    health_changed: bool
    waiting: tuple[str, ...]

    @property
    def is_nothing(self) -> bool:
        """Whether there is nothing to do now."""
        return not any(
            (self.added, self.removed, self.changed, self.sources_added, self.sources_removed, self.sources_changed,
             self.scan_classes_changed, self.health_changed)
        )  # fmt: skip


def difference(old: Configuration, new: Configuration, renamed: Mapping[str, str] = MappingProxyType({})) -> Difference:
    """What ``new`` has that ``old`` has not, and the other way round.  ``renamed``: new names by those in ``old``."""
    before = {renamed.get(tag.name, tag.name): tag for tag in old.tags}
    now = {tag.name: tag for tag in new.tags}
    return Difference(
        added=tuple(name for name in now if name not in before),
        removed=tuple(name for name in before if name not in now),
        changed=tuple(name for name, tag in now.items() if name in before and before[name] != tag),
        sources_added=tuple(name for name in new.sources if name not in old.sources),
        sources_removed=tuple(name for name in old.sources if name not in new.sources),
        sources_changed=tuple(
            name for name in new.sources if name in old.sources and old.sources[name] != new.sources[name]
        ),
        scan_classes_changed=tuple(
            name
            for name in {**old.scan_classes, **new.scan_classes}
            if old.scan_classes.get(name) != new.scan_classes.get(name)
        ),
        health_changed=old.health != new.health,
        waiting=tuple(text for field, text in AT_START_ONLY.items() if getattr(old, field) != getattr(new, field)),
    )


def are_other_samples(old: Tag, new: Tag) -> bool:
    """Whether the samples of a tag before and after a change do not belong together."""
    return any(getattr(old, field) != getattr(new, field) for field in SAME_SAMPLES)


def followed(old: Configuration, new: Configuration) -> Configuration:
    """``new``, but for what is looked at only when collecting begins: that stays as in ``old``."""
    return replace(new, **{field: getattr(old, field) for field in AT_START_ONLY})
