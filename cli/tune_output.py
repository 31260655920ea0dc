"""The tag lists with the deviations that ``historian tune`` proposes, and nothing else changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cli.output_file import open_output
from cli.tag_cells import number_cell
from cli.tag_lists import check_lists, content_of, read_lists
from historian.config.dead_band import OFF
from historian.config.document import read_toml
from historian.config.tag_list_edit import Cells, TagList, edited
from historian.errors import UsageError
from historian.tuning.proposal import Tuning

if TYPE_CHECKING:
    from historian.tuning.trial import Settings


def check_output(output: Path, config_path: Path) -> None:
    """Before anything takes long: raise UsageError when the changed lists cannot go there."""
    if not config_path.exists():
        raise UsageError(
            f"cannot write the tag list {output}: there is no configuration {config_path}, whose lists to change; "
            "name it with --config"
        )
    places = _places(read_lists(config_path), output)
    used = {each.resolve() for each in places}
    for path in places.values():
        if path.resolve() in used:
            raise UsageError(
                f"cannot write the changed list into {path}: this is the list in use; give another name, and take it "
                "over with: historian tags import FILE --reason TEXT"
            )


def write_lists(found: Sequence[Tuning], output: Path, config_path: Path) -> Iterator[str]:
    """Write the changed lists; what is to be said of them."""
    lists = read_lists(config_path)
    chosen = {one.tag.name: one.chosen.settings for one in found if one.chosen is not None}
    has_default = "exc_dev" in (read_toml(config_path).data.get("defaults") or {})
    texts = {each.path: edited(each, _changes(each, chosen, has_default=has_default)) for each in lists}
    check_lists(config_path, texts, f"write {output}")
    places = _places(lists, output)
    for each in lists:
        places[each.path].parent.mkdir(exist_ok=True)
        with open_output(places[each.path]) as file:
            file.write(content_of(each, texts[each.path]))
        changed = [row.name for row in each.rows if row.name in chosen]
        yield f"{places[each.path]}: {len(changed):,} of {len(each.rows):,} tags changed"
    strange = sorted(chosen.keys() - {row.name for each in lists for row in each.rows})
    if strange:
        some = ", ".join(strange[:5]) + (" ..." if len(strange) > 5 else "")
        yield f"in no tag list, and left out: {len(strange):,} tags ({some})"
    yield f"see the difference with: historian tags import {places[lists[0].path]} --dry-run"


def _changes(tag_list: TagList, chosen: Mapping[str, Settings], *, has_default: bool) -> dict[int, Cells]:
    """New cells by the line of the row."""
    return {
        row.line: _cells(row.cells, chosen[row.name], has_default=has_default)
        for row in tag_list.rows
        if row.name in chosen
    }


def _cells(cells: Cells, settings: Settings, *, has_default: bool) -> Cells:
    """The deviation of compression; that of exception reporting only where it has to go."""
    new = {"comp_dev": number_cell(settings.comp_dev)}
    if settings.exc_dev is None and cells.get("exc_dev", "").lower() != OFF:
        new["exc_dev"] = OFF if has_default else ""
    return {column: text for column, text in new.items() if cells.get(column, "") != text}


def _places(lists: Sequence[TagList], output: Path) -> dict[Path, Path]:
    """Where each list goes: one to ``output``, several into it under their own names."""
    if len(lists) == 1 and not output.is_dir():
        return {lists[0].path: output}
    names = [each.path.name for each in lists]
    if output.suffix or len(set(names)) < len(names):
        raise UsageError(
            f"cannot write {len(lists)} tag lists into {output}: wanted a folder, and lists with different names"
        )
    return {each.path: output / each.path.name for each in lists}
