"""The configuration of the simulated plant, as a user would write it: ``historian.toml`` and ``tags.csv``."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from collectors.simulator.points import BOILER, MIXER, POINTS, Point

COLUMNS: Final = (
    "tag", "source", "address", "type", "scan_class", "units", "description", "scale", "offset", "low", "high", "step",
    "exc_dev", "exc_min", "exc_max", "comp_dev", "comp_min", "comp_max", "enum",
)  # fmt: skip

_SETTINGS: Final = """\
# A simulated plant on this machine: a boiler that speaks Modbus TCP and a mixer that speaks OPC UA.
tag_files = ["tags.csv"]

[store]
path = "store"

[scan_classes.fast]
rate = "200ms"

[scan_classes.slow]
rate = "1s"

[sources.{boiler}]
protocol = "modbus"
url = "{boiler_url}"
unit = 1
timeout = "800ms"

[sources.{mixer}]
protocol = "opcua"
url = "{mixer_url}"
mode = "poll"
"""


def write_user_files(folder: Path, boiler_url: str, mixer_url: str) -> Path:
    """Write both files into ``folder`` and return the path of ``historian.toml``."""
    settings = folder / "historian.toml"
    text = _SETTINGS.format(boiler=BOILER, boiler_url=boiler_url, mixer=MIXER, mixer_url=mixer_url)
    settings.write_text(text, encoding="utf-8")
    with (folder / "tags.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(_row(point) for point in POINTS)
    return settings


def _row(point: Point) -> dict[str, str]:
    return {
        "tag": point.name,
        "source": point.source,
        "address": point.address,
        # An OPC UA server tells the types of its nodes.
        "type": point.type_ if point.source == BOILER else "",
        "scan_class": point.scan_class,
        "units": point.units,
        "description": point.description,
        "scale": _number(point.scale),
        "low": _number(point.low),
        "high": _number(point.high),
        "step": "yes" if point.step else "",
        "exc_dev": point.exc_dev,
        "exc_max": "1m" if point.exc_dev else "",
        "comp_dev": point.comp_dev,
        "comp_max": "8h" if point.comp_dev else "",
        "enum": _texts(point.enumeration),
    }


def _number(number: float | None) -> str:
    return "" if number is None else f"{number:g}"


def _texts(enumeration: Mapping[int, str] | None) -> str:
    return "" if enumeration is None else "|".join(enumeration[code] for code in sorted(enumeration))
