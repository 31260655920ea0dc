"""A broken promise of compression in words, for ``historian status`` and the log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def broken_text(row: Mapping[str, Any]) -> str:
    """A broken promise for people."""
    what = f"{row['missing']:,} raw samples have no stored ones beside them" if row["missing"] else (
        f"what is stored is {row['error']:.4g} from what was scanned"
    )  # fmt: skip
    return f"compression broke its promise for {row['tag']}: {what}, promised {row['promise']:.4g}"
