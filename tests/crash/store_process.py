"""Starting the processes that crash, and looking at the files they leave."""

from __future__ import annotations

import os
from pathlib import Path

from storage import names

TESTS = Path(__file__).parent.parent


def environment() -> dict[str, str]:
    """This process's, so that a script finds the tests' modules."""
    known = os.environ.get("PYTHONPATH", "")
    folders = [str(TESTS), *([known] if known else [])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(folders)}


def files_on_disk(folder: Path) -> set[str]:
    """Every file there is below the store's samples, finished or not."""
    samples = folder / names.ARCHIVE / names.SAMPLES
    return {str(path) for path in samples.rglob("*") if path.is_file()}
