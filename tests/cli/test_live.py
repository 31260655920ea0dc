"""The live table: true to the samples, readable, and never larger than the terminal."""

import io
import time
from contextlib import closing

import numpy as np
import pytest
from rich.console import Console

from cli.live import LiveReader, LiveView, SourceLine, TagLine, choose, enumeration, scaled, trend, value_text
from cli.live_screen import Screen, age, plain_line
from historian.model.commit import Commit, CurrentSamples
from historian.model.samples import Samples
from historian.model.status import Severity
from historian.model.tag import Tag, ValueType
from storage.store import Store
from support.fake_clock import START_US


def drawn(times, values, grid, *, is_step=False, bad=None):
    flags = np.zeros(len(times), bool) if bad is None else np.array(bad)
    return trend(np.array(times), np.array(values, float), flags, np.array(grid), is_step=is_step).tolist()


def test_between_two_samples_there_is_a_line_and_after_the_last_its_value():
    assert drawn([0, 10], [0, 100], [0, 5, 10, 20]) == [0, 50, 100, 100]


def test_a_step_tag_holds_its_value():
    assert drawn([0, 10], [0, 100], [0, 5, 9, 10, 20], is_step=True) == [0, 0, 0, 100, 100]


def test_there_is_nothing_before_the_first_sample():
    assert np.isnan(drawn([10, 20], [1, 2], [0, 9])).all()
    assert np.isnan(drawn([], [], [0, 9])).all()


def test_nothing_is_drawn_across_a_bad_interval():
    shown = drawn([0, 10, 20], [0, 5, 100], [5, 10, 15, 20], bad=[False, True, False])
    assert shown[0] == 0  # the last good value holds until the failure, no line leads into it
    assert np.isnan(shown[1:3]).all()
    assert shown[3] == 100


def test_a_trend_fills_the_height_unless_it_hardly_moves():
    assert scaled(np.array([10.0, 20.0]), 0, 100).tolist() == [0.0, 1.0]
    assert scaled(np.array([50.0, 50.2]), 0, 100).tolist() == pytest.approx([0.45, 0.55])
    assert scaled(np.array([7.0, 7.0]), None, None).tolist() == [0.0, 0.0]
    assert np.isnan(scaled(np.array([np.nan, 1.0, 2.0]), None, None)[0])


@pytest.mark.parametrize(
    ("tag", "sample", "text"),
    [
        ({"low": 0, "high": 120}, {"value": 55.2749}, "55.3"),
        ({"low": 0, "high": 14}, {"value": 7.0}, "7.00"),
        ({"low": 0, "high": 6}, {"value": 1.23456}, "1.235"),
        ({}, {"value": 41780.4}, "41780.4"),
        ({}, {"value": 3.0}, "3"),
        ({"low": 0, "high": 9999, "value_type": "uint16"}, {"value": 42.0}, "42"),
        ({"value_type": "uint64"}, {"value": 9007199254740992.0, "value_int": 9007199254740993}, "9007199254740993"),
        ({}, {"value": float("nan"), "value_text": "B-4711"}, "B-4711"),
        ({"enumeration": '{"0": "closed", "1": "open"}'}, {"value": 1.0}, "open"),
        ({"enumeration": '{"0": "closed", "1": "open"}'}, {"value": 7.0}, "7"),
    ],
)
def test_values_read_as_people_write_them(tag, sample, text):
    nothing = dict.fromkeys(["low", "high", "scale", "value_type", "enumeration"])
    assert value_text(nothing | tag, {"value_int": None, "value_text": None} | sample) == text


def test_an_enumeration_comes_from_its_text():
    assert enumeration({"enumeration": '{"0": "idle", "4": "draining"}'}) == {0: "idle", 4: "draining"}
    assert enumeration({"enumeration": None}) == {}


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, ""), (0.04, "0.0s"), (99.94, "99.9s"), (99.96, "2m"), (5990, "100m"), (7300, "2h")]
)
def test_an_age_takes_five_characters_at_most(seconds, text):
    assert age(seconds) == text
    assert len(text) <= 5


def line(name, value="12.3", severity=Severity.GOOD, status="Good", units="m3/h"):
    return TagLine(name, value, units, np.linspace(0, 1, 32), severity, status, 0.4)


def a_view(tags=44):
    lines = [line(f"FIC{number}.PV") for number in range(100, 100 + tags - 2)]
    lines.append(line("AI208.PV", "", Severity.BAD, "BadSensorFailure"))
    lines.append(line("EQ112.TOT", "9007199254899510", units="Wh"))
    sources = (
        SourceLine("boiler", "modbus", "tcp://127.0.0.1:40307", "connected", 6.0, 26, 1, 2.5, 0),
        SourceLine("mixer", "opcua", "opc.tcp://127.0.0.1:35777/plant", "failed", None, 0, 17, 0.0, 12),
    )
    return LiveView(tuple(lines), sources, 3_900, 390, 195.0, 12.0)


def screen_of(width, height, encoding="utf-8"):
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    console = Console(file=file, width=width, height=height, force_terminal=True, color_system=None)
    return Screen(console, "historian demo", ("AI208.PV", "EQ112.TOT"))


@pytest.mark.parametrize("size", [(120, 40), (80, 24), (200, 60), (60, 20), (40, 14), (30, 10), (132, 24)])
def test_the_table_is_never_larger_than_the_terminal(size):
    width, height = size
    lines = screen_of(width, height).draw(a_view(), 12.0, 20.0).plain.split("\n")
    assert max(map(len, lines)) <= width
    if height > 10:
        assert len(lines) < height


def test_a_usual_terminal_shows_the_chosen_tags_a_large_one_all():
    small = screen_of(80, 24).draw(a_view(), 12.0, 20.0).plain
    assert "of 44 tags" in small
    assert "AI208.PV" in small
    large = screen_of(120, 40).draw(a_view(), 12.0, 20.0).plain
    assert all(tag.name in large for tag in a_view().tags)
    assert "of 44 tags" not in large


def test_a_failed_instrument_shows_why_and_a_long_counter_whole():
    text = screen_of(120, 40).draw(a_view(), 12.0, 20.0).plain
    (failed,) = [part for part in text.split("\n") if "AI208.PV" in part]
    assert "SensorFailure" in failed
    assert "Bad" in failed
    assert "EQ112.TOT 9007199254899510 Wh" in text


def test_sources_and_compression_stand_below():
    text = screen_of(100, 30).draw(a_view(), 12.0, 20.0).plain
    assert "10.0 : 1" in text
    assert "3,900 values read (195/s), 390 stored" in text
    assert "6.0 scans/s" in text
    assert "12 errors" in text
    assert "12 of 20 s" in text


def test_a_terminal_without_unicode_gets_characters_it_has():
    text = screen_of(80, 24, encoding="ascii").draw(a_view(), 12.0, 20.0).plain
    assert text.isascii()


def test_columns_do_not_get_narrower_when_a_long_value_goes():
    screen = screen_of(80, 60)
    before = screen.draw(a_view(), 1.0, 20.0).plain.split("\n")[1]
    shorter = [line(tag.name) for tag in a_view().tags]
    view = a_view()
    after = screen.draw(LiveView(tuple(shorter), view.sources, 0, 0, None, 0.0), 2.0, 20.0).plain.split("\n")[1]
    assert before == after


def test_choosing_keeps_the_order_of_the_list():
    lines = [line(name) for name in "abcdef"]
    assert [tag.name for tag in choose(lines, 3, ("e", "b"))] == ["a", "b", "e"]
    assert choose(lines, 6, ()) == lines
    assert choose(lines, 0, ()) == []


def test_a_plain_line_says_values_sources_and_troubles():
    text = plain_line(a_view(), 4.0, ["FIC100.PV", "UNKNOWN"])
    assert text.isascii()
    assert "FIC100.PV 12.3 m3/h" in text
    assert "boiler connected 6.0 scans/s" in text
    assert "390 stored (10.0:1)" in text
    assert "AI208.PV BadSensorFailure" in text


def test_drawing_is_quick():
    screen, view = screen_of(120, 40), a_view()
    screen.draw(view, 0.0, 20.0)
    start = time.perf_counter()
    for _ in range(10):
        screen.draw(view, 1.0, 20.0)
    assert (time.perf_counter() - start) / 10 < 0.1  # at four frames a second, under half of one core on any machine


def committed(store, tag_id, now_us, values_in):
    samples = Samples(np.array([tag_id], np.int32), np.array([now_us]), np.array([42.25]), np.array([0], np.uint32))
    current = CurrentSamples(samples, np.array([True]), np.array([True]), np.array([now_us]))
    process = {"started_us": START_US, "updated_us": now_us, "samples_in": values_in, "samples_stored": values_in // 4}
    boiler = {"protocol": "modbus", "state": "connected", "scans": values_in // 10, "good": 1, "updated_us": now_us}
    store.commit(Commit(now_us, current={0: current}, health={"process": process, "source/boiler": boiler}))


def test_a_view_is_what_the_store_holds_and_rates_are_taken_over_time(store_path):
    tag = Tag("TIC205.PV", "boiler", "hr:0", "fast", units="degC", low=0.0, high=300.0, value_type=ValueType.FLOAT32)
    with closing(Store.open(store_path, create=True)) as store:
        store.recover(START_US)
        tag_id = store.register_tags([tag], START_US, "test")["TIC205.PV"]
        with closing(LiveReader(store_path, window_s=10, trend_width=8)) as reader:
            assert not reader.is_collecting_since(START_US)
            assert reader.view(START_US).tags[0].status == "no sample yet"
            committed(store, tag_id, START_US + 1_000_000, 200)
            assert reader.view(START_US + 1_000_000).values_per_s is None
            committed(store, tag_id, START_US + 2_000_000, 400)
            view = reader.view(START_US + 2_500_000)
            assert reader.is_collecting_since(START_US)
    assert view.values_per_s == 200
    assert view.compression == 4.0
    (shown,) = view.tags
    assert (shown.name, shown.value, shown.units, shown.status) == ("TIC205.PV", "42.2", "degC", "Good")
    assert shown.age_s == 0.5
    (source,) = view.sources
    assert (source.name, source.scans_per_s, source.good) == ("boiler", 20.0, 1)
