"""Which sources are read together, and how many workers a configuration needs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.workers.placement import connection_of, load_of, workers_wanted
from historian.config.settings import ModbusSource, NetworkEndpoint, OpcUaSource, SourceSettings
from historian.model.scan import ScanGroup
from historian.model.tag import Tag

SECOND = 1_000_000


def modbus(name: str, url: str = "tcp://plc:502", unit: int = 1) -> ModbusSource:
    return ModbusSource(name, url, NetworkEndpoint(url.removeprefix("tcp://").removesuffix(":502"), 502), unit)


def opcua(name: str) -> OpcUaSource:
    return OpcUaSource(name, "opc.tcp://server:4840")


def group(source: str, tags: int, rate_us: int = SECOND) -> ScanGroup:
    tag = Tag("T", source, "hr:0", "fast")
    return ScanGroup(0, source, "fast", rate_us, 0, (tag,) * tags)


def test_units_behind_one_gateway_have_to_stay_together():
    assert connection_of(modbus("a", unit=1)) == connection_of(modbus("b", unit=2))
    assert connection_of(modbus("a")) != connection_of(modbus("b", "tcp://another:502"))


def test_opcua_sources_have_a_connection_each():
    assert connection_of(opcua("a")) != connection_of(opcua("b"))


def test_a_faster_rate_and_more_tags_are_more_load():
    slow = load_of(modbus("a"), [group("a", 100)])
    assert load_of(modbus("a"), [group("a", 100, SECOND // 10)]) == pytest.approx(10 * slow)
    assert load_of(modbus("a"), [group("a", 200)]) > slow
    assert load_of(modbus("a"), []) == 0


def test_a_small_plant_needs_no_worker():
    sources: dict[str, SourceSettings] = {"a": modbus("a"), "b": opcua("b")}
    assert workers_wanted(sources, [group("a", 500), group("b", 500)], 16) == 0


@given(
    st.lists(st.tuples(st.integers(1, 200_000), st.sampled_from(["modbus", "opcua"])), min_size=1, max_size=20),
    st.integers(1, 64),
)
def test_there_are_never_more_than_connections_or_spare_processors(plant, processors):
    sources: dict[str, SourceSettings] = {}
    groups = []
    for number, (tags, protocol) in enumerate(plant):
        name = f"s{number}"
        sources[name] = modbus(name, f"tcp://plc{number}:502") if protocol == "modbus" else opcua(name)
        groups.append(group(name, tags))
    wanted = workers_wanted(sources, groups, processors)
    assert 0 <= wanted <= min(len(sources), processors - 1)


def test_a_large_plant_has_workers_for_its_load():
    sources: dict[str, SourceSettings] = {f"s{number}": opcua(f"s{number}") for number in range(10)}
    groups = [group(name, 1_000_000) for name in sources]
    assert workers_wanted(sources, groups, 9) == 8
    assert workers_wanted(sources, groups, 1) == 0


def test_sources_without_a_group_of_theirs_count_nothing():
    assert workers_wanted({}, [group("historian", 1_000_000)], 8) == 0
