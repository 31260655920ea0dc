"""What tests end to end share: a configuration for a simulated plant that runs as long as the test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from collectors.simulator.plant import Plant


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """The folder of that configuration; tests that want another plant have a fixture of this name of their own."""
    with Plant() as plant:
        plant.write_configuration(tmp_path)
        yield tmp_path
