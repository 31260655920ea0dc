"""The moments between two steps of a write, by name, where a crash would hurt most.

:func:`reached` does nothing; the crash tests put a function in its place that ends the process there.
"""

from __future__ import annotations

from typing import Final

STEPS: Final = (
    "create: database made",
    "create: tables made",
    "migrate: tables changed",
    "migrate: committed",
    "commit: rows written",
    "commit: committed",
    "recover: rows written",
    "recover: committed",
    "tags: rows written",
    "tags: committed",
    "insert: rows written",
    "insert: committed",
    "edit: rows written",
    "edit: committed",
    "remove: rows written",
    "remove: committed",
    "annotation: rows written",
    "annotation: committed",
    "join: rows written",
    "join: committed",
    "shadow: rows written",
    "shadow: committed",
    "flush: intent recorded",
    "flush: file written",
    "flush: file synced",
    "flush: file renamed",
    "flush: folder synced",
    "flush: catalogue written",
    "flush: committed",
    "import: intent recorded",
    "import: file written",
    "import: file synced",
    "import: file renamed",
    "import: folder synced",
    "import: rows written",
    "import: committed",
    "compaction: intent recorded",
    "compaction: file written",
    "compaction: file synced",
    "compaction: file renamed",
    "compaction: folder synced",
    "compaction: catalogue written",
    "compaction: committed",
    "retention: intent recorded",
    "retention: file written",
    "retention: file synced",
    "retention: file renamed",
    "retention: folder synced",
    "retention: catalogue written",
    "retention: committed",
    "thinning: intent recorded",
    "thinning: file written",
    "thinning: file synced",
    "thinning: file renamed",
    "thinning: folder synced",
    "thinning: catalogue written",
    "thinning: committed",
    "retired files: removed",
    "retired files: forgotten",
    "tags file: file written",
    "tags file: file synced",
    "tags file: file renamed",
    "tags file: folder synced",
    "tags file: noted",
)
"""Every step there is, in the order of a store's life."""

CARE_STEPS: Final = (
    "set aside: rows written",
    "set aside: committed",
    "set aside: file moved",
    "rebuild: database made",
    "rebuild: old database kept",
    "rebuild: log moved",
    "rebuild: database in place",
    "backup: file copied",
    "backup: database copied",
    "backup: manifest written",
    "backup: old files removed",
    "restore: begun",
    "restore: files copied",
    "restore: database in place",
    "restore: done",
)
"""Those of verify, rebuild, backup and restore."""


def reached(step: str) -> None:
    """The named step is done and the next has not begun."""
