"""Reading a configuration: ``historian.toml`` and its tag lists become one frozen object, or all their faults at once.

The first stage of every command.  Those that only query need the store's place alone and ask :func:`store_path`, which
loads neither pydantic nor the tag lists.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from historian.config.document import TomlDocument, read_toml
from historian.config.nearest import did_you_mean, shown
from historian.errors import ConfigurationError, Fault

if TYPE_CHECKING:
    from historian.config.sections import Sections
    from historian.config.settings import Configuration  # for the type checker only: it loads numpy


def load_configuration(path: Path, texts: Mapping[Path, str] | None = None) -> Configuration:
    """The configuration in ``path`` with the tags of its tag lists; ``texts`` stand for what is in some of the lists.

    Raises ConfigurationError with every fault of all files, each with its place, what was got and what was wanted.
    """
    # Imported here, because pydantic and numpy take longer to load than a query that needs the store's place only.
    from historian.config.faults import FaultList  # noqa: PLC0415 - as above
    from historian.config.sections import read_sections  # noqa: PLC0415 - as above
    from historian.config.settings import Configuration  # noqa: PLC0415 - as above
    from historian.config.tag_list import read_tag_lists  # noqa: PLC0415 - as above
    from historian.config.tag_row import TagContext  # noqa: PLC0415 - as above

    document = read_toml(path)
    faults = FaultList(str(path))
    sections = read_sections(document, faults)
    context = TagContext(sections.protocols, sections.sources, sections.scan_class_names, sections.defaults)
    tags = read_tag_lists(document, sections.tag_files, context, faults, texts)
    faults.raise_if_any()
    assert sections.store is not None, "a section that cannot be read leaves a fault"  # noqa: S101 - for the type checker
    return Configuration(
        path, sections.store, sections.scan_classes, sections.sources, tags,
        sections.limits.future, sections.limits.past, sections.compaction, sections.retention, sections.pki,
        sections.shadow, sections.health,
    )  # fmt: skip


def load_sections(path: Path) -> Sections:
    """What the file says but for the tags: for commands that come before there are any.

    Raises ConfigurationError with every fault of the file.
    """
    from historian.config.faults import FaultList  # noqa: PLC0415 - as above
    from historian.config.sections import read_sections  # noqa: PLC0415 - as above

    faults = FaultList(str(path))
    sections = read_sections(read_toml(path), faults)
    faults.raise_if_any()
    return sections


def store_path(config_path: Path) -> Path:
    """The store's folder alone, as ``[store] path`` of the configuration names it, relative to the file's folder.

    Raises ConfigurationError when the file or the key cannot be read; other faults of the file do not matter here.
    """
    document = read_toml(config_path)
    store = document.data.get("store")
    if not isinstance(store, dict):
        raise _fault(document, ("store",), store, "a section [store] with a path", document.data)
    path = store.get("path")
    if not isinstance(path, str) or not path or not path.isprintable():
        raise _fault(document, ("store", "path"), path, "a path in quotes, without invisible characters", store)
    return config_path.parent / path


def _fault(
    document: TomlDocument, key: tuple[str, ...], value: object, wanted: str, beside: Mapping[str, object]
) -> ConfigurationError:
    line = document.line(key)
    where = str(document.path) if line is None else f"{document.path}:{line}"
    hint = did_you_mean(key[-1], [name for name in beside if name != key[-1]]) if value is None else ""
    got = "nothing" if value is None else shown(value)
    return ConfigurationError([Fault(f"{where} {'.'.join(key)}", got, wanted, hint)])
