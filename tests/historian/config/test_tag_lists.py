"""Tag lists: what people and spreadsheets write, and what is said of what is wrong."""

from __future__ import annotations

import csv
import io
import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from historian.config.csv_table import read_table
from historian.config.faults import FaultList
from historian.config.load import load_configuration
from historian.config.tag_columns import COLUMNS
from historian.model.error_bound import ErrorBound
from historian.model.tag import CompressionMethod, CompressionSettings, ExceptionSettings, Tag, ValueType
from support.plant_files import HEADER, SETTINGS, TAGS, faults, row, write


def tags(folder, text: str | bytes, settings: str = SETTINGS) -> tuple[Tag, ...]:
    return load_configuration(write(folder, settings, text)).tags


def tag(folder, settings: str = SETTINGS, **cells: str) -> Tag:
    return tags(folder, f"{HEADER}\n{row(**cells)}\n", settings)[0]


def fault_of(folder, settings: str = SETTINGS, **cells: str) -> tuple[str, str]:
    """Column and text of the only fault of a row."""
    (told,) = faults(write(folder, settings, f"{HEADER}\n{row(**cells)}\n"))
    place, _, column = told.place.partition(" ")
    assert place == f"{folder / 'tags.csv'}:2"
    return column, str(told)


def semicolons(text: str) -> str:
    """The list as spreadsheets write it where the comma is the decimal sign."""
    return text.replace(",", ";").replace("ns=2;s=TIC205.PV", '"ns=2;s=TIC205.PV"')


# What spreadsheets write ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "\ufeff" + text,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", "\r"),
        semicolons,
        lambda text: text.replace(",", "\t"),
        lambda text: "sep=;\n" + semicolons(text),
        lambda text: semicolons(text).replace("0.25", "0,25").replace("0.5%", "0,5%").replace("0.1%", "0,1%"),
        lambda text: text.replace("\n", ",,,\n"),
        lambda text: text.replace("\n", "\n,,,,,,,,\n\n"),
        lambda text: '# "a comment, and a quote that is not closed\n' + text,
        lambda text: text.replace("\nXV", '\n  # "another\nXV'),
        lambda text: text.replace("\nXV", '\n"# one, quoted by a spreadsheet",,,\nXV'),
        lambda text: text.replace(",,,\n", "\n"),
        lambda text: text.rstrip("\n"),
        lambda text: text.replace("FIC101.PV,boiler", ' "FIC101.PV" , boiler ').replace(' "FIC101.PV" ', '"FIC101.PV"'),
        lambda text: text.replace("tag,source", "Tag,SOURCE"),
        lambda text: text.replace(",yes,", ",TRUE,"),
        lambda text: text.replace(",yes,", ",,"),
    ],
)
def test_other_ways_of_writing_mean_the_same(tmp_path, change):
    plain = tags(tmp_path, TAGS)
    other = tags(tmp_path, change(TAGS))
    assert [replace(each, step=each.is_step) for each in other] == [replace(each, step=each.is_step) for each in plain]


def test_columns_in_any_order_and_only_those_needed(tmp_path):
    (only,) = tags(tmp_path, "scan_class,address,tag,source\nfast,hr:1,A,boiler\n")
    assert only == Tag("A", "boiler", "hr:1", "fast", ValueType.UINT16)


def test_cells_over_several_lines_keep_the_line_numbers(tmp_path):
    text = f"{HEADER}\n{row(tag='A', description='two' + chr(10) + '# lines, no comment')}\n{row(tag='B', scale='0')}\n"
    (told,) = faults(write(tmp_path, tags=text))
    assert told.place == f"{tmp_path / 'tags.csv'}:4 scale"
    assert tags(tmp_path, text.replace('"0"', "").replace(",0,", ",1,"))[0].description == "two\n# lines, no comment"


def test_comments_and_blank_lines_keep_the_line_numbers(tmp_path):
    text = f'# one\n\n{HEADER}\n\n# two, "\n{row(scale="0")}\n'
    (told,) = faults(write(tmp_path, tags=text))
    assert told.place == f"{tmp_path / 'tags.csv'}:6 scale"


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        (f"{HEADER}\n# °C\n".encode("latin-1"), 2, "UTF-8"),
        (f"{HEADER}\n".encode("utf-16"), 1, "UTF-16"),
        (b"", 1, "no header"),
        (b"\n\n# nothing\n", 1, "no header"),
        (f"{HEADER}\n".encode(), 1, "no tags"),
    ],
)
def test_files_that_hold_no_tags(tmp_path, content, line, words):
    (told,) = faults(write(tmp_path, tags=content))
    assert told.place == f"{tmp_path / 'tags.csv'}:{line}"
    assert words in str(told)


@pytest.mark.parametrize(
    ("header", "line_faults"),
    [
        (HEADER.replace("scan_class", "scan_clas"), ["did you mean 'scan_class'"]),
        (HEADER.replace("units", "colour"), ["got the column 'colour'"]),
        (HEADER.replace("source,", ""), ["got no column source"]),
        (HEADER.replace("units", "tag"), ["once more, as number 6"]),
    ],
)
def test_faults_of_the_header(tmp_path, header, line_faults):
    told = faults(write(tmp_path, tags=f"{header}\n{row(units='')}\n"))
    first = [str(fault) for fault in told if fault.place.startswith(f"{tmp_path / 'tags.csv'}:1")]
    assert len(first) == len(line_faults)
    assert all(words in text for words, text in zip(line_faults, first, strict=True))


def test_cells_below_a_misspelt_column_are_checked_too(tmp_path):
    told = faults(write(tmp_path, tags=f"{HEADER.replace('scale', 'scael')}\n{row(scale='0')}\n"))
    assert [fault.place.partition(":")[2] for fault in told] == ["1", "2 scale"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (row() + ",x", "20 cells"),
        (row(units="x", scale="1").replace(",x,", ',"x,'), "quote"),
        (row(units="x").replace(",x,", ',"x"y,'), "quote"),
        ('"' + row(), "quote"),
    ],
)
def test_rows_that_are_no_csv(tmp_path, line, words):
    told = faults(write(tmp_path, tags=f"{HEADER}\n{row(tag='A')}\n{line}\n"))
    assert told[0].place == f"{tmp_path / 'tags.csv'}:3"
    assert words in told[0].got


def test_a_comma_without_quotes_is_found_in_a_row_that_is_wrong(tmp_path):
    line = row(description="pump, old", high="x").replace('"', "")
    told = faults(write(tmp_path, tags=f"{HEADER}\n{line}\n"))
    assert "20 cells" in told[0].got


# Names ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "blank"),
        ("x" * 256, "256 characters"),
        ("A\u200bB", "U+200B"),
        ("A\x07", "U+0007"),
        ("historian.x", "kept for"),
    ],
)
def test_names_that_are_refused(tmp_path, name, words):
    column, text = fault_of(tmp_path, tag=name)
    assert column == "tag"
    assert words in text


def test_names_that_are_taken(tmp_path):
    for name in ("FIC101.PV", "Kühlwasser Vorlauf °C", "x" * 255, "a/b:c\\d", "温度"):
        assert tag(tmp_path, tag=name).name == name


def test_a_name_that_comes_twice_names_both_lines(tmp_path):
    text = f"{HEADER}\n{row(tag='A')}\n{row(tag='B')}\n{row(tag='A')}\n{row(tag='a')}\n"
    (told,) = faults(write(tmp_path, tags=text))
    assert told.place == f"{tmp_path / 'tags.csv'}:4 tag"
    assert f"{tmp_path / 'tags.csv'}:2" in told.wanted


# Cells ---------------------------------------------------------------------------------------------------------------

WRONG_CELLS = [
    # the row's cells, the column of the fault, words in it
    ({"source": "boilr"}, "source", "did you mean 'boiler'"),
    ({"source": ""}, "source", "blank"),
    ({"scan_class": "slwo"}, "scan_class", "did you mean 'slow'"),
    ({"scan_class": ""}, "scan_class", "blank"),
    ({"address": ""}, "address", "blank"),
    ({"address": "hr:70000"}, "address", "hr:65535"),
    ({"address": "hr:65535", "type": "float32"}, "address", "hr:65534"),
    ({"address": "ns=2;s=x"}, "address", "OPC UA"),
    ({"type": "real"}, "type", "'float32'"),
    ({"address": "coil:1", "type": "int16"}, "type", "single bit"),
    ({"source": "mixer", "address": "hr:100"}, "address", "Modbus"),
    ({"source": "mixer", "address": "i=1", "type": "float32:CDAB"}, "type", "did you mean 'float32'"),
    ({"scale": "0"}, "scale", "other than 0"),
    ({"scale": "x"}, "scale", "number"),
    ({"offset": "1_000"}, "offset", "number"),
    ({"low": "1,5"}, "low", "point"),
    ({"low": "5", "high": "5"}, "low", "low below high"),
    ({"low": "5", "high": "1", "exc_dev": "1%"}, "low", "low below high"),
    ({"low": "x", "high": "1", "exc_dev": "1%"}, "low", "number"),
    ({"step": "maybe"}, "step", "yes, no or blank"),
    ({"address": "coil:1", "step": "no"}, "step", "yes or blank"),
    ({"enum": "a|b", "step": "no"}, "step", "yes or blank"),
    ({"exc_dev": "-1"}, "exc_dev", "0 or more"),
    ({"exc_dev": "1%"}, "exc_dev", "low and high"),
    ({"comp_dev": "1%", "low": "0"}, "comp_dev", "low and high"),
    ({"type": "string:8", "exc_dev": "1"}, "exc_dev", "the type is text"),
    ({"type": "string:8", "comp_dev": "1"}, "comp_dev", "the type is text"),
    ({"type": "string:8", "scale": "2"}, "scale", "the type is text"),
    ({"type": "string:8", "enum": "a|b"}, "enum", "the type is text"),
    ({"address": "coil:1", "offset": "2"}, "offset", "the type is bool"),
    ({"source": "mixer", "address": "i=1", "type": "text", "comp_dev": "1"}, "comp_dev", "the type is text"),
    ({"exc_min": "5"}, "exc_min", "unit"),
    ({"exc_max": "5min"}, "exc_max", "'5m'"),
    ({"exc_max": "0s"}, "exc_max", "more than 0"),
    ({"comp_min": "5s", "comp_max": "5s"}, "comp_max", "more than comp_min"),
    ({"enum": "a||b"}, "enum", "code 1"),
    ({"enum": "1=a|b"}, "enum", "every text or before none"),
    ({"address": "coil:1", "enum": "a|b|c"}, "enum", "code 2"),
    ({"type": "int16", "enum": "40000=a"}, "enum", "32767"),
]


@pytest.mark.parametrize(("cells", "column", "words"), WRONG_CELLS)
def test_a_wrong_cell_is_one_fault_with_its_column(tmp_path, cells, column, words):
    found, text = fault_of(tmp_path, **cells)
    assert found == column
    assert words in text


def test_address_and_type_are_told_apart(tmp_path):
    told = faults(write(tmp_path, tags=f"{HEADER}\n{row(address='hr:x', type='real')}\n"))
    assert [fault.place.partition(" ")[2] for fault in told] == ["address", "type"]


def test_a_value_must_fit_into_one_request(tmp_path):
    settings = SETTINGS.replace("unit = 1", "max_registers = 3")
    assert tag(tmp_path, settings, type="string:6").value_type is ValueType.TEXT
    column, text = fault_of(tmp_path, settings, type="float64")
    assert column == "type"
    assert "sources.boiler.max_registers" in text


def test_every_cell_is_kept(tmp_path):
    cells = {
        "units": "m3/h", "description": 'the "feed", new', "scale": "-0.1", "offset": "1e2", "low": "-50",
        "high": "150", "step": "no", "type": "int32:CDAB", "exc_dev": "0.5%", "exc_min": "1s", "exc_max": "10m",
        "comp_dev": "2", "comp_min": "0", "comp_max": "8h",
    }  # fmt: skip
    assert tag(tmp_path, **cells) == Tag(
        "T", "boiler", "hr:0", "fast", ValueType.INT32, "m3/h", 'the "feed", new', -0.1, 100.0, -50.0, 150.0, False,
        ExceptionSettings(ErrorBound(1.0), 1_000_000, 600_000_000),
        CompressionSettings(ErrorBound(2.0), 0, 28_800_000_000), None, "int32:CDAB",
    )  # fmt: skip


def test_types_of_opcua_tags(tmp_path):
    for text, kind in [
        ("", None),
        ("float64", ValueType.FLOAT64),
        ("String", ValueType.TEXT),
        ("bool", ValueType.BOOL),
    ]:
        assert tag(tmp_path, source="mixer", address="ns=2;s=x", type=text).value_type is kind


# Defaults ------------------------------------------------------------------------------------------------------------

DEFAULTS = SETTINGS + '[defaults]\nexc_dev = "1%"\nexc_max = "10m"\ncomp_dev = 0.5\ncomp_min = "1s"\n'


def test_blank_cells_take_the_defaults(tmp_path):
    found = tag(tmp_path, DEFAULTS, low="0", high="200")
    assert found.exception == ExceptionSettings(ErrorBound(2.0), 0, 600_000_000)
    assert found.compression == CompressionSettings(ErrorBound(0.5), 1_000_000, None)


@pytest.mark.parametrize(
    ("text", "method"), [('"lookahead"', CompressionMethod.LOOK_AHEAD), ('"door"', CompressionMethod.DOOR)]
)
def test_the_door_of_all_tags_is_a_default(tmp_path, text, method):
    defaults = SETTINGS + "[defaults]\n"
    assert tag(tmp_path, defaults, comp_dev="1").compression.method is CompressionMethod.LOOK_AHEAD
    assert tag(tmp_path, f"{defaults}compression = {text}\n", comp_dev="1").compression.method is method


def test_cells_that_are_not_blank_win(tmp_path):
    found = tag(tmp_path, DEFAULTS, exc_dev="3", exc_max="off", comp_dev="OFF", comp_min="0")
    assert found.exception == ExceptionSettings(ErrorBound(3.0), 0, None)
    assert found.compression == CompressionSettings(None, 0, None)


@pytest.mark.parametrize("cells", [{"type": "string:8"}, {"address": "coil:1"}, {"enum": "a|b"}, {"step": "yes"}])
def test_default_deviations_are_not_for_tags_that_hold_their_values(tmp_path, cells):
    found = tag(tmp_path, DEFAULTS, **cells)
    assert (found.exception.deviation, found.compression.deviation) == (None, None)
    assert found.exception.max_us == 600_000_000


def test_a_default_percentage_needs_the_tags_span(tmp_path):
    column, text = fault_of(tmp_path, DEFAULTS)
    assert column == "exc_dev"
    assert "[defaults]" in text
    assert "'off'" in text


def test_equal_settings_after_a_faulty_row_are_still_told(tmp_path):
    # Settings that were read right are shared among tags; wrong ones must be told for each.
    lines = "\n".join(row(tag=f"T{number}", exc_max="x", low="0", high="1") for number in range(3))
    assert len(faults(write(tmp_path, DEFAULTS, f"{HEADER}\n{lines}\n"))) == 3


# Against the library's own writer -------------------------------------------------------------------------------------

CELLS = st.text('ab,;"\n\r#= é', max_size=5)


@given(
    st.lists(st.lists(CELLS, min_size=3, max_size=3), max_size=6),
    st.sampled_from(",;\t"),
    st.sampled_from(["\n", "\r\n"]),
)
def test_cells_read_back_as_a_csv_writer_wrote_them(table, delimiter, ending):
    # No spaces around cells and no comments; a lone \r inside a cell becomes a line end, as any end of line does.
    written = [["t" + cell.strip().replace("\r", "\n") for cell in cells] for cells in table]
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=delimiter, lineterminator=ending)
    writer.writerows([["tag", "source", "address", "scan_class"], *([*cells, "fast"] for cells in written)])
    told = FaultList("x")
    table_read = read_table("tags.csv", buffer.getvalue(), told)
    assert table_read is not None
    assert [found.cells[:3] for found in table_read.rows] == [[cell.strip() for cell in cells] for cells in written]
    assert len(told) == 0


@given(st.text('tag,source;"\n\r#\t =x', max_size=60))
def test_any_text_is_a_table_or_refused(text):
    told = FaultList("x")
    found = read_table("tags.csv", text, told)
    assert found is not None or len(told)
    lines = [each.line for each in found.rows] if found else []
    assert lines == sorted(set(lines))


# Speed ---------------------------------------------------------------------------------------------------------------


def test_a_large_plant_is_read_in_seconds(tmp_path):
    lines = "\n".join(
        row(
            tag=f"T{number}",
            address=f"hr:{number}",
            type="float32:CDAB",
            low="0",
            high=f"{number % 50 + 1}",
            exc_dev="0.1%",
        )
        for number in range(10_000)
    )
    path = write(tmp_path, tags=f"{HEADER}\n{lines}\n")
    started = time.process_time()
    assert len(load_configuration(path).tags) == 10_000
    # 0.2 s where it was written; the limit is for machines that are slower and busy, and finds what grows as a square.
    assert time.process_time() - started < 2.0


def test_the_columns_are_those_of_the_example():
    assert ",".join(COLUMNS) == HEADER
