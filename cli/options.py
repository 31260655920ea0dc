"""Options that several commands share, so that they mean the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

CONFIG_VARIABLE: Final = "HISTORIAN_CONFIG"

config_option = click.option(
    "--config", "config_path", type=click.Path(path_type=Path), default=Path("historian.toml"), show_default=True,
    envvar=CONFIG_VARIABLE, show_envvar=True, help="The configuration file.",
)

store_option = click.option(
    "--store", "store_path", type=click.Path(path_type=Path), default=None,
    help="The store's folder; without it, the one the configuration names.",
)
