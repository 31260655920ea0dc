"""The columns of a tag list, in the order in which ``historian init`` writes them."""

from __future__ import annotations

from typing import Final

COLUMNS: Final = (
    "tag", "source", "address", "type", "scan_class", "units", "description", "scale", "offset", "low", "high", "step",
    "exc_dev", "exc_min", "exc_max", "comp_dev", "comp_min", "comp_max", "enum",
)  # fmt: skip

REQUIRED: Final = ("tag", "source", "address", "scan_class")
"""Columns that every list has, and no cell of which is blank."""

NUMERIC: Final = (
    "scale", "offset", "low", "high", "exc_dev", "exc_min", "exc_max", "comp_dev", "comp_min", "comp_max",
)  # fmt: skip
"""Columns in which spreadsheets of many countries write a decimal comma."""
