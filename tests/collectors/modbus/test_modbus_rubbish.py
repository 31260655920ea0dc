"""What a device sends that it must not send never becomes a value."""

from __future__ import annotations

import logging
import math
import random
import struct
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.driver import Reading
from collectors.modbus.connection import Function, RawAnswer, ReadRequest, check_answer
from collectors.modbus.driver import ModbusDriver
from conformance.collector_suite import group_of
from conformance.scripted_device import Request, Script, ScriptedDevice, scripted_device
from historian.config.settings import ModbusSource
from historian.errors import SourceUnavailableError
from historian.model.clock import SystemClock
from historian.model.status import BAD, GOOD, status_name
from historian.model.tag import Tag

GROUP = group_of(
    Tag("a", "plant", "hr:10", "fast", type_text="uint16"), Tag("b", "plant", "hr:11", "fast", type_text="int16")
)


def driver_of(device: ScriptedDevice, *, timeout_s: float = 5.0, unit: int = 9) -> ModbusDriver:
    source = ModbusSource(
        "plant", f"tcp://127.0.0.1:{device.port}", "127.0.0.1", device.port, unit, int(timeout_s * 1e6)
    )
    return ModbusDriver(source, SystemClock())


async def read_once(script: Script, *, timeout_s: float = 5.0, unit: int = 9) -> Reading:
    async with scripted_device(script) as device:
        driver = driver_of(device, timeout_s=timeout_s, unit=unit)
        await driver.connect()
        try:
            return await driver.read(GROUP, await driver.plan(GROUP))
        finally:
            await driver.close()


def right(request: Request) -> bytes:
    return request.registers(40_000, 0xFFFE)


# --- odd, but right


@pytest.mark.parametrize(
    "script",
    [
        lambda request: [right(request)],
        lambda request: [bytes([byte]) for byte in right(request)],
        lambda request: [right(request)[:7], right(request)[7:]],
        lambda request: [right(request) * 2],
        lambda request: [request.answer(b"\x03\x04\0\x01\0\x02", transaction=request.transaction + 1), right(request)],
        lambda request: [request.answer(b"\x03\x04\0\x01\0\x02", unit=request.unit + 1), right(request)],
    ],
    ids=["whole", "byte by byte", "torn", "doubled", "behind a foreign transaction", "behind a foreign unit"],
)
async def test_the_right_answer_is_found(script: Script) -> None:
    reading = await read_once(script)
    assert reading.status.tolist() == [GOOD, GOOD]
    assert reading.value.tolist() == [40_000, -2]


# --- wrong answers: Bad at once, the connection goes on

WRONG = {
    "transaction 0": lambda request: request.answer(b"\x03\x04\0\x01\0\x02", transaction=0),
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
async def test_a_wrong_answer_is_bad(name: str) -> None:
    reading = await read_once(lambda request: [WRONG[name](request)])
    assert all(status >= BAD for status in reading.status)
    assert all(map(math.isnan, reading.value))


async def test_a_foreign_unit_is_bad_for_unit_0() -> None:
    """pymodbus takes any unit's answer when unit 0 was asked."""
    reading = await read_once(lambda request: [request.answer(b"\x03\x04\0\x01\0\x02", unit=5)], unit=0)
    assert [status_name(int(status)) for status in reading.status] == ["BadCommunicationError"] * 2


async def test_a_wrong_answer_does_not_shift_the_next_ones() -> None:
    """Each request's answer is sent after a wrong one; the values of one reading never turn up in another."""
    count = iter(range(1, 100))

    def script(request: Request) -> Iterable[bytes]:
        number = next(count)
        return [request.answer(b"\x03\x04\0\x07\0\x07", transaction=0), request.registers(number, number)]

    async with scripted_device(script) as device:
        driver = driver_of(device)
        await driver.connect()
        plan = await driver.plan(GROUP)
        for _ in range(5):
            reading = await driver.read(GROUP, plan)
            assert all(map(math.isnan, reading.value))
        device.script = lambda request: [request.registers(41, 42)]
        assert (await driver.read(GROUP, plan)).value.tolist() == [41, 42]
        await driver.close()


# --- no usable answer: a time-out

SILENT = {
    "nothing": lambda _: [],
    "half an answer": lambda request: [right(request)[:10]],
    "foreign transaction": lambda request: [request.answer(b"\x03\x04\0\x01\0\x02", transaction=999)],
    "foreign unit": lambda request: [request.answer(b"\x03\x04\0\x01\0\x02", unit=77)],
    "another protocol": lambda request: [right(request)[:2] + b"\0\x01" + right(request)[4:]],
    "a web page": lambda _: [b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"],
    "length 0": lambda request: [struct.pack(">HHH", request.transaction, 0, 0) + b"\x09\x03\x04\0\x01\0\x02"],
    "length 65535": lambda request: [struct.pack(">HHH", request.transaction, 0, 65535) + bytes(3000)],
    "zeros": lambda _: [bytes(4000)],
}


@pytest.mark.parametrize("name", SILENT)
async def test_no_usable_answer_is_a_time_out(name: str) -> None:
    with pytest.raises(SourceUnavailableError) as caught:
        await read_once(SILENT[name], timeout_s=0.1)
    assert status_name(caught.value.status) == "BadTimeout"


async def test_a_device_that_hangs_up() -> None:
    with pytest.raises(SourceUnavailableError) as caught:
        await read_once(lambda _: [None], timeout_s=30)
    assert status_name(caught.value.status) == "BadNoCommunication"


async def test_noise_is_never_a_value() -> None:
    """Random bytes, some behind a right header; a fixed seed, so that a failure can be repeated."""
    noise = random.Random(20261101)

    def script(request: Request) -> Iterable[bytes]:
        return [right(request)[: noise.randrange(8)] + noise.randbytes(noise.randrange(1, 300))]

    answers = 0
    async with scripted_device(script) as device:
        for _ in range(60):
            driver = driver_of(device, timeout_s=0.02)
            await driver.connect()
            try:
                reading = await driver.read(GROUP, await driver.plan(GROUP))
            except SourceUnavailableError:
                continue
            finally:
                await driver.close()
            answers += 1
            assert all(status >= BAD for status in reading.status)
            assert all(map(math.isnan, reading.value))
    assert answers, "no noise came as far as the checks of an answer"


async def test_the_library_says_nothing_by_itself(caplog: pytest.LogCaptureFixture) -> None:
    """What happens reaches the caller as an error; on stderr it would only disturb."""
    caplog.set_level(logging.INFO)
    for script in [*SILENT.values(), lambda request: [WRONG["unknown function"](request)], lambda _: [None]]:
        try:
            await read_once(script, timeout_s=0.05)
        except SourceUnavailableError:
            continue
    assert not caplog.records


# --- the check itself


@given(
    function=st.sampled_from(Function),
    count=st.integers(1, 125),
    payload=st.binary(max_size=260),
    header=st.tuples(st.integers(0, 255), st.integers(0, 2), st.integers(0, 2)),
)
def test_only_an_exact_answer_is_good(
    function: Function, count: int, payload: bytes, header: tuple[int, int, int]
) -> None:
    answered, transaction, unit = header
    request = ReadRequest(function, 5, count, unit=1)
    request.transaction_id = 1
    answer = RawAnswer(dev_id=unit, transaction_id=transaction)
    answer.function_code, answer.payload = answered, payload
    length = -(-count // 8) if function <= 2 else 2 * count
    exact = (
        (answered, transaction, unit) == (function, 1, 1)
        and payload[:1] == bytes([length])
        and len(payload) == length + 1
    )
    checked = check_answer(request, answer)
    assert (checked.status == GOOD) == exact
    assert checked.data == (payload[1:] if exact else b"")


@given(function=st.sampled_from(Function), count=st.integers(1, 125), data=st.data())
def test_the_exact_answer_is_good(function: Function, count: int, data: st.DataObject) -> None:
    length = -(-count // 8) if function <= 2 else 2 * count
    body = data.draw(st.binary(min_size=length, max_size=length))
    request = ReadRequest(function, 5, count, unit=1)
    answer = RawAnswer(dev_id=1, transaction_id=0)
    answer.function_code, answer.payload = int(function), bytes([length]) + body
    assert check_answer(request, answer).data == body
