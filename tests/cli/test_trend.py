from __future__ import annotations

import re
import struct
import time
import xml.etree.ElementTree as ET
from datetime import UTC

import numpy as np
import pytest
from click.testing import CliRunner

from cli import trend_picture
from cli.axis import time_ticks, value_label, value_ticks
from cli.trend import trend
from cli.trend_text import Canvas, staircase
from historian.errors import UsageError
from historian.retrieval.time_range import TimeRange
from historian.retrieval.trend_lines import Piece, TrendLine
from support.sample_store import GOOD, T0_US, make_store, plant_rows

RANGE = ("--start", "2026-11-22", "--end", "2026-11-22 00:01")


@pytest.fixture
def draw(store_path):
    make_store(store_path, plant_rows(), archived_before_s=30)

    def run(*arguments):
        everything = [*RANGE, "--store", str(store_path), *arguments]
        return CliRunner().invoke(trend, everything, catch_exceptions=False).stdout

    return run


def dots(line: str) -> str:
    """The drawn part of a line of a panel, behind its axis."""
    return re.split("[┤│]", line, maxsplit=1)[1]


def test_a_gap_where_the_data_is_bad(draw):
    text = draw("FIC101.PV", "--width", "70", "--height", "20")
    assert "FIC101.PV [m3/h]" in text
    panel = [dots(line) for line in text.splitlines() if re.search("[┤│]", line)]
    width = max(map(len, panel))
    filled = [any(len(row) > column and row[column] != " " for row in panel) for column in range(width)]
    # Seconds 20 to 30 of 60 are Bad: a gap from a third to a half of the width.
    gap = [column for column in range(width) if not filled[column]]
    across = width * 60 / 59
    assert gap
    assert gap[0] == pytest.approx(across / 3, abs=2)
    assert gap[-1] == pytest.approx(across / 2, abs=2)
    assert len(gap) == gap[-1] - gap[0] + 1


def test_each_tag_has_its_panel_without_colours(draw):
    text = draw("FIC*", "XV101.OPEN", "--height", "30")
    assert re.findall(r"^ +([A-Z]\S+)", text, re.MULTILINE) == ["FIC101.PV", "FIC102.PV", "XV101.OPEN"]
    assert "2026-11-22 00:00:00 to 2026-11-22 00:01:00 UTC" in text


def test_svg(draw, tmp_path):
    draw("FIC101.PV", "XV101.OPEN", "--output", str(tmp_path / "t.svg"), "--width", "640", "--height", "300")
    root = ET.parse(tmp_path / "t.svg").getroot()  # noqa: S314 - as above
    assert (root.get("width"), root.get("height")) == ("640", "300")
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"FIC101.PV [m3/h]", "XV101.OPEN"} <= set(texts)
    lines = [
        element for element in root.iter("{http://www.w3.org/2000/svg}polyline") if element.get("stroke-width") == "1.5"
    ]
    assert len(lines) == 3  # the flow before and after its gap, and the valve


def test_png(draw, tmp_path):
    draw("FIC101.PV", "--output", str(tmp_path / "t.png"), "--width", "640", "--height", "300")
    head = (tmp_path / "t.png").read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", head[16:24]) == (640, 300)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["FIC999.PV"], "the nearest is"),
        (["BATCH.ID"], "are texts"),
        (["FIC101.PV", "--start", "2020-01-01", "--end", "2020-01-02"], "no good data"),
        (["FIC101.PV", "--start", "now", "--end", "-1h"], "not before its end"),
        (["FIC101.PV", "--output", "t.gif"], "ends in .png or .svg"),
    ],
)
def test_what_cannot_be_drawn(draw, arguments, text):
    with pytest.raises(UsageError) as refused:
        draw(*arguments)
    assert text in str(refused.value)


def test_steps_are_drawn_as_steps():
    x, y = staircase(np.array([0.0, 10.0, 20.0]), np.array([1.0, 5.0, 2.0]))
    assert list(zip(x.tolist(), y.tolist(), strict=True)) == [(0, 1), (10, 1), (10, 5), (20, 5), (20, 2)]


def test_dots_of_braille():
    canvas = Canvas(1, 1)
    canvas.line(np.array([0.0]), np.array([0.0]), 0)
    canvas.line(np.array([1.0]), np.array([3.0]), 0)
    assert chr(0x2800 + int(canvas.dots[0, 0])) == "⢁"


@pytest.mark.parametrize(
    ("low", "high", "most", "expected"),
    [(0, 10, 5, [0, 2, 4, 6, 8, 10]), (29.8, 70.3, 5, [30, 40, 50, 60, 70]), (-0.05, 1.05, 4, [0.0, 0.5, 1.0])],
)
def test_round_ticks(low, high, most, expected):
    assert value_ticks(low, high, most) == pytest.approx(expected)


def test_times_on_round_local_times():
    hour = 3600 * 1_000_000
    assert [label for _, label in time_ticks(T0_US + hour // 7, T0_US + 5 * hour, 5, UTC)] == [
        "01:00",
        "02:00",
        "03:00",
        "04:00",
    ]


def test_a_time_nobody_asked_for_is_cut_to_where_there_is_data(store_path):
    now_s = time.time() - T0_US / 1e6
    make_store(store_path, [("FIC101.PV", now_s - 60 + second, 1.0 + second, GOOD) for second in range(0, 50, 5)])

    def drawn(*arguments: str) -> str:
        return (
            CliRunner()
            .invoke(trend, ["FIC101.PV", "--store", str(store_path), *arguments], catch_exceptions=False)
            .stdout
        )

    def seconds(text: str) -> int:
        first, last = re.findall(r"\d+:\d+:\d+", text.splitlines()[-1])
        began, ended = (
            sum(60**n * int(part) for n, part in enumerate(reversed(each.split(":")))) for each in (first, last)
        )
        return (ended - began) % 86_400

    assert 44 <= seconds(drawn()) <= 61
    assert seconds(drawn("--start", "-1h")) == pytest.approx(3600, abs=1)


def test_labels_of_a_large_counter_tell_ticks_apart_and_fit_into_the_picture():
    low, high = 9_007_199_254_000_000.0, 9_007_199_258_000_000.0
    ticks = value_ticks(low, high, 4)
    assert len({value_label(tick, ticks) for tick in ticks}) == len(ticks) > 2
    piece = Piece(np.array([0, 60_000_000]), np.array([low, high]))
    line = TrendLine("EQ112.TOT", "Wh", is_step=False, pieces=(piece,))
    scene = trend_picture.draw([line], TimeRange(0, 60_000_000), UTC, 600, 300)
    for label in scene.labels:
        if label.anchor == "end":
            assert label.x - 6 * len(label.text) > 0, label.text
