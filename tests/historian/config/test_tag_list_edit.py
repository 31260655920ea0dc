"""Changing cells of a tag list: the cells that were meant, and not one other character."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from historian.config.faults import FaultList
from historian.config.tag_list_edit import TagList, edited, parse_tag_list
from historian.errors import ConfigurationError
from support.plant_files import TAGS

NAME = "tags.csv"


def parsed(text: str, *required: str) -> TagList:
    faults = FaultList(NAME)
    found = parse_tag_list(Path(NAME), text, faults, required or ("tag",))
    faults.raise_if_any()
    assert found is not None
    return found


def change(text: str, name: str, **cells: str) -> str:
    found = parsed(text)
    line = next(row.line for row in found.rows if row.name == name)
    return edited(found, {line: cells})


def test_one_cell_changes_and_nothing_else():
    new = change(TAGS, "FIC101.PV", high="150")
    assert new == TAGS.replace(",0,120,", ",0,150,")


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_comments_quotes_spaces_and_ends_of_lines_stay(line_end):
    text = line_end.join(
        ('# a list, "quoted', "tag , units,description", ' A ,  m3/h ,"say ""hi"", twice"', "", "# B", "B,bar", "")
    )
    assert change(text, "A", units="l/h") == text.replace("m3/h", "l/h")
    assert change(text, "A", description='an "a"') == text.replace('"say ""hi"", twice"', '"an ""a"""')
    assert change(text, "B", tag="C, D") == text.replace("B,bar", '"C, D",bar')


def test_a_cell_over_several_lines():
    text = 'tag,description,units\nA,"one\n#two, three",bar\nB,,bar\n'
    assert change(text, "A", units="mbar") == text.replace('three",bar', 'three",mbar')
    assert change(text, "B", units="mbar") == text.replace("B,,bar", "B,,mbar")


def test_a_short_row_grows_and_a_blank_cell_does_not_lengthen_it():
    text = "tag,units,description,low\nA\nB,bar\n"
    assert change(text, "A", low="1") == "tag,units,description,low\nA,,,1\nB,bar\n"
    assert change(text, "B", low="") == text


def test_a_column_that_the_list_has_not():
    text = "tag,units\nA,bar\nB\n"
    assert change(text, "A", high="5") == "tag,units,high\nA,bar,5\nB\n"
    assert change(text, "A", high="") == text


def test_the_decimal_comma_of_spreadsheets():
    comma = "sep=;\ntag;low;high\nA;0,5;1\n"
    assert change(comma, "A", low="0.25") == comma.replace("0,5", "0,25")
    point = "tag;low;high\nA;0.5;1\n"
    assert change(point, "A", low="0.25") == point.replace("0.5", "0.25")


def test_rows_for_the_end():
    text = "tag\tunits\r\nA\tbar"
    new = edited(parsed(text), {}, [{"tag": "B", "units": "m\t3"}, {"tag": "C", "low": "1"}])
    assert new == 'tag\tunits\tlow\r\nA\tbar\r\nB\t"m\t3"\t\r\nC\t\t1\r\n'


def test_a_list_without_the_wanted_columns_is_refused():
    with pytest.raises(ConfigurationError, match="no column source"):
        parsed("tag,units\nA,bar\n", "tag", "source")


TEXTS = st.text(st.sampled_from('ab#",;\n\t |é'), max_size=6).map(str.strip)
NAMES = st.text(st.sampled_from("AB.é1"), min_size=1, max_size=4)


@settings(max_examples=60, deadline=None)
@given(st.data(), st.sampled_from(",;\t"), st.sampled_from(["\n", "\r\n"]))
def test_whatever_the_cells_hold_only_the_cell_meant_changes(data, delimiter, line_end):
    names = data.draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))
    rows = [(name, data.draw(TEXTS), data.draw(TEXTS)) for name in names]
    file = io.StringIO()
    writer = csv.writer(file, delimiter=delimiter, lineterminator=line_end)
    writer.writerows([("tag", "units", "description"), *rows])
    name, column, value = (
        data.draw(st.sampled_from(names)),
        data.draw(st.sampled_from(["units", "description"])),
        data.draw(TEXTS),
    )
    new = change(file.getvalue(), name, **{column: value})
    wanted = {row[0]: {"tag": row[0], "units": row[1], "description": row[2]} for row in rows}
    wanted[name][column] = value
    assert {row.name: dict(row.cells) for row in parsed(new).rows} == wanted
