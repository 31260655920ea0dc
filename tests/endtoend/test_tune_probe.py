"""``historian tune --probe`` on the simulated plant: reads the sources, and leaves nothing behind."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from collectors.simulator.plant import Plant
from endtoend.commandline import historian

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.skipif(sys.platform == "win32", reason="the simulated plant sends POSIX signals"),
]


def test_a_probe(tmp_path, monkeypatch):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    with Plant() as plant:
        settings = plant.write_configuration(tmp_path)
        # As fast as it goes, so that a few seconds are enough samples.
        text = re.sub(r'rate = "\w+"', 'rate = "10ms"', settings.read_text(encoding="utf-8"))
        settings.write_text(text, encoding="utf-8")
        before = files_of(tmp_path)
        done = historian("tune", "--probe", "6s", "FI*", "P101.RUN", "--format", "json", folder=tmp_path, timeout_s=60)
    assert done.returncode == 0, done.stderr
    assert "reading 7 tags for 6s" in done.stderr
    found = {row["tag"]: row for row in json.loads(done.stdout)}
    assert found["P101.RUN"]["reason"] == "step"
    flow = found["FIC101.PV"]
    # Nothing was left out on the way, although the list says so.
    assert flow["samples"] >= 30
    assert files_of(tmp_path) == before
    assert list(temporary.iterdir()) == []


def files_of(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if "temporary" not in path.parts}
