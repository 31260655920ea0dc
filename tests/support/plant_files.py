"""A small configuration on disk, for tests that change one thing in it."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from historian.config.load import load_configuration
from historian.errors import ConfigurationError, Fault

SETTINGS = """\
tag_files = ["tags.csv"]
[store]
path = "store"
[scan_classes.fast]
rate = "1s"
[scan_classes.slow]
rate = "10s"
phase = "500ms"
[sources.boiler]
protocol = "modbus"
url = "tcp://127.0.0.1:5020"
unit = 1
timeout = "800ms"
[sources.mixer]
protocol = "opcua"
url = "opc.tcp://127.0.0.1:4840/plant"
mode = "poll"
"""

HEADER = (
    "tag,source,address,type,scan_class,units,description,scale,offset,low,high,step,"
    "exc_dev,exc_min,exc_max,comp_dev,comp_min,comp_max,enum"
)

TAGS = f"""\
{HEADER}
FIC101.PV,boiler,hr:100,float32:CDAB,fast,m3/h,feed flow,,,0,120,,0.1%,,,0.25,,8h,
XV101.OPEN,boiler,coil:3,bool,fast,,inlet valve,,,,,yes,,,,,,,closed|open
TIC205.PV,mixer,ns=2;s=TIC205.PV,,slow,degC,jacket,,,0,300,,,,,0.5%,,,
"""


def write(folder: Path, settings: str = SETTINGS, tags: str | bytes = TAGS) -> Path:
    """Both files in ``folder``; returns the path of historian.toml."""
    path = folder / "historian.toml"
    path.write_text(settings, encoding="utf-8", newline="")
    content = tags.encode() if isinstance(tags, str) else tags
    (folder / "tags.csv").write_bytes(content)
    return path


def row(**cells: str) -> str:
    """A line of a tag list: a good Modbus tag, with some cells changed."""
    good = {"tag": "T", "source": "boiler", "address": "hr:0", "scan_class": "fast"} | cells
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(good.get(column, "") for column in HEADER.split(","))
    return line.getvalue()


def faults(path: Path) -> tuple[Fault, ...]:
    """The faults of a configuration; fails when it has none."""
    with pytest.raises(ConfigurationError) as caught:
        load_configuration(path)
    return caught.value.faults
