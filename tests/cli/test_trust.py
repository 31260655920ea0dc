"""``historian trust`` as a person types it, beside a server that nobody has accepted yet."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from asyncua import ua

from conformance.opcua_servers import AsyncuaServer
from endtoend.commandline import historian
from support.plant_files import HEADER


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    server = AsyncuaServer(ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt)
    server.start()
    server.add("T1", 41.5, ua.VariantType.Double)
    (tmp_path / "historian.toml").write_text(f"""
        tag_files = ["tags.csv"]
        [store]
        path = "store"
        [scan_classes.fast]
        rate = "1s"
        [sources.mixer]
        protocol = "opcua"
        url = "opc.tcp://127.0.0.1:{server.port}"
        security_policy = "Basic256Sha256"
    """)
    (tmp_path / "tags.csv").write_text(f"{HEADER}\nT1,mixer,ns=2;s=T1,,fast{',' * 14}\n")
    yield tmp_path
    server.stop()


def test_a_server_is_met_accepted_and_removed(folder: Path) -> None:
    nothing = historian("trust", "list", folder=folder)
    assert (nothing.returncode, nothing.stdout) == (0, "")
    assert "no certificate" in nothing.stderr

    met = historian("check", "--connect", folder=folder)
    assert met.returncode == 1
    accept = re.search(r"historian (trust accept \w+)", met.stderr)
    assert accept, met.stderr
    listed = historian("trust", "list", folder=folder).stdout.splitlines()
    assert [line.split()[0] for line in listed] == ["state", "own", "waiting"]
    assert "urn:freeopcua:python:server" in listed[2]

    assert historian(*accept[1].split(), folder=folder).returncode == 0
    read = historian("check", "--connect", folder=folder)
    assert read.returncode == 0, read.stderr
    assert "41.5" in read.stdout

    digits = accept[1].split()[-1]
    assert historian("trust", "remove", digits, folder=folder).returncode == 0
    assert historian("check", "--connect", folder=folder).returncode == 1
    unknown = historian("trust", "remove", "0" * 20, folder=folder)
    assert unknown.returncode == 2
    assert "got no certificate" in unknown.stderr
