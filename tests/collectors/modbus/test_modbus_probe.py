"""Decodings side by side, a look at registers that a device refuses in part, and the survey of an address."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.modbus.decodings import Decoding, decodings, texts
from collectors.modbus.link import LinkError
from collectors.modbus.look import Looker
from collectors.modbus.survey import Found, Survey
from conformance.counting_device import counting, without
from conformance.scripted_device import Request, Script, ScriptedDevice, scripted_device
from historian.errors import SourceUnavailableError
from historian.model.clock import SystemClock

FORMATS = {
    "int16": "h", "uint16": "H", "int32": "i", "uint32": "I", "int64": "q", "uint64": "Q", "float32": "f",
    "float64": "d",
}  # fmt: skip


def network_order(cells: bytes, order: str) -> bytes:
    """The bytes of a value, most significant first; from the definition, byte by byte."""
    words = [cells[at : at + 2] for at in range(0, len(cells), 2)]
    if order in ("BADC", "DCBA"):
        words = [word[::-1] for word in words]
    if order in ("CDAB", "DCBA"):
        words = words[::-1]
    return b"".join(words)


@given(st.lists(st.integers(0, 0xFFFF), min_size=1, max_size=8), st.sampled_from([0, 100, 65_528]))
def test_every_decoding_is_there_and_right(words: list[int], start: int) -> None:
    registers = {start + at: word for at, word in enumerate(words)}
    found = {(each.address, each.kind, each.byte_order): each.value for each in decodings("hr", registers)}
    expected = {}
    for kind, letter in FORMATS.items():
        size = struct.calcsize(letter) // 2
        for at in range(len(words) - size + 1):
            cells = struct.pack(f">{size}H", *words[at : at + size])
            for order in ("ABCD", "CDAB", "BADC", "DCBA") if size > 1 else ("ABCD", "BADC"):
                (value,) = struct.unpack(">" + letter, network_order(cells, order))
                if math.isfinite(value):
                    expected[start + at, kind, order] = value
    assert {key: value for key, value in found.items() if not key[1].startswith("bcd")} == expected
    for (at, kind, order), value in found.items():
        if kind == "bcd16":
            digits = network_order(struct.pack(">H", registers[at]), order).hex()
            assert digits == f"{value:04d}"


def test_registers_that_are_missing_leave_gaps() -> None:
    found = decodings("hr", {7: 1, 8: 2, 10: 3})
    assert {(each.address, each.kind) for each in found if each.kind in ("uint16", "uint32")} == {
        (7, "uint16"), (8, "uint16"), (10, "uint16"), (7, "uint32")
    }  # fmt: skip
    assert decodings("hr", {}) == []


@pytest.mark.parametrize(
    ("kind", "value", "scale"),
    [
        ("float32", 21.7, 1.0), ("float32", 217.0, None), ("uint16", 22, 1.0), ("uint16", 217, 0.1),
        ("int16", 2170, 0.01), ("bcd16", 21_700, 0.001), ("uint16", 26, None), ("uint16", 300, None),
    ],
)  # fmt: skip
def test_what_fits_an_expectation(kind: str, value: float, scale: float | None) -> None:
    """Whole numbers may carry decimal places."""
    assert Decoding(0, kind, "ABCD", value).scale_for(20, 25) == scale  # type: ignore[arg-type]


def test_the_type_as_a_tag_list_writes_it() -> None:
    assert Decoding(0, "float32", "ABCD", 1.0).type_text == "float32"
    assert Decoding(0, "float32", "CDAB", 1.0).type_text == "float32:CDAB"


def test_texts() -> None:
    words = dict(enumerate(struct.unpack(">6H", b"\0\x01Pump 7\0\0\xff\xff")))
    assert texts(words) == [(1, "string:6", "Pump 7"), (1, "string:6:BADC", "uPpm7 ")]
    assert texts({0: 0x4142}) == []


# --- a look


async def test_a_look_is_one_request_where_nothing_is_refused() -> None:
    async with scripted_device(counting) as device:
        look = await Looker(device.source(), SystemClock()).look("hr", 99, 13)
        assert look.cells == {cell: cell for cell in range(99, 112)}
        assert (look.requests, look.statuses, look.finding) == (1, {}, "")


async def test_a_look_shows_what_is_there_beside_what_is_not() -> None:
    async with scripted_device(without({104, 105}, longest=6)) as device:
        look = await Looker(device.source(), SystemClock()).look("hr", 99, 13)
        assert look.cells == {cell: cell for cell in range(99, 112) if cell not in (104, 105)}
        assert set(look.statuses) == {104, 105}
        assert "hr:104 to hr:105 cannot be read" in look.finding


async def test_a_look_at_bits() -> None:
    async with scripted_device(counting) as device:
        look = await Looker(device.source(), SystemClock()).look("coil", 3, 6)
        assert look.cells == {3: 1, 4: 0, 5: 1, 6: 0, 7: 1, 8: 0}


async def test_a_look_where_nobody_is() -> None:
    async with scripted_device(lambda _: []) as device:
        with pytest.raises(SourceUnavailableError, match="no answer within"):
            await Looker(device.source(timeout_s=0.02), SystemClock()).look("hr", 0, 1)


# --- a survey


async def survey(device: ScriptedDevice, units: Iterable[int], stop: int, *, most: int = 2000) -> Found:
    source = device.source(timeout_s=0.05)
    return await Survey(source, SystemClock(), pause_us=0, most=most, said=lambda _: None).run(tuple(units), stop)


def plant(request: Request) -> Iterable[bytes | None]:
    """Unit 2 with all four tables, unit 5 with 50 holding registers from 100 on; the gateway knows no others."""
    if request.unit == 2:
        return without({40, 41, 700})(request)
    if request.unit == 5 and request.function == 3:
        is_there = request.address >= 100 and request.address + request.count <= 150
        return counting(request) if is_there else [request.exception(2)]
    return [request.exception(1)] if request.unit == 5 else [request.exception(11)]


async def test_units_and_readable_ranges() -> None:
    async with scripted_device(plant) as device:
        found = await survey(device, range(1, 8), 1000)
    assert found.units == [2, 5]
    assert found.is_whole
    ranges = [(each.unit, each.table, each.start, each.stop) for each in found.ranges]
    assert [each for each in ranges if each[1] == "hr"] == [
        (2, "hr", 0, 40), (2, "hr", 42, 700), (2, "hr", 701, 1000), (5, "hr", 100, 150)
    ]  # fmt: skip
    assert {each[1] for each in ranges if each[0] == 5} == {"hr"}
    assert found.requests == len(device.requests)


async def test_a_survey_reads_only_and_stays_within_its_bounds() -> None:
    async with scripted_device(without(set(range(1, 900, 2)))) as device:
        found = await survey(device, [1], 1000, most=60)
    assert not found.is_whole
    assert len(device.requests) == found.requests == 60
    assert {request.function for request in device.requests} <= {1, 2, 3, 4}
    assert all(request.address + request.count <= 1000 for request in device.requests)


@pytest.mark.parametrize(
    "script", [lambda _: [], lambda _: [None], lambda request: [request.exception(10)]],
    ids=["silent", "hangs up", "gateway says no"],
)  # fmt: skip
async def test_units_that_are_not_there(script: Callable[[Request], Iterable[bytes | None]]) -> None:
    async with scripted_device(script) as device:
        found = await survey(device, [1, 2, 3], 1000)
    assert (found.units, found.ranges, found.is_whole) == ([], [], True)
    assert found.requests == 3


async def test_a_survey_of_a_serial_line() -> None:
    def script(request: Request) -> Iterable[bytes | None]:
        return without({200})(request) if request.unit == 3 and request.function == 4 else []

    async with scripted_device(script, "rtu", "pty") as device:
        found = await survey(device, [3], 150)
    assert found.units == [], "it is looked for with a holding register"

    async with scripted_device(without({200}), "rtu", "pty") as device:
        found = await survey(device, [3], 300)
    assert [(each.start, each.stop) for each in found.ranges if each.table == "ir"] == [(0, 200), (201, 300)]


def areas(*spans: range) -> Script:
    """A device whose four tables have these cells and no others."""

    def script(request: Request) -> Iterable[bytes | None]:
        cells = range(request.address, request.address + request.count)
        is_there = any(cells[0] in span and cells[-1] in span for span in spans)
        return counting(request) if is_there else [request.exception(2)]

    return script


async def test_few_requests_find_the_memory_areas_of_a_sparse_device() -> None:
    """As long as 25 cells, or beginning at a round number: the default of 500 requests does for two such units."""
    spans = (range(100, 110), range(333, 361), range(700, 1000))
    async with scripted_device(areas(*spans)) as device:
        found = await survey(device, [1], 1000)
    assert found.is_whole
    assert [(each.table, each.start, each.stop) for each in found.ranges] == [
        (table, span.start, span.stop) for table in ("hr", "ir", "coil", "di") for span in spans
    ]
    assert found.requests < 300


@pytest.mark.parametrize("code", [2, 3])
async def test_a_device_that_gives_few_registers_at_once(code: int) -> None:
    def script(request: Request) -> Iterable[bytes | None]:
        return counting(request) if request.function < 3 or request.count <= 7 else [request.exception(code)]

    async with scripted_device(script) as device:
        found = await survey(device, [1], 500)
    assert [(each.table, each.start, each.stop) for each in found.ranges if each.table == "hr"] == [("hr", 0, 500)]
    assert found.requests < 2 * (500 / 4 + 4 * 6 + 20) + 4


async def test_what_is_busy_once_is_asked_again_and_what_stays_busy_is_unclear() -> None:
    asked: set[tuple[int, int, int]] = set()

    def script(request: Request) -> Iterable[bytes | None]:
        key = request.function, request.address, request.count
        is_busy = request.count > 1 and (request.function == 4 or key not in asked)
        asked.add(key)
        return [request.exception(6)] if is_busy else counting(request)

    async with scripted_device(script) as device:
        found = await survey(device, [1], 100)
    assert [(each.table, each.stop) for each in found.ranges] == [("hr", 100), ("coil", 100), ("di", 100)]
    assert [(each.table, each.start, each.stop) for each in found.unclear] == [("ir", 0, 100)]
    assert found.finished == [1]


async def test_a_unit_that_falls_silent_is_left_alone_and_the_next_one_looked_at() -> None:
    def script(request: Request) -> Iterable[bytes | None]:
        return counting(request) if request.unit == 2 or (request.function, request.count) == (3, 1) else []

    async with scripted_device(script) as device:
        found = await survey(device, [1, 2], 500)
    assert (found.units, found.finished) == ([1, 2], [2])
    assert {each.unit for each in found.unclear} == {1}
    assert len([each for each in found.ranges if each.unit == 2]) == 4


async def test_a_serial_line_is_asked_twice_for_a_unit() -> None:
    asked: list[int] = []

    def script(request: Request) -> Iterable[bytes | None]:
        asked.append(request.unit)
        return counting(request) if request.unit == 7 and asked.count(7) > 1 else []

    async with scripted_device(script, "rtu", "pty") as device:
        found = await survey(device, [7, 8], 10)
    assert found.units == [7]


async def test_no_connection(free_port: int) -> None:
    async with scripted_device(counting) as device:
        source = device.source()
    with pytest.raises(LinkError, match="refused"):
        await Survey(source, SystemClock(), pause_us=0, most=10, said=lambda _: None).run((1,), 10)
