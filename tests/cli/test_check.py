"""``historian check``, with and without ``--connect``; devices are real Modbus servers in threads."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from cli.bad_hints import HINTS, hints
from cli.check import notes, summary
from cli.columns import aligned
from cli.read_once import read_source, time_text
from collectors.driver import Driver, Reading
from historian.config.load import load_configuration
from historian.errors import SourceUnavailableError
from historian.model.status import BAD_NO_COMMUNICATION, BAD_NODE_ID_UNKNOWN, GOOD, status_code, status_name
from historian.model.tag import ValueType
from support.plant_files import HEADER, SETTINGS, TAGS, row, write


def historian_check(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-m", "cli", "check", *arguments], cwd=folder, env={**os.environ, **environment},
        capture_output=True, text=True, timeout=50, check=False,
    )  # fmt: skip


# Without --connect ---------------------------------------------------------------------------------------------------


def test_a_right_configuration(tmp_path):
    write(tmp_path)
    done = historian_check(tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "3 tags, 2 sources, 2.1 values a second" in done.stdout
    assert re.search(r"boiler +modbus +tcp://127.0.0.1:5020 +fast +1s +2 +2$", done.stdout, re.MULTILINE)
    assert re.search(r"mixer +opcua +opc.tcp://127.0.0.1:4840/plant +slow +10s +1 +0.1$", done.stdout, re.MULTILINE)


def test_all_faults_one_a_line(tmp_path):
    write(
        tmp_path,
        SETTINGS.replace("unit = 1", "unti = 1"),
        TAGS.replace("hr:100", "hr:x").replace(",boiler,", ",boilr,"),
    )
    done = historian_check(tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    first, *lines = done.stderr.splitlines()
    assert first == "historian: cannot use the configuration, 4 faults:"
    assert [line.split(": ")[0] for line in lines] == [
        "  historian.toml:12 sources.boiler.unti", "  tags.csv:2 source", "  tags.csv:2 address", "  tags.csv:3 source"
    ]  # fmt: skip
    assert "did you mean 'unit'?" in lines[0]


def test_the_configuration_is_named_by_option_and_variable(tmp_path):
    (tmp_path / "plant").mkdir()
    write(tmp_path / "plant")
    name = str(Path("plant") / "historian.toml")
    assert historian_check(tmp_path, "--config", name).returncode == 0
    assert historian_check(tmp_path, HISTORIAN_CONFIG=name).returncode == 0
    missing = historian_check(tmp_path)
    assert missing.returncode == 2
    assert "historian init" in missing.stderr
    assert "Traceback" not in missing.stderr


def test_notes_on_what_is_no_fault(tmp_path, monkeypatch):
    monkeypatch.delenv("NO_SUCH_PASSWORD", raising=False)
    settings = SETTINGS + 'user = "u"\npassword_env = "NO_SUCH_PASSWORD"\n[scan_classes.never]\nrate = "1m"\n'
    text = f"{HEADER}\n{row(tag='A', enum='a|b', exc_dev='1')}\n{row(tag='B', step='yes', comp_dev='1')}\n"
    said = list(notes(load_configuration(write(tmp_path, settings, text))))
    assert [
        word
        for word in ("mixer", "slow", "never", "2 step tags", "NO_SUCH_PASSWORD", "security_policy")
        if word not in " ".join(said)
    ] == []
    assert len(said) == 6


def test_the_example_needs_no_notes(tmp_path):
    configuration = load_configuration(write(tmp_path))
    assert list(notes(configuration)) == []
    assert len(list(summary(configuration))) == 5


def test_columns_are_aligned():
    lines = aligned(("a", "number"), [("xyz", "1"), ("", "22")], right=("number",))
    assert list(lines) == ["a    number", "xyz       1", "         22"]


# With --connect ------------------------------------------------------------------------------------------------------


class TinyModbusServer:
    """Holding registers by number, served as the Modbus Application Protocol 1.1b3, 6.3, says, without any library.

    Any other request, and any register that is not there, gets exception 2.
    """

    def __init__(self, registers: dict[int, int]) -> None:
        self._registers = registers
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, name="tiny Modbus server")
        self._thread.start()

    def close(self) -> None:
        # A connection of our own ends the wait of accept(), on every system alike.
        self._registers = {}
        with socket.create_connection(("127.0.0.1", self.port)) as last:
            last.sendall(b"end")
        self._thread.join()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            with connection, connection.makefile("rb") as requests:
                while len(header := requests.read(7)) == 7:
                    _, _, length, _ = struct.unpack(">HHHB", header)
                    connection.sendall(self._answer(header, requests.read(length - 1)))
                if header == b"end":
                    return

    def _answer(self, header: bytes, request: bytes) -> bytes:
        function, start, count = struct.unpack(">BHH", request)
        values = [self._registers.get(number) for number in range(start, start + count)]
        if function != 3 or None in values:
            answer = struct.pack(">BB", function | 0x80, 2)
        else:
            answer = struct.pack(f">BB{count}H", function, 2 * count, *values)
        return header[:4] + struct.pack(">HB", len(answer) + 1, header[6]) + answer


@pytest.fixture
def device() -> Iterator[TinyModbusServer]:
    """Registers 0 to 5: 123, -5, 1.5 as float32 CDAB, "AB", 1; a hole from 6 on."""
    high, low = struct.unpack(">HH", struct.pack(">f", 1.5))
    server = TinyModbusServer({0: 123, 1: 0x10000 - 5, 2: low, 3: high, 4: 0x4142, 5: 1})
    yield server
    server.close()


DEVICE_TAGS = "\n".join(
    (
        HEADER,
        row(tag="TI1", address="hr:0", scale="0.1", units="degC"),
        row(tag="TI2", address="hr:1", type="int16", scan_class="slow"),
        row(tag="FI3", address="hr:2", type="float32:CDAB"),
        row(tag="BATCH", address="hr:4", type="string:2"),
        row(tag="XV5", address="hr:5", enum="closed|open"),
        row(tag="XV6", address="hr:5.1", type="bool"),
        row(tag="GONE", address="hr:900"),
        "",
    )
)


def rows_of(output: str) -> dict[str, list[str]]:
    """The table that ``--connect`` prints, by tag: value, units, status, time."""
    header = re.search(r"^tag +value +units +status +time\n", output, re.MULTILINE)
    assert header, output
    cells = (re.split(r" {2,}", line.strip()) for line in output[header.end() :].splitlines() if line.strip())
    return {cell[0]: cell[1:] for cell in cells if len(cell) > 1}


def test_connect_reads_every_tag_once(tmp_path, device):
    write(tmp_path, SETTINGS.replace(":5020", f":{device.port}"), DEVICE_TAGS)
    done = historian_check(tmp_path, "--connect")
    assert done.returncode == 0, done.stderr
    found = rows_of(done.stdout)
    assert {tag: cells[0] for tag, cells in found.items() if tag != "GONE"} == {
        "TI1": "12.3", "TI2": "-5", "FI3": "1.5", "BATCH": "'AB'", "XV5": "1 open", "XV6": "false"
    }  # fmt: skip
    assert found["TI1"][1:3] == ["degC", "Good"]
    assert found["GONE"][0].startswith("Bad")
    assert all(re.fullmatch(r"\d\d:\d\d:\d\d\.\d{3}Z", cells[-1]) for cells in found.values())
    assert "read 7 of 7 tags: 6 values, 1 Bad\n  BadConfigurationError (GONE): the device refuses" in done.stdout


def test_a_status_of_many_tags_is_explained_once():
    found = list(hints([(f"T{number}", "BadNodeIdUnknown") for number in range(5)] + [("X", "BadLicenseExpired")]))
    assert found[0].startswith("BadNodeIdUnknown (T0, T1, T2 and 2 more): the server has no such node")
    assert found[1:] == ["BadLicenseExpired (X)"]


def test_every_status_with_a_hint_is_one_of_opc_ua():
    assert {name for name in HINTS if status_name(status_code(name)) != name} == set()


def test_states_parted_by_something_else_are_pointed_out(tmp_path):
    write(tmp_path, SETTINGS, "\n".join((HEADER, row(tag="XV1", address="coil:3", enum="closed,open"), "")))
    done = historian_check(tmp_path)
    assert done.returncode == 0
    assert "note: XV1 has one state, 'closed,open', and is Bad in any other; states are parted by |" in done.stderr


def test_connect_reads_the_others_when_one_source_is_down(tmp_path, device, free_port):
    settings = SETTINGS.replace(":5020", f":{device.port}").replace(":4840", f":{free_port}")
    settings += 'user = "bob"\npassword_env = "MIXER_PASSWORD"\n'
    write(tmp_path, settings, DEVICE_TAGS + row(tag="OPC", source="mixer", address="ns=2;s=x") + "\n")
    done = historian_check(tmp_path, "--connect", MIXER_PASSWORD="geheim")  # noqa: S106 - no password of anything
    assert done.returncode == 1
    assert rows_of(done.stdout)["TI1"][0] == "12.3"
    assert "historian: mixer: " in done.stderr
    assert "(1 tag not read)" in done.stderr
    assert "geheim" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


class OneReadDriver(Driver):
    """Gives the values it was made with, or fails where it is told to; notes that it was closed."""

    def __init__(self, fail: str = "") -> None:
        self._fail = fail
        self.closed = False

    def _maybe_fail(self, step: str) -> None:
        if step == self._fail:
            raise SourceUnavailableError(f"no answer to {step}", BAD_NO_COMMUNICATION)

    async def connect(self) -> None:
        self._maybe_fail("connect")

    async def resolve(self, groups):
        self._maybe_fail("resolve")
        return {"BIG": ValueType.UINT64, "FLAG": ValueType.BOOL}

    async def plan(self, group):
        return group

    async def read(self, group, plan):
        self._maybe_fail(group.scan_class)
        values = {"BIG": 2.0**63, "FLAG": 1.0, "GONE": np.nan, "SLOW": 0.1}
        big = {lane: 2**63 + 1 for lane, tag in enumerate(group.tags) if tag.name == "BIG"}
        status = [BAD_NODE_ID_UNKNOWN if tag.name == "GONE" else GOOD for tag in group.tags]
        return Reading(
            np.full(len(group.tags), 1_790_000_000_123_456),
            np.array([values[tag.name] for tag in group.tags]),
            np.array(status, np.uint32),
            exact=big,
        )

    async def close(self) -> None:
        self.closed = True


@pytest.fixture
def opc_groups(tmp_path):
    lines = [row(tag=name, source="mixer", address=f"ns=2;s={name}") for name in ("BIG", "FLAG", "GONE")]
    slow = row(tag="SLOW", source="mixer", address="i=1", scan_class="slow")
    text = "\n".join((HEADER, *lines, slow, ""))
    return load_configuration(write(tmp_path, tags=text)).groups()


def test_what_the_server_tells_decides_how_values_look(opc_groups):
    driver = OneReadDriver()
    reading = asyncio.run(read_source("mixer", opc_groups, driver))
    assert [(found.tag, found.value, found.status) for found in reading.rows] == [
        ("BIG", "9223372036854775809", "Good"),
        ("FLAG", "true", "Good"),
        ("GONE", "", "BadNodeIdUnknown"),
        ("SLOW", "0.1", "Good"),
    ]
    assert reading.rows[0].time == "2026-09-21 14:13:20.123Z"
    assert (reading.error, driver.closed) == ("", True)


@pytest.mark.parametrize(("step", "read"), [("connect", 0), ("resolve", 0), ("fast", 0), ("slow", 3)])
def test_a_source_that_fails_says_why_and_is_closed(opc_groups, step, read):
    driver = OneReadDriver(fail=step)
    reading = asyncio.run(read_source("mixer", opc_groups, driver))
    assert reading.error == f"no answer to {step}"
    assert (reading.tags, len(reading.rows), driver.closed) == (4, read, True)


def test_a_sample_without_a_time_shows_none():
    assert time_text(0) == ""
