"""``manifest.json`` of a backup: its generations, and what every file in it must be.  docs/format/backup.md.

Written last and as a whole, so that a backup that stops half-way leaves the generations before it as they were.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from historian.errors import StoreForeignError, StoreVersionError, UsageError
from storage.copying import Fingerprint, write_text

MANIFEST: Final = "manifest.json"
GENERATIONS: Final = "generations"
FORMAT: Final = 1
_KIND: Final = "plant-historian backup"


@dataclass(frozen=True, slots=True)
class Generation:
    """The store as it was at one instant.

    ``name`` is the time it was made, UTC.  ``last_commit_us`` is the newest thing in it, None in a store without
    commits.  ``database`` and ``beside`` are files of this generation alone, by name; ``files`` are those of the
    archive that belong to it, below the backup's folder; ``lacking`` those that could not be copied.
    """

    name: str
    made_us: int
    last_commit_us: int | None
    samples: int
    format_version: int
    database: Fingerprint
    beside: Mapping[str, Fingerprint]
    files: tuple[str, ...]
    lacking: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Manifest:
    """All of a backup.  ``generations`` oldest first; ``removing`` are paths that belong to none any more."""

    store_id: str
    generations: tuple[Generation, ...] = ()
    files: Mapping[str, Fingerprint] = field(default_factory=dict)
    removing: tuple[str, ...] = ()

    def find(self, at: str | None) -> Generation:
        """The generation whose name begins with ``at``, the newest without one.  Raises UsageError."""
        known = ", ".join(each.name for each in self.generations) or "none"
        if at is None:
            if not self.generations:
                raise UsageError("cannot restore: the backup has no generation yet, its first run was never finished")
            return self.generations[-1]
        exact = [each for each in self.generations if each.name == at]
        found = exact or [each for each in self.generations if each.name.startswith(at)]
        if len(found) != 1:
            raise UsageError(f"cannot find the generation {at!r}: {len(found)} begin so, wanted one of {known}")
        return found[0]


def read(folder: Path) -> Manifest | None:
    """The manifest in a backup's folder, None without one.

    Raises StoreForeignError for a file that is none of ours or is damaged, StoreVersionError for a newer one.
    """
    path = folder / MANIFEST
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise StoreForeignError(f"cannot read {path}: {error}; is this the folder of a backup?") from error
    if not isinstance(content, dict) or content.get("kind") != _KIND:
        raise StoreForeignError(f"cannot use {path}: it is not the manifest of a backup; give another folder")
    if content["format"] > FORMAT:
        raise StoreVersionError(
            f"cannot use {path}: it has format {content['format']}, this software knows {FORMAT}; update it"
        )
    return _parsed(content, path)


def _parsed(content: dict[str, Any], path: Path) -> Manifest:
    try:
        return Manifest(
            content["store_id"],
            tuple(_generation(each) for each in content["generations"]),
            _prints(content["files"]),
            tuple(content["removing"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise StoreForeignError(f"cannot read {path}: it is damaged ({error!r})") from error


def _generation(content: dict[str, Any]) -> Generation:
    lists = {name: tuple(content[name]) for name in ("files", "lacking")}
    prints = {"database": Fingerprint(**content["database"]), "beside": _prints(content["beside"])}
    return Generation(**{**content, **lists, **prints})


def _prints(content: dict[str, Any]) -> dict[str, Fingerprint]:
    return {path: Fingerprint(**each) for path, each in content.items()}


def write(folder: Path, manifest: Manifest) -> None:
    """Replace the manifest, all or nothing.  Raises OSError."""
    content = {
        "kind": _KIND,
        "format": FORMAT,
        "store_id": manifest.store_id,
        "generations": [_as_json(each) for each in manifest.generations],
        "files": {path: each._asdict() for path, each in sorted(manifest.files.items())},
        "removing": list(manifest.removing),
    }
    write_text(folder / MANIFEST, json.dumps(content, indent=1))


def _as_json(generation: Generation) -> dict[str, Any]:
    beside = {name: each._asdict() for name, each in generation.beside.items()}
    return {**asdict(generation), "database": generation.database._asdict(), "beside": beside}
