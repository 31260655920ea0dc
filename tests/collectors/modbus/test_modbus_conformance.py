"""The Modbus driver passes the drivers' common suite, on every transport and against servers of several makers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from collectors.drivers import make_driver
from conformance.certificate_authority import CertificateAuthority
from conformance.collector_suite import POINTS, CollectorConformance, assert_holds, group_of
from conformance.modbus_servers import ModbusPlant, PymodbusPlant, PymodbusTlsPlant, UmodbusPlant
from conformance.other_modbus_servers import LibmodbusPlant, PyModbusTcpPlant, UmodbusRtuPlant
from conformance.serial_relay import SerialRelay
from historian.config.modbus_url import parse_modbus_url
from historian.config.settings import ModbusSource, ModbusTls
from historian.errors import SourceUnavailableError
from historian.model.clock import SystemClock
from historian.model.status import status_name


async def started(plant: ModbusPlant) -> AsyncIterator[ModbusPlant]:
    await plant.start()
    yield plant
    await plant.stop()


class TestModbusDriverWithPymodbusServer(CollectorConformance):
    @pytest.fixture
    async def plant(self) -> AsyncIterator[ModbusPlant]:
        async for plant in started(PymodbusPlant()):
            yield plant


class TestModbusDriverWithUmodbusServer(CollectorConformance):
    @pytest.fixture
    async def plant(self) -> AsyncIterator[ModbusPlant]:
        async for plant in started(UmodbusPlant()):
            yield plant


class TestModbusDriverWithPyModbusTcpServer(CollectorConformance):
    @pytest.fixture
    async def plant(self) -> AsyncIterator[ModbusPlant]:
        async for plant in started(PyModbusTcpPlant()):
            yield plant


class TestModbusDriverWithLibmodbusServer(CollectorConformance):
    @pytest.fixture
    async def plant(self) -> AsyncIterator[ModbusPlant]:
        async for plant in started(LibmodbusPlant()):
            yield plant


class TestModbusDriverWithRtuOverTcp(CollectorConformance):
    @pytest.fixture
    async def plant(self) -> AsyncIterator[ModbusPlant]:
        async for plant in started(PymodbusPlant("rtu+tcp")):
            yield plant


class TestModbusDriverWithUmodbusRtu(CollectorConformance):
    @pytest.fixture
    async def plant(self) -> AsyncIterator[ModbusPlant]:
        async for plant in started(UmodbusRtuPlant()):
            yield plant


class TestModbusDriverWithAsciiOverTcp(CollectorConformance):
    @pytest.fixture
    async def plant(self) -> AsyncIterator[ModbusPlant]:
        async for plant in started(PymodbusPlant("ascii+tcp")):
            yield plant


class TestModbusDriverWithTls(CollectorConformance):
    @pytest.fixture
    async def plant(self, tmp_path) -> AsyncIterator[ModbusPlant]:
        async for plant in started(PymodbusTlsPlant(CertificateAuthority(tmp_path))):
            yield plant


class _SerialConformance(CollectorConformance):
    """The same on a serial line, which leads to a server of such frames."""

    framing = "rtu"

    @pytest.fixture
    async def relay(self, plant: ModbusPlant, tmp_path, monkeypatch) -> AsyncIterator[SerialRelay]:
        await plant.restore()
        relay = SerialRelay(plant.port, tmp_path)

        def source(port: int, timeout_s: float) -> ModbusSource:
            url = f"{self.framing}://{tmp_path / ('line' if port == relay.port else 'nothing')}"
            tcp = type(plant).source(plant, 1, timeout_s)
            url += "?baudrate=115200&parity=none&bytesize=8"  # pseudo-terminals have nothing else
            return replace(tcp, url=url, endpoint=parse_modbus_url(url))

        monkeypatch.setattr(plant, "source", source)
        await relay.open()
        yield relay
        relay.resume()
        await relay.cut()


class TestModbusDriverOnARtuLineToPymodbus(_SerialConformance):
    @pytest.fixture
    async def plant(self) -> AsyncIterator[ModbusPlant]:
        async for plant in started(PymodbusPlant("rtu+tcp")):
            yield plant


class TestModbusDriverOnARtuLineToUmodbus(_SerialConformance):
    @pytest.fixture
    async def plant(self) -> AsyncIterator[ModbusPlant]:
        async for plant in started(UmodbusRtuPlant()):
            yield plant


class TestModbusDriverOnAnAsciiLine(_SerialConformance):
    framing = "ascii"

    @pytest.fixture
    async def plant(self) -> AsyncIterator[ModbusPlant]:
        async for plant in started(PymodbusPlant("ascii+tcp")):
            yield plant


# --- UDP, which has no connections to cut


@pytest.fixture
async def udp_plant() -> AsyncIterator[ModbusPlant]:
    async for plant in started(PymodbusPlant("udp")):
        yield plant


async def test_every_type_is_read_exactly_through_udp(udp_plant: ModbusPlant) -> None:
    driver = make_driver(udp_plant.source(udp_plant.port, 5.0), SystemClock())
    await driver.connect()
    group = group_of(*map(udp_plant.tag, POINTS))
    reading = await driver.read(group, await driver.plan(group))
    await driver.close()
    for lane, name in enumerate(POINTS):
        assert_holds(reading, lane, name, POINTS[name].value)


async def test_nobody_there_through_udp(free_port: int) -> None:
    driver = make_driver(PymodbusPlant("udp").source(free_port, 0.5), SystemClock())
    await driver.connect()
    group = group_of(PymodbusPlant().tag("int16_low"))
    with pytest.raises(SourceUnavailableError) as caught:
        await driver.read(group, await driver.plan(group))
    await driver.close()
    assert status_name(caught.value.status) in ("BadNoCommunication", "BadTimeout")


# --- TLS: who is trusted


@pytest.fixture
async def tls_plant(tmp_path) -> AsyncIterator[PymodbusTlsPlant]:
    plant = PymodbusTlsPlant(CertificateAuthority(tmp_path))
    await plant.start()
    yield plant
    await plant.stop()


async def why_not(source: ModbusSource) -> str:
    driver = make_driver(source, SystemClock())
    group = group_of(PymodbusPlant().tag("int16_low"))
    with pytest.raises(SourceUnavailableError) as caught:  # noqa: PT012 - with TLS 1.3 a client that is refused learns it late
        await driver.connect()
        await driver.read(group, await driver.plan(group))
    await driver.close()
    return str(caught.value)


async def test_a_device_that_nobody_we_trust_has_signed(tls_plant: PymodbusTlsPlant, tmp_path) -> None:
    source = tls_plant.source(tls_plant.port, 5.0)
    stranger = CertificateAuthority(tmp_path, "stranger")
    assert source.tls is not None
    reason = await why_not(replace(source, tls=replace(source.tls, trusted_certificates=stranger.certificate)))
    assert "its certificate is not trusted" in reason
    assert "its certificate is not trusted" in await why_not(replace(source, tls=ModbusTls()))


async def test_a_device_of_another_name(tls_plant: PymodbusTlsPlant) -> None:
    source = tls_plant.source(tls_plant.port, 5.0)
    assert source.tls is not None
    reason = await why_not(replace(source, tls=replace(source.tls, server_name="plc-2")))
    assert "its certificate is not trusted (Hostname mismatch" in reason


async def test_a_device_that_wants_our_certificate(tls_plant: PymodbusTlsPlant) -> None:
    source = tls_plant.source(tls_plant.port, 5.0)
    await why_not(replace(source, tls=ModbusTls(tls_plant.ca.certificate)))


async def test_a_key_with_a_password(tls_plant: PymodbusTlsPlant, tmp_path, monkeypatch) -> None:
    certificate, key = tls_plant.ca.issue("historian", "secret words")
    tls = ModbusTls(tls_plant.ca.certificate, "server", certificate, key, "KEY_PASSWORD")
    monkeypatch.setenv("KEY_PASSWORD", "secret words")
    file = tmp_path / "password"
    file.write_text("secret words\n", encoding="utf-8")
    from_file = replace(tls, private_key_password_env=None, private_key_password_file=file)
    for each in (tls, from_file):
        driver = make_driver(replace(tls_plant.source(tls_plant.port, 5.0), tls=each), SystemClock())
        await driver.connect()
        await driver.close()
    monkeypatch.setenv("KEY_PASSWORD", "wrong words")
    reason = await why_not(replace(tls_plant.source(tls_plant.port, 5.0), tls=tls))
    assert "words" not in reason
    monkeypatch.delenv("KEY_PASSWORD")
    reason = await why_not(replace(tls_plant.source(tls_plant.port, 5.0), tls=tls))
    assert "the environment variable KEY_PASSWORD (private_key_password_env) is not set" in reason


@pytest.mark.parametrize("what", ["trusted_certificates", "certificate", "private_key_password_file"])
async def test_a_file_that_is_not_there_is_named(tls_plant: PymodbusTlsPlant, tmp_path, what: str) -> None:
    source = tls_plant.source(tls_plant.port, 5.0)
    assert source.tls is not None
    _, key = tls_plant.ca.issue("historian", "pw")
    tls = replace(source.tls, private_key=key, **{what: tmp_path / "missing.pem"})
    assert "missing.pem" in await why_not(replace(source, tls=tls))
