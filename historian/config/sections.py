"""From the data of ``historian.toml`` to settings; every fault goes into a list with its key and line."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from historian.config import schema
from historian.config.document import TomlDocument, key_text
from historian.config.faults import FaultList, Where
from historian.config.modbus_source import modbus_faults, modbus_source, other_lines
from historian.config.nearest import did_you_mean, nearest, one_of, shown
from historian.config.settings import (
    CompactionSettings,
    HealthSettings,
    OpcUaSecurity,
    OpcUaSource,
    RetentionGroup,
    RetentionSettings,
    ScanClass,
    ShadowSettings,
    SourceSettings,
    StoreSettings,
    ThinningSettings,
)
from historian.errors import UnusableValueError

SectionT = TypeVar("SectionT", bound=schema.Section)

PROTOCOLS: Final = ("modbus", "opcua")
MAX_NAME: Final = 64

_PASSWORD_KEYS: Final = ("password", "passwd", "pass", "pwd", "secret")


@dataclass(frozen=True, slots=True)
class Sections:
    """What the file says, as far as it could be read.

    ``store`` is None, and names are missing from ``scan_classes`` and ``sources``, where there were faults;
    ``scan_class_names`` and ``protocols`` (empty text where it is unknown) have all that the file declares, so that
    tags are not blamed for a fault of their source.
    """

    store: StoreSettings | None
    scan_classes: Mapping[str, ScanClass]
    scan_class_names: tuple[str, ...]
    sources: Mapping[str, SourceSettings]
    protocols: Mapping[str, str]
    defaults: Mapping[str, str]
    tag_files: tuple[str, ...]
    limits: schema.LimitsSection
    compaction: CompactionSettings
    retention: RetentionSettings
    pki: Path
    shadow: ShadowSettings
    health: HealthSettings


def read_sections(document: TomlDocument, faults: FaultList) -> Sections:
    """Everything in the file but the tags."""
    reader = _SectionReader(document, faults)
    reader.read(schema.Root, document.data, ())
    names = tuple(reader.tables("scan_classes"))
    return Sections(
        store=reader.store(),
        scan_classes=reader.scan_classes(),
        scan_class_names=names,
        sources=reader.sources(),
        protocols=reader.protocols(),
        defaults=reader.defaults(),
        tag_files=reader.tag_files(),
        limits=reader.read(schema.LimitsSection, reader.table("limits"), ("limits",)) or schema.LimitsSection(),
        compaction=reader.compaction(),
        retention=reader.retention(),
        shadow=reader.shadow(),
        health=reader.health(),
        pki=reader.pki(),
    )


class _SectionReader:
    """Reads one section after the other from a document and gathers the faults."""

    def __init__(self, document: TomlDocument, faults: FaultList) -> None:
        self._document = document
        self._faults = faults

    def table(self, name: str) -> Mapping[str, Any]:
        """A table of the top level; empty when it is missing or no table, which is told elsewhere."""
        value = self._document.data.get(name)
        return value if isinstance(value, dict) else {}

    def tables(self, name: str) -> dict[str, Mapping[str, Any]]:
        """The named tables inside a table, ``{}`` where something else stands in their place."""
        return {key: value if isinstance(value, dict) else {} for key, value in self.table(name).items()}

    def store(self) -> StoreSettings | None:
        section = self.read(schema.StoreSection, self.table("store"), ("store",)) if self.table("store") else None
        if section is None:
            if self._document.data.get("store") == {}:
                self.add(("store", "path"), "nothing", "a path in quotes")
            return None
        return StoreSettings(
            self._document.path.parent / section.path,
            section.commit, section.flush_rows, section.flush_after, section.memory_limit,
        )  # fmt: skip

    def scan_classes(self) -> dict[str, ScanClass]:
        classes = {}
        for name, value in self.table("scan_classes").items():
            key = ("scan_classes", name)
            self._check_name(name, key)
            section = self.read(schema.ScanClassSection, value, key)
            if section is None:
                continue
            if section.phase >= section.rate:
                self.add((*key, "phase"), shown(value["phase"]), f"less than the rate, {value['rate']}")
            classes[name] = ScanClass(name, section.rate, section.phase)
        return classes

    def protocols(self) -> dict[str, str]:
        """Of each source; a misspelt one counts as what it is probably meant to be, for the faults of its tags."""
        found = {name: value.get("protocol") for name, value in self.tables("sources").items()}
        return {name: _meant_protocol(protocol) or "" for name, protocol in found.items()}

    def sources(self) -> dict[str, SourceSettings]:
        sources = {}
        for name, value in self.table("sources").items():
            self._check_name(name, ("sources", name))
            source = self._source(name, value)
            if source is not None:
                sources[name] = source
        for name, wanted in other_lines(sources.values()):
            self.add(("sources", name, "url"), shown(sources[name].url), wanted)
        return sources

    def defaults(self) -> dict[str, str]:
        section = self.read(schema.DefaultsSection, self.table("defaults"), ("defaults",))
        return {} if section is None else section.model_dump(exclude_none=True)

    def compaction(self) -> CompactionSettings:
        section = self.read(schema.CompactionSection, self.table("compaction"), ("compaction",))
        if section is None:
            return CompactionSettings()
        return CompactionSettings(section.enabled, section.settle, section.cpu_percent / 100)

    def shadow(self) -> ShadowSettings:
        """The section ``[shadow]``; without it nothing is shadowed, what was goes by the defaults."""
        value = self.table("shadow")
        if not value:
            return ShadowSettings()
        section = self.read(schema.ShadowSection, value, ("shadow",))
        if section is None:
            return ShadowSettings()
        return ShadowSettings(section.share or 0.0, tuple(section.tags or ()), section.keep, section.max_bytes)

    def health(self) -> HealthSettings:
        section = self.read(schema.HealthSection, self.table("health"), ("health",))
        return HealthSettings() if section is None else HealthSettings(section.tags)

    def retention(self) -> RetentionSettings:
        section = self.read(schema.RetentionSection, self.table("retention"), ("retention",))
        if section is None:
            return RetentionSettings()
        groups = [self._retention_group(name, value) for name, value in (section.groups or {}).items()]
        key = ("retention", "thinning")
        thinning = None if section.thinning is None else self.read(schema.ThinningSection, section.thinning, key)
        return RetentionSettings(
            section.keep, section.max_bytes, tuple(group for group in groups if group is not None),
            None if thinning is None else ThinningSettings(thinning.after, thinning.every),
        )  # fmt: skip

    def pki(self) -> Path:
        """The folder of certificates; its default where the key is wrong, which is told elsewhere."""
        value = self._document.data.get("pki")
        return self._document.path.parent / (value if isinstance(value, str) and value.isprintable() else schema.PKI)

    def _retention_group(self, name: str, value: object) -> RetentionGroup | None:
        key = ("retention", "groups", name)
        self._check_name(name, key)
        section = self.read(schema.RetentionGroupSection, value, key)
        return None if section is None else RetentionGroup(name, tuple(section.tags), section.keep)

    def tag_files(self) -> tuple[str, ...]:
        value = self._document.data.get("tag_files")
        names = [name for name in value if isinstance(name, str)] if isinstance(value, list) else []
        for number, name in enumerate(names):
            if name in names[:number]:
                self.add(("tag_files", number), shown(name), "each tag list once")
        return tuple(dict.fromkeys(names))

    def read(self, model: type[SectionT], value: object, key: Sequence[str]) -> SectionT | None:
        """The section, or None after telling each of its faults."""
        if not isinstance(value, dict):
            self.add(key, shown(value), f"a section [{key_text(key)}]")
            return None
        try:
            return model.model_validate(value)
        except ValidationError as error:
            for detail in error.errors(include_url=False):
                self._add_detail(model, detail, key)
            return None

    def add(self, key: Sequence[str | int], got: str, wanted: str, hint: str = "") -> None:
        """One fault at ``key``."""
        file = str(self._document.path)
        self._faults.add(Where(file, self._document.line(key), key_text(key)), got, wanted, hint)

    def _source(self, name: str, value: object) -> SourceSettings | None:
        key = ("sources", name)
        protocol = value.get("protocol") if isinstance(value, dict) else None
        if not isinstance(value, dict):
            self.add(key, shown(value), f"a section [{key_text(key)}]")
        elif protocol == "modbus":
            modbus = self.read(schema.ModbusSection, value, key)
            for fault in modbus_faults(value):
                self.add((*key, fault.key), fault.got, fault.wanted)
            return None if modbus is None else modbus_source(name, modbus, self._document.path.parent)
        elif protocol == "opcua":
            opcua = self.read(schema.OpcUaSection, value, key)
            self._check_password(value, key)
            self._check_security(value, key)
            return None if opcua is None else self._opcua_source(name, opcua)
        else:
            self._add_unknown_protocol(name, value, key)
        return None

    def _add_unknown_protocol(self, name: str, value: Mapping[str, Any], key: tuple[str, ...]) -> None:
        """The fault, and those that the section has besides if its protocol is what it is probably meant to be."""
        protocol = value.get("protocol")
        got = "nothing" if protocol is None else shown(protocol)
        hint = did_you_mean(protocol, PROTOCOLS) if isinstance(protocol, str) else ""
        self.add((*key, "protocol"), got, one_of(f'"{known}"' for known in PROTOCOLS), hint)
        meant = _meant_protocol(protocol)
        if meant is not None:
            self._source(name, {**value, "protocol": meant})

    def _opcua_source(self, name: str, section: schema.OpcUaSection) -> OpcUaSource:
        return OpcUaSource(
            name, section.url, section.mode, section.timeout, section.user, section.password_env,
            self._beside(section.password_file), section.timestamps, section.max_skew,
            OpcUaSecurity(
                section.security_policy, section.security_mode, self.pki(), section.trust_on_first_use,
                self._beside(section.certificate), self._beside(section.private_key),
                self._beside(section.user_certificate), self._beside(section.user_private_key),
            ),
            section.sampling or 0, section.queue_size, section.deadband, section.backfill, section.backfill_limit,
        )  # fmt: skip

    def _beside(self, path: str | None) -> Path | None:
        """A path of the configuration: relative ones begin where the file is."""
        return None if path is None else self._document.path.parent / path

    def _check_security(self, value: Mapping[str, Any], key: tuple[str, ...]) -> None:
        """A certificate comes with its private key, and a user in one way."""
        for one, other in (("certificate", "private_key"), ("user_certificate", "user_private_key")):
            for there, missing in ((one, other), (other, one)):
                if there in value and missing not in value:
                    self.add((*key, missing), "nothing", f"a path in quotes: {there} is of no use without it")
        if "user" in value and "user_certificate" in value:
            self.add((*key, "user_certificate"), "a second way to log in", "user or user_certificate, not both")

    def _check_password(self, value: Mapping[str, Any], key: tuple[str, ...]) -> None:
        """A user has a password from one place, and a password has a user."""
        ways = [way for way in ("password_env", "password_file") if way in value]
        if len(ways) == 2:
            self.add((*key, ways[1]), "a second place of the password", "password_env or password_file, not both")
        elif ways and "user" not in value:
            self.add((*key, "user"), "nothing", f"the user whose password {ways[0]} tells")
        elif "user" in value and not ways and not any(word in value for word in _PASSWORD_KEYS):
            self.add((*key, "user"), "a user without a password", "password_env or password_file beside it")

    def _check_name(self, name: str, key: tuple[str, ...]) -> None:
        if not name or not name.isprintable() or name != name.strip() or len(name) > MAX_NAME:
            wanted = f"a name of 1 to {MAX_NAME} visible characters, no spaces around it"
            self.add(key, shown(name), wanted)

    def _add_detail(self, model: type[schema.Section], detail: ErrorDetails, key: Sequence[str]) -> None:
        """One error of pydantic in our words: what the field's description or our own reader says is wanted."""
        place: tuple[str | int, ...] = (*key, *detail["loc"])
        error = detail.get("ctx", {}).get("error")
        if isinstance(error, UnusableValueError):
            self.add(place, error.got, error.wanted, error.hint)
        elif detail["type"] == "extra_forbidden":
            self._add_unknown_key(model, place)
        else:
            field = model.model_fields[str(detail["loc"][0])]
            got = "nothing" if detail["type"] == "missing" else shown(detail["input"])
            wanted = field.description or "a value of another kind"
            self.add(place, got, wanted, _nearest_key(model, detail))

    def _add_unknown_key(self, model: type[schema.Section], place: tuple[str | int, ...]) -> None:
        word = str(place[-1])
        if word in _PASSWORD_KEYS and model is schema.OpcUaSection:
            wanted = "no password in the file"
            variable = re.sub(r"\W", "_", str(place[1]).upper(), flags=re.ASCII)
            hint = f'write password_env = "{variable}_PASSWORD" to take it from the environment, or password_file'
            self.add(place, "a password", wanted, hint)
        else:
            known = list(model.model_fields)
            self.add(place, "an unknown key", one_of(known), did_you_mean(word, known))


def _meant_protocol(protocol: object) -> str | None:
    return nearest(protocol, PROTOCOLS) if isinstance(protocol, str) else None


def _nearest_key(model: type[schema.Section], detail: ErrorDetails) -> str:
    """For a missing key: the unknown one beside it that was probably meant to be it is told by itself."""
    if detail["type"] != "missing" or not isinstance(detail["input"], dict):
        return ""
    unknown = [str(key) for key in detail["input"] if key not in model.model_fields]
    meant = did_you_mean(str(detail["loc"][-1]), unknown)
    return meant.replace("did you mean", "is it").replace("?", ", misspelt?") if meant else ""
