"""What a device sends that it must not send never becomes a value, in any framing and on any transport."""

from __future__ import annotations

import logging
import math
import random
import struct
import time
from collections.abc import Iterable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.driver import Reading
from collectors.modbus.driver import ModbusDriver
from collectors.modbus.framing import AsciiFraming, RtuFraming
from collectors.modbus.request import Function, ReadRequest, answer_of
from conformance.collector_suite import group_of
from conformance.scripted_device import Framing, Request, Script, Transport, frame, scripted_device
from historian.errors import SourceUnavailableError
from historian.model.clock import SystemClock
from historian.model.status import BAD, GOOD, status_name
from historian.model.tag import Tag

GROUP = group_of(
    Tag("a", "plant", "hr:10", "fast", type_text="uint16"), Tag("b", "plant", "hr:11", "fast", type_text="int16")
)
WAYS: list[tuple[Framing, Transport]] = [
    ("tcp", "tcp"), ("tcp", "udp"), ("rtu", "tcp"), ("rtu", "pty"), ("ascii", "tcp"), ("ascii", "pty")
]  # fmt: skip
UNNUMBERED = [way for way in WAYS if way[0] != "tcp"]
OTHER = b"\x03\x04\0\x01\0\x02"
"""An answer with two other registers than the right ones."""

every_way = pytest.mark.parametrize("way", WAYS, ids=[f"{framing} on {transport}" for framing, transport in WAYS])
every_unnumbered_way = pytest.mark.parametrize("way", UNNUMBERED, ids=[f"{way[0]} on {way[1]}" for way in UNNUMBERED])


async def read_once(
    script: Script, way: tuple[Framing, Transport] = ("tcp", "tcp"), *, timeout_s: float = 5.0, unit: int = 9
) -> Reading:
    async with scripted_device(script, *way) as device:
        driver = ModbusDriver(device.source(unit, timeout_s), SystemClock())
        await driver.connect()
        try:
            return await driver.read(GROUP, await driver.plan(GROUP))
        finally:
            await driver.close()


def right(request: Request) -> bytes:
    return request.registers(40_000, 0xFFFE)


# --- odd, but right


@every_way
@pytest.mark.parametrize(
    "script",
    [
        lambda request: [right(request)],
        lambda request: [right(request) * 2],
        lambda request: [right(request), request.registers(1, 2)],
        lambda request: [request.answer(OTHER, unit=request.unit + 1), right(request)],
        lambda request: [request.registers(7), right(request)] if request.framing != "tcp" else [right(request)],
    ],
    ids=["whole", "doubled", "with another behind", "behind a foreign unit", "behind one of another length"],
)
async def test_the_right_answer_is_found(script: Script, way: tuple[Framing, Transport]) -> None:
    reading = await read_once(script, way)
    assert reading.status.tolist() == [GOOD, GOOD]
    assert reading.value.tolist() == [40_000, -2]


@pytest.mark.parametrize("way", [way for way in WAYS if way[1] != "udp"], ids=str)
@pytest.mark.parametrize(
    "script",
    [
        lambda request: [bytes([byte]) for byte in right(request)],
        lambda request: [right(request)[:7], right(request)[7:]],
    ],
    ids=["byte by byte", "torn"],
)
async def test_an_answer_in_pieces_is_put_together(script: Script, way: tuple[Framing, Transport]) -> None:
    assert (await read_once(script, way)).value.tolist() == [40_000, -2]


async def test_an_answer_behind_one_to_another_request() -> None:
    def script(request: Request) -> Iterable[bytes]:
        return [request.answer(OTHER, transaction=request.transaction + 1), right(request)]

    reading = await read_once(script)
    assert reading.value.tolist() == [40_000, -2]


@every_unnumbered_way
@pytest.mark.parametrize(
    "noise",
    [
        b"\0", b"\xff" * 9, b"\x09\x03", b"\x09\x03\x04", b"\x09\x03\x04\x01",
        b":", b":0903", b"\r\n", b":0\r\n", b":zz\r\n",
    ],
    ids=str,
)
async def test_noise_before_an_answer_is_passed_over(noise: bytes, way: tuple[Framing, Transport]) -> None:
    reading = await read_once(lambda request: [noise + right(request)], way)
    assert reading.value.tolist() == [40_000, -2]


@every_unnumbered_way
async def test_an_adapter_that_gives_back_what_is_sent(way: tuple[Framing, Transport]) -> None:
    reading = await read_once(lambda request: [request.frame[:3], request.frame[3:] + right(request)], way)
    assert reading.value.tolist() == [40_000, -2]


async def test_what_is_given_back_is_never_an_answer() -> None:
    """A request for one register from 512 on looks like an answer with one register, but for the check."""
    group = group_of(*(Tag(f"t{at}", "plant", f"hr:{at}", "fast") for at in (512, 523)))
    async with scripted_device(lambda request: [request.frame], "rtu", "pty") as device:
        driver = ModbusDriver(device.source(timeout_s=0.05), SystemClock())
        with pytest.raises(SourceUnavailableError):  # noqa: PT012 - connecting may take long on a busy machine
            await driver.connect()
            await driver.read(group, await driver.plan(group))
        await driver.close()


# --- wrong answers

WRONG = {
    "input registers": lambda request: request.answer(b"\x04\x04\0\x01\0\x02"),
    "unknown function": lambda request: request.answer(b"\x63\x04\0\x01\0\x02"),
    "write": lambda request: request.answer(b"\x06\0\x0a\0\x01"),
    "one register": lambda request: request.answer(b"\x03\x02\0\x01"),
    "three registers": lambda request: request.answer(b"\x03\x06\0\x01\0\x02\0\x03"),
    "byte count too small": lambda request: request.answer(b"\x03\x02\0\x01\0\x02"),
    "byte count too large": lambda request: request.answer(b"\x03\x06\0\x01\0\x02"),
    "half a register": lambda request: request.answer(b"\x03\x03\0\x01\0"),
    "no data": lambda request: request.answer(b"\x03"),
    "exception without code": lambda request: request.answer(b"\x83"),
    "exception with more": lambda request: request.answer(b"\x83\x02\x02"),
    "exception of another function": lambda request: request.answer(b"\x84\x02"),
}


@pytest.mark.parametrize("name", WRONG)
async def test_a_wrong_answer_with_the_right_number_is_bad_at_once(name: str) -> None:
    reading = await read_once(lambda request: [WRONG[name](request)])
    assert all(status >= BAD for status in reading.status)
    assert all(map(math.isnan, reading.value))


@every_unnumbered_way
@pytest.mark.parametrize("name", WRONG)
async def test_a_wrong_answer_without_a_number_is_no_answer(name: str, way: tuple[Framing, Transport]) -> None:
    with pytest.raises(SourceUnavailableError) as caught:
        await read_once(lambda request: [WRONG[name](request)], way, timeout_s=0.03)
    assert status_name(caught.value.status) == "BadTimeout"


async def test_a_wrong_answer_does_not_shift_the_next_ones() -> None:
    """Each request's answer is sent after a wrong one; the values of one reading never turn up in another."""
    count = iter(range(1, 100))

    def script(request: Request) -> Iterable[bytes]:
        number = next(count)
        return [request.answer(b"\x04\x04\0\x07\0\x07"), request.registers(number, number)]

    async with scripted_device(script) as device:
        driver = ModbusDriver(device.source(), SystemClock())
        await driver.connect()
        plan = await driver.plan(GROUP)
        for _ in range(5):
            reading = await driver.read(GROUP, plan)
            assert all(map(math.isnan, reading.value))
        device.script = lambda request: [request.registers(41, 42)]
        assert (await driver.read(GROUP, plan)).value.tolist() == [41, 42]
        await driver.close()


# --- no usable answer: a time-out, or the end of the connection

SILENT = {
    "nothing": lambda _: [],
    "half an answer": lambda request: [right(request)[:-4]],
    "a wrong check, a short frame": lambda request: [right(request)[:-1]],
    "foreign unit": lambda request: [request.answer(OTHER, unit=77)],
    "unit 0": lambda request: [request.answer(OTHER, unit=0)],
}


@every_way
@pytest.mark.parametrize("name", SILENT)
async def test_no_usable_answer_is_a_time_out(name: str, way: tuple[Framing, Transport]) -> None:
    with pytest.raises(SourceUnavailableError) as caught:
        await read_once(SILENT[name], way, timeout_s=0.03)
    assert status_name(caught.value.status) == "BadTimeout"


@pytest.mark.parametrize("transaction", [0, 999, 0xFFFF])
async def test_another_number_is_a_time_out_that_says_so(transaction: int) -> None:
    with pytest.raises(SourceUnavailableError, match="1 that came was none to this request") as caught:
        await read_once(lambda request: [request.answer(OTHER, transaction=transaction)], timeout_s=0.05)
    assert status_name(caught.value.status) == "BadTimeout"


async def test_a_foreign_unit_for_unit_0() -> None:
    with pytest.raises(SourceUnavailableError):
        await read_once(lambda request: [request.answer(OTHER, unit=5)], timeout_s=0.05, unit=0)


NO_MODBUS = {
    "another protocol": lambda request: [right(request)[:2] + b"\0\x01" + right(request)[4:]],
    "a web page": lambda _: [b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"],
    "length 0": lambda request: [struct.pack(">HHH", request.transaction, 0, 0) + b"\x09\x03\x04\0\x01\0\x02"],
    "length 65535": lambda request: [struct.pack(">HHH", request.transaction, 0, 65535) + bytes(3000)],
    "zeros": lambda _: [bytes(4000)],
}


@pytest.mark.parametrize("name", NO_MODBUS)
async def test_what_is_no_frame_ends_the_connection_at_once(name: str) -> None:
    with pytest.raises(SourceUnavailableError, match="no header of Modbus TCP") as caught:
        await read_once(NO_MODBUS[name], timeout_s=30)
    assert status_name(caught.value.status) == "BadCommunicationError"


async def test_a_device_that_hangs_up() -> None:
    with pytest.raises(SourceUnavailableError) as caught:
        await read_once(lambda _: [None], timeout_s=30)
    assert status_name(caught.value.status) == "BadNoCommunication"


@every_way
async def test_noise_is_never_a_value(way: tuple[Framing, Transport]) -> None:
    """Random bytes, some behind a right beginning; a fixed seed, so that a failure can be repeated."""
    noise = random.Random(20261101)

    def script(request: Request) -> Iterable[bytes]:
        return [right(request)[: noise.randrange(8)] + noise.randbytes(noise.randrange(1, 300))]

    async with scripted_device(script, *way) as device:
        for _ in range(12):
            driver = ModbusDriver(device.source(timeout_s=0.015), SystemClock())
            try:
                await driver.connect()
                reading = await driver.read(GROUP, await driver.plan(GROUP))
            except SourceUnavailableError:
                continue
            finally:
                await driver.close()
            assert all(status >= BAD for status in reading.status)
            assert all(map(math.isnan, reading.value))


async def test_nothing_is_said_but_to_the_caller(caplog: pytest.LogCaptureFixture) -> None:
    """What happens reaches the caller as an error; on stderr it would only disturb."""
    caplog.set_level(logging.INFO)
    for script in [*SILENT.values(), *NO_MODBUS.values(), lambda _: [None]]:
        try:
            await read_once(script, timeout_s=0.03)
        except SourceUnavailableError:
            continue
    assert not caplog.records


# --- late answers


class Slow:
    """Answers each request with its number, and some of them only when the next one comes."""

    def __init__(self, *late: int) -> None:
        self.late = set(late)
        self.count = 0
        self.held: list[bytes] = []

    def __call__(self, request: Request) -> Iterable[bytes]:
        self.count += 1
        answer = request.registers(*[self.count] * request.count)
        if self.count in self.late:
            self.held.append(answer)
            return []
        held, self.held = self.held, []
        return [*held, answer]


@every_way
@pytest.mark.parametrize("late", [(2,), (2, 3), (1, 2, 3), (2, 4), (3, 4, 6, 7)], ids=str)
async def test_a_late_answer_never_becomes_a_value(late: tuple[int, ...], way: tuple[Framing, Transport]) -> None:
    """A value is the number of the newest request: whatever came late is older."""
    slow = Slow(*late)
    async with scripted_device(slow, *way) as device:
        driver = ModbusDriver(device.source(timeout_s=0.03), SystemClock())
        plan, good, deadline = await driver.plan(GROUP), 0, time.monotonic() + 10
        # On a busy machine more answers are late than the test wants, which changes nothing.
        while good < 4 or slow.count <= max(late):
            assert time.monotonic() < deadline
            try:
                reading = await driver.read(GROUP, plan)
                good += 1
            except SourceUnavailableError:
                await driver.close()
                with suppress(SourceUnavailableError):
                    await driver.connect()
            else:
                assert reading.value.tolist() == [slow.count, slow.count]
        await driver.close()


@every_unnumbered_way
async def test_a_device_that_is_one_answer_behind_for_ever(way: tuple[Framing, Transport]) -> None:
    """Each request is answered with the answer to the one before: none of these is ever a value."""
    before = [b""]

    def script(request: Request) -> Iterable[bytes]:
        answer, before[0] = before[0], request.registers(*[len(device.requests)] * request.count)
        return [answer]

    async with scripted_device(script, *way) as device:
        driver = ModbusDriver(device.source(timeout_s=0.02), SystemClock())
        for _ in range(10):
            with pytest.raises(SourceUnavailableError):  # noqa: PT012 - only the first connect is not refused
                await driver.connect()
                await driver.read(GROUP, await driver.plan(GROUP))
            await driver.close()


@every_way
async def test_every_answer_twice(way: tuple[Framing, Transport]) -> None:
    """A repeater on the line: the copies are thrown away, and no reading has another's values."""
    count = iter(range(1, 1000))

    def script(request: Request) -> Iterable[bytes]:
        return [request.registers(*[next(count)] * request.count) * 2]

    async with scripted_device(script, *way) as device:
        driver = ModbusDriver(device.source(), SystemClock())
        await driver.connect()
        plan = await driver.plan(GROUP)
        for _ in range(5):
            reading = await driver.read(GROUP, plan)
            assert reading.value.tolist() == [len(device.requests)] * 2
        await driver.close()


# --- the check itself


@given(
    function=st.sampled_from(Function),
    count=st.integers(1, 125),
    answered=st.integers(0, 255),
    payload=st.binary(max_size=260),
)
def test_only_an_exact_answer_is_good(function: Function, count: int, answered: int, payload: bytes) -> None:
    length = -(-count // 8) if function <= 2 else 2 * count
    exact = answered == function and payload[:1] == bytes([length]) and len(payload) == length + 1
    checked = answer_of(ReadRequest(function, 5, count, unit=1), bytes([answered]) + payload)
    assert (checked.status == GOOD) == exact
    assert checked.data == (payload[1:] if exact else b"")


@given(function=st.sampled_from(Function), count=st.integers(1, 125), data=st.data())
def test_the_exact_answer_is_good(function: Function, count: int, data: st.DataObject) -> None:
    length = -(-count // 8) if function <= 2 else 2 * count
    body = data.draw(st.binary(min_size=length, max_size=length))
    assert answer_of(ReadRequest(function, 5, count, unit=1), bytes([function, length]) + body).data == body


@given(
    function=st.sampled_from(Function),
    count=st.integers(1, 125),
    before=st.binary(max_size=30),
    behind=st.binary(max_size=30),
    data=st.data(),
)
def test_a_frame_is_found_in_any_noise(
    function: Function, count: int, before: bytes, behind: bytes, data: st.DataObject
) -> None:
    """In RTU wherever it lies, in ASCII behind its colon."""
    request = ReadRequest(function, 5, count, unit=1)
    pdu = bytes([function, request.data_bytes]) + data.draw(
        st.binary(min_size=request.data_bytes, max_size=request.data_bytes)
    )
    for name, framing in (("rtu", RtuFraming()), ("ascii", AsciiFraming())):
        received = bytearray(before + frame(name, pdu, 1) + behind)  # type: ignore[arg-type]
        assert list(framing.match(received, {1: request})) == [(1, pdu)]
        assert received == behind


@given(
    function=st.sampled_from(Function),
    count=st.integers(1, 60),
    flipped=st.integers(0, 10_000),
    data=st.data(),
)
def test_one_wrong_bit_makes_a_frame_none(
    function: Function, count: int, flipped: int, data: st.DataObject
) -> None:
    """A CRC finds every single wrong bit, and so does an LRC."""
    request = ReadRequest(function, 5, count, unit=1)
    body = data.draw(st.binary(min_size=request.data_bytes, max_size=request.data_bytes))
    right_frame = frame("rtu", bytes([function, request.data_bytes]) + body, 1)
    place = flipped % (8 * len(right_frame))
    wrong = bytearray(right_frame)
    wrong[place // 8] ^= 1 << place % 8
    assert list(RtuFraming().match(wrong, {1: request})) == []
