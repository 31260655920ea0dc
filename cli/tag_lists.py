"""The tag lists that a configuration names, for commands that change them: all of them whole, or none."""

from __future__ import annotations

import codecs
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from historian.config.document import read_toml
from historian.config.faults import FaultList
from historian.config.load import load_configuration
from historian.config.tag_list_edit import TagList, parse_tag_list, read_tag_list
from historian.errors import ConfigurationError, HistorianError, UsageError

ResultT = TypeVar("ResultT")


def read_lists(config_path: Path) -> list[TagList]:
    """The lists in the order of the configuration.  Raises ConfigurationError for one that cannot be read."""
    document = read_toml(config_path)
    names = document.data.get("tag_files")
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        load_configuration(config_path)  # tells what is wrong with it
        raise UsageError(f"cannot change the tags: {config_path} names no tag lists; wanted them in tag_files")
    faults = FaultList(str(config_path))
    lists = [read_tag_list(document.path.parent / name, faults) for name in names]
    faults.raise_if_any()
    return [each for each in lists if each is not None]


def check_lists(config_path: Path, texts: Mapping[Path, str], doing: str) -> None:
    """Check the configuration with ``texts`` in its lists.  Raises UsageError with all faults; nothing was written."""
    try:
        load_configuration(config_path, texts)
    except ConfigurationError as error:
        faults = "\n".join(f"  {fault}" for fault in error.faults)
        raise UsageError(
            f"cannot {doing}: the configuration would not be right. Nothing was changed\n{faults}"
        ) from error


def cells_differ(before: TagList, text: str) -> list[tuple[int, str]]:
    """Row number and column of every cell that is another one in ``text``; rows that were added are not among them."""
    faults = FaultList(str(before.path))
    after = parse_tag_list(before.path, text, faults)
    faults.raise_if_any()
    rows = zip(before.rows, after.rows if after is not None else (), strict=False)
    return [
        (number, column)
        for number, (old, new) in enumerate(rows)
        for column in new.cells
        if old.cells.get(column, "") != new.cells[column]
    ]


def replace_lists(lists: Sequence[TagList], texts: Mapping[Path, str], between: Callable[[], ResultT]) -> ResultT:
    """Write ``texts`` into the lists' files, after ``between`` was done; its result.

    Everything is on the disk beside the files first, so that little can go wrong after ``between``.  Raises UsageError
    when somebody changed a list meanwhile, HistorianError when the disk refuses; then all lists are as they were.
    """
    contents = {each.path.resolve(): content_of(each, texts[each.path]) for each in lists if each.path in texts}
    temporary = {path: path.with_name(f".{path.name}.{os.getpid()}.tmp") for path in contents}
    try:
        before = {path: path.read_bytes() for path in contents}
        for path, content in contents.items():
            _write(temporary[path], content)
            shutil.copymode(path, temporary[path])
        _refuse_changed(lists, texts)
        result = between()
        _replace_all(temporary, before)
    except OSError as error:
        if isinstance(error, HistorianError) or error.errno is None:
            raise
        raise HistorianError(
            f"cannot write the tag list {error.filename}: {error.strerror}; all lists are as they were. Mend that, and "
            "see with historian check whether the store and the lists agree"
        ) from error
    finally:
        for path in temporary.values():
            path.unlink(missing_ok=True)
    return result


def content_of(tag_list: TagList, text: str) -> bytes:
    """With the byte order mark that spreadsheets write, where there was one."""
    has_mark = tag_list.path.read_bytes().startswith(codecs.BOM_UTF8)
    return (codecs.BOM_UTF8 if has_mark else b"") + text.encode()


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _refuse_changed(lists: Sequence[TagList], texts: Mapping[Path, str]) -> None:
    for each in lists:
        if each.path in texts and each.path.read_bytes().decode("utf-8-sig") != each.text:
            raise UsageError(f"cannot change {each.path}: somebody changed it meanwhile; run this again")


def _replace_all(temporary: Mapping[Path, Path], before: Mapping[Path, bytes]) -> None:
    done: list[Path] = []
    try:
        for path, new in temporary.items():
            new.replace(path)
            done.append(path)
    except OSError:
        for path in done:
            _write(temporary[path], before[path])
            temporary[path].replace(path)
        raise
