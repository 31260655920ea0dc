"""``historian probe``: decodings side by side, marked where they fit; a scan with its warning."""

from __future__ import annotations

import csv
import io
import json
import struct
from collections.abc import Iterable, Iterator
from signal import SIGINT, raise_signal

import pytest
from click.testing import CliRunner, Result

from cli.main import historian
from conformance.counting_device import counting
from conformance.scripted_device import Request, ScriptedDevice, device_in_thread
from support.plant_files import SETTINGS, write

HIGH, LOW = struct.unpack(">2H", struct.pack(">f", 21.7))
REGISTERS = {at: at for at in range(300)} | {100: LOW, 101: HIGH, 102: 223}
"""At 100 the value 21.7 with its words swapped, at 102 the number 223."""


def device(request: Request) -> Iterable[bytes]:
    if request.unit not in (1, 4):
        return [request.exception(11)]
    if request.function <= 2:
        return counting(request)
    cells = range(request.address, request.address + request.count)
    known = all(cell in REGISTERS for cell in cells)
    return [request.registers(*(REGISTERS[cell] for cell in cells))] if known else [request.exception(2)]


@pytest.fixture
def plc() -> Iterator[ScriptedDevice]:
    with device_in_thread(device) as served:
        yield served


def probe(*arguments: str) -> Result:
    return CliRunner().invoke(historian, ["probe", "modbus", *arguments])


def test_decodings_side_by_side_with_what_fits_marked(plc) -> None:
    done = probe(plc.url, "--address", "hr:100", "--count", "3", "--expect", "20..25")
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["address", "type", "ABCD", "BADC", "CDAB", "DCBA"]
    assert any(line.startswith("hr:99") for line in lines), "the one before: manuals count from 1"
    assert any(line.startswith("hr:103") for line in lines), "and the one behind"
    start = next(number for number, line in enumerate(lines) if line.startswith("hr:100"))
    block = lines[start : start + 4]
    (floats,) = (line for line in block if "float32" in line)
    assert "* 21.7" in floats
    assert "  hr:100,float32:CDAB,  = 21.7" in lines
    assert "  hr:102,uint16,0.1  = 22.3" in lines
    assert "1 request" in lines[-1]


def test_one_off_is_said(plc) -> None:
    done = probe(plc.url, "--address", "40100", "--count", "1", "--expect", "21.7..21.71")
    assert "  hr:100,float32:CDAB,  = 21.7  (one off: does the manual count from 1?)" in done.stdout.splitlines()


def test_nothing_fits(plc) -> None:
    done = probe(plc.url, "--address", "hr:5", "--count", "2", "--expect", "-3..-2")
    assert "Nothing lies in -3..-2" in done.stdout


def test_formats_for_programs(plc) -> None:
    arguments = (plc.url, "--address", "hr:100", "--count", "1", "--expect", "20..25", "--format")
    rows = json.loads(probe(*arguments, "json").stdout)
    wanted = {"address": "hr:100", "type": "float32:CDAB", "value": pytest.approx(21.7), "fits": True, "scale": 1.0}
    assert wanted in rows
    assert all(isinstance(row["value"], int) for row in rows if row["type"] == "uint16")
    (fitting,) = (
        row for row in csv.DictReader(io.StringIO(probe(*arguments, "csv").stdout))
        if row["fits"] == "true" and row["address"] == "hr:100"
    )  # fmt: skip
    assert fitting["type"] == "float32:CDAB"


def test_bits(plc) -> None:
    done = probe(plc.url, "--address", "coil:3", "--count", "2")
    assert [line.split() for line in done.stdout.splitlines() if line.startswith("coil:")][:3] == [
        ["coil:2", "0"], ["coil:3", "1"], ["coil:4", "0"]
    ]  # fmt: skip


def test_registers_that_are_refused_are_shown_as_such(plc) -> None:
    done = probe(plc.url, "--address", "hr:298", "--count", "4")
    lines = done.stdout.splitlines()
    assert any(line.split() == ["hr:300", "refused"] for line in lines)
    assert "The device refuses some of it: hr:300 to hr:305 cannot be read" in lines


def test_a_source_of_the_configuration(plc, tmp_path) -> None:
    path = write(tmp_path, SETTINGS.replace("tcp://127.0.0.1:5020", plc.url).replace("unit = 1", "unit = 4"))
    done = probe("boiler", "--config", str(path), "--address", "hr:7", "--count", "1", "--format", "json")
    assert done.exit_code == 0, done.output
    assert plc.requests[-1].unit == 4
    assert probe("boiler", "--config", str(path), "--unit", "1").exit_code == 0
    assert plc.requests[-1].unit == 1
    assert "browse mixer" in str(probe("mixer", "--config", str(path)).exception)
    assert "did you mean 'boiler'?" in str(probe("boilr", "--config", str(path)).exception)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["10.0.3.17"], "wanted a URL such as tcp://10.0.3.17"),
        (["tpc://10.0.3.17"], "did you mean 'tcp'"),
        (["tcp://127.0.0.1:1", "--address", "hr:x"], "cannot use --address"),
    ],
)
def test_what_cannot_be_asked(arguments, said, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert said in str(probe(*arguments).exception)


@pytest.mark.parametrize("option", [["--expect", "x"], ["--expect", "5..1"], ["--units", "1..400"], ["--units", "a"]])
def test_options_that_cannot_be_read(option) -> None:
    assert probe("tcp://127.0.0.1:1", *option).exit_code == 2


def test_all_refused_says_where_else_to_look(plc) -> None:
    done = probe(plc.url, "--address", "hr:500", "--count", "2")
    assert "The device refuses all of it: another table (--address ir:500), another --unit? To find out what is" in (
        done.stdout
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["tcp://127.0.0.1"], "wanted such as: historian probe modbus tcp://10.0.3.17"),
        (["opcua", "mixer"], "historian browse SERVER"),
        (["modbus", "10.0.3.17"], "did you mean 'tcp://10.0.3.17'?"),
        (["modbus", "boiller"], "did you mean 'boiler'?"),
        (["modbus", "boiler", "--timeout", "0s"], "nothing is answered in no time"),
    ],
)
def test_what_cannot_be_probed(arguments, said, tmp_path) -> None:
    path = write(tmp_path, SETTINGS)
    done = CliRunner().invoke(historian, ["probe", *arguments, "--config", str(path)])
    assert said in f"{done.exception} {done.stderr}"


def test_no_device(free_port) -> None:
    done = probe(f"tcp://127.0.0.1:{free_port}")
    assert done.exit_code == 1
    assert "the connection was refused" in str(done.exception)


# --- a scan


def test_a_scan_finds_units_and_ranges_and_warns_first(plc) -> None:
    done = probe(plc.url, "--scan", "--units", "1..5,9", "--until", "400", "--pause", "0s")
    assert done.exit_code == 0, done.output
    assert "it is a plant's network" in done.stderr
    rows = [line.split() for line in done.stdout.splitlines()]
    assert rows[0] == ["unit", "table", "first", "last", "cells"]
    assert ["1", "hr", "hr:0", "hr:299", "300"] in rows
    assert ["4", "ir", "ir:0", "ir:299", "300"] in rows
    assert ["4", "coil", "coil:0", "coil:399", "400"] in rows
    assert {row[0] for row in rows[1:] if len(row) == 5} == {"1", "4"}


def test_a_scan_that_runs_out_of_requests_says_so(plc) -> None:
    done = probe(plc.url, "--scan", "--units", "1", "--most", "3", "--pause", "0s", "--format", "json")
    assert "not finished, 3 requests are used up" in done.stderr
    assert json.loads(done.stdout) == [{"unit": 1, "table": "hr", "first": "hr:0", "last": "hr:124", "cells": 125}]


def test_what_was_not_looked_at_is_not_called_unreadable(plc) -> None:
    done = probe(plc.url, "--scan", "--units", "1,4", "--most", "4", "--pause", "0s")
    lines = done.stdout.splitlines()
    assert "unit 4 answers, and not all of it was looked at" in lines
    assert lines[-1] == "4 requests"


def test_an_interrupted_scan_shows_what_it_found(plc) -> None:
    def wait_or_be_interrupted(request: Request) -> Iterable[bytes]:
        if request.function == 4:
            raise_signal(SIGINT)
        return device(request)

    plc.script = wait_or_be_interrupted
    done = probe(plc.url, "--scan", "--units", "1", "--pause", "0s", "--until", "100")
    assert done.exit_code != 0
    assert ["1", "hr", "hr:0", "hr:99", "100"] in [line.split() for line in done.stdout.splitlines()]
    assert "unit 1 answers, and not all of it was looked at" in done.stdout


def test_a_scan_that_finds_nobody(plc) -> None:
    done = probe(plc.url, "--scan", "--units", "20..40", "--pause", "0s")
    assert done.exit_code == 1
    assert "none of the units 20 to 40 answers there" in done.stderr
    assert done.stdout == "21 requests\n"
