"""URLs of Modbus devices: every way there, its usual settings, and what is no way."""

from __future__ import annotations

import pytest

from historian.config.load import load_configuration
from historian.config.modbus_address import parse_modbus_address
from historian.config.modbus_url import parse_modbus_url
from historian.config.settings import ModbusSource, ModbusTls, NetworkEndpoint, SerialEndpoint
from historian.errors import UnusableValueError
from support.plant_files import SETTINGS, faults, write


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("tcp://10.0.3.17", NetworkEndpoint("10.0.3.17", 502)),
        ("tcp://plc-1.plant:5020", NetworkEndpoint("plc-1.plant", 5020)),
        ("tcp://[fe80::1]:502", NetworkEndpoint("fe80::1", 502)),
        ("udp://10.0.3.17", NetworkEndpoint("10.0.3.17", 502, "udp")),
        ("tls://10.0.3.17", NetworkEndpoint("10.0.3.17", 802, "tls")),
        ("rtu+tcp://10.0.3.17:4001", NetworkEndpoint("10.0.3.17", 4001, "tcp", "rtu")),
        ("ascii+tcp://10.0.3.17", NetworkEndpoint("10.0.3.17", 502, "tcp", "ascii")),
        ("rtu:///dev/ttyUSB0", SerialEndpoint("/dev/ttyUSB0", "rtu", 19_200, 8, "even", 1)),
        ("rtu://COM3", SerialEndpoint("COM3", "rtu", 19_200, 8, "even", 1)),
        ("ascii:///dev/ttyS1", SerialEndpoint("/dev/ttyS1", "ascii", 19_200, 7, "even", 1)),
        (
            "rtu:///dev/serial/by-id/usb-FTDI_1-port0?baudrate=9600&parity=none&stopbits=2",
            SerialEndpoint("/dev/serial/by-id/usb-FTDI_1-port0", "rtu", 9600, 8, "none", 2),
        ),
        ("ascii://COM12?parity=O&bytesize=8", SerialEndpoint("COM12", "ascii", 19_200, 8, "odd", 1)),
    ],
)
def test_every_way(url: str, endpoint: NetworkEndpoint | SerialEndpoint) -> None:
    assert parse_modbus_url(url) == endpoint


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("", "tcp://host:port"),
        ("10.0.3.17", "did you mean 'tcp://10.0.3.17'"),
        ("rtu:/dev/ttyUSB0?baudrate=9600", "did you mean 'rtu:///dev/ttyUSB0?baudrate=9600'"),
        ("/dev/ttyS0", "did you mean 'rtu:///dev/ttyS0'"),
        ("COM3", "did you mean 'rtu://COM3'"),
        ("modbus://10.0.3.17:502", "did you mean 'tcp://10.0.3.17:502'"),
        ("rtuovertcp://h:1", "did you mean 'rtu+tcp'"),
        ("http://10.0.3.17", "rtu+tcp://"),
        ("tcp://10.0.3.17:502/1", "a key of its own"),
        ("tcp://10.0.3.17:0", "tcp://host:port"),
        ("tls://user:secret@10.0.3.17", "without a user or password"),
        ("rtu://", "rtu:///dev/ttyUSB0"),
        ("rtu:///", "rtu:///dev/ttyUSB0"),
        ("rtu://10.0.3.17:4001", "rtu+tcp://"),
        ("rtu://dev/ttyUSB0", "three slashes"),
        ("rtu:///dev/ttyUSB0?baudrate=fast", "such as 9600"),
        ("rtu:///dev/ttyUSB0?baudrate=0", "from 50"),
        ("rtu:///dev/ttyUSB0?baudrate=", "such as 9600"),
        ("rtu:///dev/ttyUSB0?speed=9600", "baudrate, parity, stopbits or bytesize"),
        ("rtu:///dev/ttyUSB0?bytesize=7", "8 for RTU"),
        ("rtu:///dev/ttyUSB0?stopbits=3", "1 or 2"),
    ],
)
def test_what_is_no_way(url: str, wanted: str) -> None:
    with pytest.raises(UnusableValueError) as caught:
        parse_modbus_url(url)
    assert wanted in str(caught.value)
    assert "secret" not in str(caught.value)


def test_the_time_of_a_character() -> None:
    """Eleven bits with a parity: at 9,600 baud 1.146 ms (Modbus over Serial Line 1.02, 2.5.1)."""
    assert parse_modbus_url("rtu:///dev/x?baudrate=9600").character_us == pytest.approx(1145.8, abs=0.1)  # type: ignore[union-attr]
    assert parse_modbus_url("ascii:///dev/x?baudrate=1000").character_us == 10_000  # type: ignore[union-attr]


# --- the keys of a section


def boiler(tmp_path, url: str, *lines: str):  # type: ignore[no-untyped-def]
    text = SETTINGS.replace('"tcp://127.0.0.1:5020"', f'"{url}"').replace("unit = 1", "\n".join(["unit = 1", *lines]))
    return write(tmp_path, text)


def test_all_keys(tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = boiler(
        tmp_path, "tls://plc", 'byte_order = "CDAB"', "in_flight = 4", 'connect_pause = "1s"', 'request_pause = "20ms"',
        "one_by_one = true", 'trusted_certificates = "ca.pem"', 'server_name = "plc-1"', 'certificate = "own.pem"',
        'private_key = "own.key"', 'private_key_password_env = "KEY_PASSWORD"',
    )  # fmt: skip
    source = load_configuration(path).sources["boiler"]
    assert source == ModbusSource(
        "boiler", "tls://plc", NetworkEndpoint("plc", 802, "tls"), 1, 800_000, 125, 2000, None, True, "CDAB", 4,
        1_000_000, 20_000,
        ModbusTls(tmp_path / "ca.pem", "plc-1", tmp_path / "own.pem", tmp_path / "own.key", "KEY_PASSWORD"),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("url", "lines", "key", "wanted"),
    [
        ("tcp://plc", ['certificate = "c"'], "certificate", "tls://"),
        ("tls://plc", ['private_key = "k"'], "certificate", "private_key is of no use"),
        ("tls://plc", ['private_key_password_env = "P"'], "certificate", "is of no use"),
        (
            "tls://plc",
            ['certificate = "c"', 'private_key_password_env = "P"', 'private_key_password_file = "p"'],
            "private_key_password_file", "not both",
        ),
        ("rtu:///dev/ttyS0", ["in_flight = 2"], "in_flight", "1: answers on a serial line"),
        ("rtu+tcp://plc", ["in_flight = 2"], "in_flight", "1: answers on a serial line"),
    ],
)  # fmt: skip
def test_keys_that_do_not_go_together(tmp_path, url: str, lines: list[str], key: str, wanted: str) -> None:  # type: ignore[no-untyped-def]
    (fault,) = faults(boiler(tmp_path, url, *lines))
    assert fault.place.endswith(f"sources.boiler.{key}")
    assert wanted in fault.wanted


@pytest.mark.parametrize(
    ("type_text", "order"),
    [
        ("float32", "CDAB"), ("float32:BADC", "BADC"), ("uint16", "CDAB"), ("", "CDAB"),
        ("string:4", "ABCD"), ("bool", "ABCD"),
    ],
)  # fmt: skip
def test_the_byte_order_of_a_source_is_for_numbers_that_name_none(type_text: str, order: str) -> None:
    assert parse_modbus_address("hr:0", type_text, "CDAB").byte_order == order


def test_the_byte_order_of_a_source_is_not_for_bits() -> None:
    assert parse_modbus_address("hr:0.3", "", "BADC").byte_order == "ABCD"
    assert parse_modbus_address("coil:0", "", "BADC").byte_order == "ABCD"
