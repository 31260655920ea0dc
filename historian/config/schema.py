"""The sections of ``historian.toml`` as pydantic reads them: names, types, limits and defaults of every key.

The description of a field says what is wanted there, in the words of the fault that a person sees.  What is found here
becomes the frozen objects of :mod:`historian.config.settings` in :mod:`historian.config.sections`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeGuard, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from historian.config import duration, source_url
from historian.config.byte_size import UNITS_BYTES, parse_byte_size
from historian.config.deviation import WANTED as DEVIATION_WANTED
from historian.config.deviation import check_deviation
from historian.config.duration import parse_duration
from historian.config.modbus_type import ByteOrder
from historian.config.modbus_url import WANTED as MODBUS_WANTED
from historian.config.modbus_url import parse_modbus_url
from historian.config.nearest import one_of, shown
from historian.config.settings import (
    CompactionSettings,
    Configuration,
    Deadband,
    HealthSettings,
    ModbusSource,
    NetworkEndpoint,
    OpcUaMode,
    OpcUaSource,
    SecurityMode,
    SecurityPolicy,
    ShadowSettings,
    StoreSettings,
    ThinningSettings,
)
from historian.errors import UnusableValueError

# The defaults are those of the settings' classes, which have them for tests and other callers too.
_STORE: Final = StoreSettings(Path())
_MODBUS: Final = ModbusSource("", "", NetworkEndpoint("", 0))
_OPCUA: Final = OpcUaSource("", "")
_COMPACTION: Final = CompactionSettings()
_THINNING: Final = ThinningSettings(0)
_SHADOW: Final = ShadowSettings()
_HEALTH: Final = HealthSettings()
PKI: Final = "pki"
"""The folder of certificates beside the configuration."""

_CONFIGURATION: Final = Configuration(Path(), _STORE, {}, {}, ())


FEW_SECONDS: Final = 60
"""A number without a unit below this is probably of seconds, as other programs have them."""

_LIKELY_US: Final = {"ms": 1_000, "s": 1_000_000}


def _text(value: object, wanted: str, hint: str = "") -> str:
    if not isinstance(value, str):
        raise UnusableValueError(shown(value), wanted, hint)
    return value


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _likely(value: float, lowest: str, highest: str | None) -> str:
    """The value with the unit that it may have: seconds when there are few, or milliseconds too, as far as allowed."""
    most_us = float("inf") if highest is None else parse_duration(highest)
    is_allowed = {unit: parse_duration(lowest) <= value * size <= most_us for unit, size in _LIKELY_US.items()}
    if not is_allowed["ms"] or (is_allowed["s"] and value < FEW_SECONDS):
        return f'"{value}s"'
    return f'"{value}ms" or "{value}s"' if is_allowed["s"] else f'"{value}ms"'


def _duration_from(lowest: str, highest: str | None = None) -> BeforeValidator:
    """A duration in quotes, from ``lowest`` to ``highest``, as microseconds."""

    def read(value: object) -> int:
        hint = f"it needs a unit and quotes: {_likely(value, lowest, highest)}" if _is_number(value) else ""
        text = _text(value, f"{duration.WANTED}, in quotes", hint)
        microseconds = parse_duration(text)
        if microseconds < parse_duration(lowest):
            raise UnusableValueError(shown(text), f"{lowest} or more")
        if highest is not None and microseconds > parse_duration(highest):
            raise UnusableValueError(shown(text), f"at most {highest}")
        return microseconds

    return BeforeValidator(read)


def _read_text(parse: Callable[[str], Any], wanted: str) -> BeforeValidator:
    return BeforeValidator(lambda value: parse(_text(value, wanted)))


def _memory(text: str) -> int:
    size = parse_byte_size(text)
    if size < 16 * UNITS_BYTES["MiB"]:
        raise UnusableValueError(shown(text), "16MiB or more")
    return size


def _archive_size(text: str) -> int:
    size = parse_byte_size(text)
    if size < UNITS_BYTES["MB"]:
        raise UnusableValueError(shown(text), "1MB or more")
    return size


def _share(text: str) -> float:
    try:
        percent = float(text.removesuffix("%").strip()) if text.endswith("%") else -1.0
    except ValueError:
        percent = -1.0
    if not 0 <= percent <= 100:
        raise UnusableValueError(shown(text), "a percentage from 0% to 100%, in quotes")
    return percent / 100


def _part_of_a_day(microseconds: int) -> int:
    """A duration of which a day has a whole number, so that no average lies across midnight."""
    if duration.UNITS_US["d"] % microseconds:
        wanted = "a duration of which a day has a whole number, such as 10s, 1m, 15m or 1h"
        raise UnusableValueError(duration.format_duration(microseconds), wanted)
    return microseconds


def _path(text: str) -> str:
    r"""A path; an escape such as ``\t`` in it is a Windows path that TOML has changed without a word."""
    if text and text.isprintable():
        return text
    hint = "" if text.isprintable() else r"put Windows paths in single quotes: 'C:\data\store'"
    raise UnusableValueError(shown(text), "a path without invisible characters", hint)


def _deviation(value: object) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    return check_deviation(_text(value, DEVIATION_WANTED))


def _variable(text: str) -> str:
    """The name of an environment variable; what is none may be the password itself and is not repeated."""
    if not text.isascii() or not text.isidentifier():
        raise UnusableValueError("something else", "the name of an environment variable such as MIXER_PASSWORD")
    return text


def _default_duration(value: object) -> str:
    text = _text(value, f"{duration.WANTED}, in quotes")
    parse_duration(text)
    return text


def _one_of_names(names: Any) -> str:  # noqa: ANN401 - a Literal is no type to mypy
    """What is wanted where one of the names of a Literal is."""
    return one_of(f'"{name}"' for name in get_args(names))


PathText = Annotated[str, _read_text(_path, "a path in quotes")]
DefaultDeviation = Annotated[str, BeforeValidator(_deviation)]
DefaultDuration = Annotated[str, BeforeValidator(_default_duration)]


class Section(BaseModel):
    """What all sections share: no unknown keys, and no text taken for a number."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Root(Section):
    """The file's top level; the sections' insides are read one by one, so that one fault hides no other."""

    tag_files: list[PathText] = Field(min_length=1, description='a list of tag lists, such as ["tags.csv"]')
    store: dict[str, Any] = Field(description="the section [store]")
    scan_classes: dict[str, Any] = Field(min_length=1, description="a section [scan_classes.NAME] for each rate")
    sources: dict[str, Any] = Field(min_length=1, description="a section [sources.NAME] for each device or server")
    defaults: dict[str, Any] = Field(default_factory=dict, description="the section [defaults]")
    limits: dict[str, Any] = Field(default_factory=dict, description="the section [limits]")
    compaction: dict[str, Any] = Field(default_factory=dict, description="the section [compaction]")
    retention: dict[str, Any] = Field(default_factory=dict, description="the section [retention]")
    shadow: dict[str, Any] = Field(default_factory=dict, description="the section [shadow]")
    health: dict[str, Any] = Field(default_factory=dict, description="the section [health]")
    pki: PathText = PKI


class StoreSection(Section):
    """``[store]``: where the samples go, and when."""

    path: PathText = Field(description="a path in quotes")
    commit: Annotated[int, _duration_from("10ms", "1s")] = _STORE.commit_us
    flush_rows: int = Field(_STORE.flush_rows, ge=1, description="a whole number of samples, 1 or more")
    flush_after: Annotated[int, _duration_from("1s")] = _STORE.flush_us
    memory_limit: Annotated[int, _read_text(_memory, "a size in quotes such as 256MiB")] = _STORE.memory_limit_bytes


class ScanClassSection(Section):
    """``[scan_classes.NAME]``: a rate."""

    rate: Annotated[int, _duration_from("10ms")] = Field(description="how often to read, such as 1s")
    phase: Annotated[int, _duration_from("0")] = 0


class ModbusSection(Section):
    """``[sources.NAME]`` with ``protocol = "modbus"``."""

    protocol: Literal["modbus"] = Field(description='"modbus"')
    url: Annotated[str, _read_text(lambda text: parse_modbus_url(text) and text, "a URL in quotes")] = Field(
        description=f"a URL in quotes: {MODBUS_WANTED}"
    )
    unit: int = Field(_MODBUS.unit, ge=0, le=255, description="a whole number from 0 to 255")
    timeout: Annotated[int, _duration_from("10ms", "1h")] = _MODBUS.timeout_us
    max_registers: int = Field(_MODBUS.max_registers, ge=1, le=125, description="a whole number from 1 to 125")
    max_bits: int = Field(_MODBUS.max_bits, ge=1, le=2000, description="a whole number from 1 to 2000")
    max_gap: int | None = Field(_MODBUS.max_gap, ge=0, le=124, description="a whole number of registers from 0 to 124")
    one_by_one: bool = Field(_MODBUS.one_by_one, description="true or false")
    byte_order: ByteOrder = Field(_MODBUS.byte_order, description=_one_of_names(ByteOrder))
    in_flight: int = Field(_MODBUS.in_flight, ge=1, le=16, description="a whole number of requests from 1 to 16")
    connect_pause: Annotated[int, _duration_from("0s", "1m")] = _MODBUS.connect_pause_us
    request_pause: Annotated[int, _duration_from("0s", "1m")] = _MODBUS.request_pause_us
    trusted_certificates: PathText | None = None
    server_name: str | None = Field(None, min_length=1, description="a name in quotes")
    certificate: PathText | None = None
    private_key: PathText | None = None
    private_key_password_env: Annotated[str, _read_text(_variable, "a name in quotes")] | None = None
    private_key_password_file: PathText | None = None


class OpcUaSection(Section):
    """``[sources.NAME]`` with ``protocol = "opcua"``."""

    protocol: Literal["opcua"] = Field(description='"opcua"')
    url: Annotated[str, _read_text(source_url.parse_opcua_url, "a URL in quotes")] = Field(
        description=f'"{source_url.OPCUA_WANTED}"'
    )
    mode: OpcUaMode = Field(_OPCUA.mode, description=_one_of_names(OpcUaMode))
    sampling: Annotated[int, _duration_from("1ms", "1h")] | None = None
    queue_size: int = Field(_OPCUA.queue_size, ge=0, le=1_000_000, description="a whole number of values, 0 or more")
    deadband: Deadband = Field(_OPCUA.deadband, description=_one_of_names(Deadband))
    backfill: bool = Field(_OPCUA.backfill, description="true or false")
    backfill_limit: Annotated[int, _duration_from("1m")] = _OPCUA.backfill_limit_us
    timeout: Annotated[int, _duration_from("10ms", "1h")] = _OPCUA.timeout_us
    user: str | None = Field(None, min_length=1, description="a user name in quotes")
    password_env: Annotated[str, _read_text(_variable, "a name in quotes")] | None = None
    password_file: PathText | None = None
    timestamps: Literal["source", "server", "arrival"] = Field(
        _OPCUA.timestamps, description='"source", "server" or "arrival"'
    )
    max_skew: Annotated[int, _duration_from("1ms")] = _OPCUA.max_skew_us
    security_policy: SecurityPolicy = Field(_OPCUA.security.policy, description=_one_of_names(SecurityPolicy))
    security_mode: SecurityMode = Field(_OPCUA.security.mode, description=_one_of_names(SecurityMode))
    trust_on_first_use: bool = Field(_OPCUA.security.trust_on_first_use, description="true or false")
    certificate: PathText | None = None
    private_key: PathText | None = None
    user_certificate: PathText | None = None
    user_private_key: PathText | None = None


class DefaultsSection(Section):
    """``[defaults]``: what a blank cell of a tag list means, as text, because a percentage needs the tag's span."""

    exc_dev: DefaultDeviation | None = None
    exc_min: DefaultDuration | None = None
    exc_max: DefaultDuration | None = None
    comp_dev: DefaultDeviation | None = None
    comp_min: DefaultDuration | None = None
    comp_max: DefaultDuration | None = None
    compression: Literal["lookahead", "door"] = Field("lookahead", description='"lookahead" or "door"')


class LimitsSection(Section):
    """``[limits]``: how far a sample's time may lie from now before it is quarantined."""

    future: Annotated[int, _duration_from("1s")] = _CONFIGURATION.future_limit_us
    past: Annotated[int, _duration_from("1s")] = _CONFIGURATION.past_limit_us


class CompactionSection(Section):
    """``[compaction]``: when small files of the archive become large ones, and how gently."""

    enabled: bool = Field(_COMPACTION.enabled, description="true or false")
    settle: Annotated[int, _duration_from("0", "30d")] = _COMPACTION.settle_us
    cpu_percent: int = Field(
        round(_COMPACTION.share * 100), ge=1, le=100, description="a whole number of percent from 1 to 100"
    )


class RetentionSection(Section):
    """``[retention]``: which samples of the archive go."""

    keep: Annotated[int, _duration_from("1d")] | None = None
    max_bytes: Annotated[int, _read_text(_archive_size, "a size in quotes such as 200GiB")] | None = None
    groups: dict[str, Any] | None = Field(None, description="a section [retention.groups.NAME] for each group")
    thinning: dict[str, Any] | None = Field(None, description="the section [retention.thinning]")


class ShadowSection(Section):
    """``[shadow]``: raw samples that are kept as a proof of what compression promises."""

    share: Annotated[float, _read_text(_share, 'a percentage in quotes such as "1%"')] | None = None
    tags: list[str] | None = Field(None, description='a list of tag names or patterns, such as ["FIC*", "TIC205.PV"]')
    keep: Annotated[int, _duration_from("1h", "366d")] = _SHADOW.keep_us
    max_bytes: Annotated[int, _read_text(_archive_size, "a size in quotes such as 500MB")] = _SHADOW.max_bytes


class HealthSection(Section):
    """``[health]``: what the historian records of itself."""

    tags: bool = Field(_HEALTH.tags, description="true or false")


class RetentionGroupSection(Section):
    """``[retention.groups.NAME]``: an age of their own for some tags."""

    tags: list[str] = Field(min_length=1, description='a list of tag names or patterns, such as ["FIC*", "*.SP"]')
    keep: Annotated[int, _duration_from("1d")] = Field(description="how long to keep them, such as 90d")


class ThinningSection(Section):
    """``[retention.thinning]``: averages are kept of what is old."""

    after: Annotated[int, _duration_from("1d")] = Field(description="the age from which there are averages")
    every: Annotated[int, AfterValidator(_part_of_a_day), _duration_from("1s", "1d")] = _THINNING.every_us
