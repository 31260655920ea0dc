"""Options that several commands share, so that they mean the same everywhere."""

from __future__ import annotations

import getpass
import time
from collections.abc import Callable
from datetime import tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from historian.errors import UnusableValueError, UsageError

if TYPE_CHECKING:
    from storage.reader import StoreReader

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])

CONFIG_VARIABLE: Final = "HISTORIAN_CONFIG"
CONFIG_NAME: Final = "historian.toml"

config_option = click.option(
    "--config", "config_path", type=click.Path(path_type=Path), default=Path(CONFIG_NAME), show_default=True,
    envvar=CONFIG_VARIABLE, show_envvar=True, help="The configuration file.",
)  # fmt: skip

store_option = click.option(
    "--store", "store_path", type=click.Path(path_type=Path), default=None,
    help="The store's folder; without it, the one the configuration names.",
)  # fmt: skip


def report_format_option(what: str) -> Callable[[FunctionT], FunctionT]:
    """``--format`` of a report: a table for people, or JSON."""
    return click.option(
        "--format", "format_", type=click.Choice(["table", "json"]), default="table", show_default=True,
        help=f"How to write {what}.",
    )  # fmt: skip


class TimeZone(click.ParamType[tzinfo]):
    """A time zone by its IANA name."""

    name = "zone"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tzinfo:  # noqa: ANN401 - click's
        """The zone called ``value``."""
        # Imported here, so that --help does not wait for it.
        from historian.retrieval.time_range import find_zone  # noqa: PLC0415 - as above

        if isinstance(value, tzinfo):
            return value
        try:
            return find_zone(value)
        except UnusableValueError as error:
            self.fail(str(error), param, ctx)


tz_option = click.option(
    "--tz", "zone", type=TimeZone(), default="UTC", show_default=True,
    help="Time zone of times without one, and of times shown; IANA name such as Europe/Berlin.",
)  # fmt: skip


def _reason(ctx: click.Context, param: click.Parameter, text: str) -> str:
    if not text.strip():
        raise click.BadParameter("it is empty; say why, in a few words for those who read the audit", ctx, param)
    return text.strip()


def person() -> str:
    """Who is at the keyboard, for the audit."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a service account need not have a name
        return "unknown"


reason_option = click.option(
    "--reason", required=True, callback=_reason, help="Why, for those who read the audit.",
)  # fmt: skip

who_option = click.option("--who", default=person, help="Who wants it, for the audit.  [default: the user's name]")


def read_range(start: str | None, end: str | None, zone: tzinfo, *, first: str | None = None) -> tuple[int | None, int]:
    """``--start`` and ``--end`` in microseconds since 1970 UTC; without an end now, without a start ``first`` or None.

    Raises UsageError naming the option that cannot be read, or for a start that is not before the end.
    """
    # Imported here, so that --help does not wait for it.
    from historian.retrieval.time_range import TimeRange  # noqa: PLC0415 - as above

    now_us = time.time_ns() // 1000
    end_us = now_us if end is None else read_time("--end", end, now_us, zone)
    start = first if start is None else start
    if start is None:
        return None, end_us
    span = TimeRange(read_time("--start", start, now_us, zone), end_us)
    return span.start_us, span.end_us


def read_time(option: str, text: str, now_us: int, zone: tzinfo) -> int:
    """The time that an option says, in microseconds since 1970 UTC.  Raises UsageError naming the option."""
    from historian.retrieval.time_range import parse_time  # noqa: PLC0415 - as above

    try:
        return parse_time(text, now_us, zone)
    except UnusableValueError as error:
        raise UsageError(f"cannot use {option}: {error}") from error


def find_store(store_path: Path | None, config_path: Path) -> Path:
    """The store's folder: as ``--store`` says, else as the configuration does.

    Raises ConfigurationError for a configuration that cannot be read, UsageError when there is neither.
    """
    if store_path is not None:
        return store_path
    if not config_path.exists():
        raise UsageError(
            f"cannot find the store: there is no configuration {config_path}; name one with --config, or the store's "
            "folder with --store"
        )
    # Imported here, because --store needs no configuration.
    from historian.config.load import store_path as configured_path  # noqa: PLC0415 - as above

    return configured_path(config_path)


def open_store(store_path: Path | None, config_path: Path) -> StoreReader:
    """The store of a command that reads, open; see :func:`find_store` and :meth:`StoreReader.open` for the errors."""
    # Imported here, so that --help does not wait for Arrow.
    from storage.reader import StoreReader  # noqa: PLC0415 - as above

    return StoreReader.open(find_store(store_path, config_path))
