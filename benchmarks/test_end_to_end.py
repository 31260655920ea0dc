"""The main job at its full size: 50,000 values a second from eight devices, every one of them accounted for.

``python3 run.py bench benchmarks/test_end_to_end.py`` collects for a minute, which needs a machine that has nothing
else to do; as a test it runs once and briefly, with a few of the tags.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from load_plant import Device, running
from watched_collector import Moment, archive_bytes, end, watch

import historian
from endtoend.commandline import Collecting
from historian.model.spread import limit_of_share

TARGET_LATENESS_MS = 50.0
TARGET_GROWTH_MB = 20.0
SETTLED_S = 30.0
"""Memory is flat when it grows by less than this after the first blocks of scans were settled."""

LEAST_MB = 0.1
"""Of growth, so that there is a ratio to the target."""

EIGHT_DEVICES = (
    *(Device(f"plc{number}", "modbus", 5_000, 1_000) for number in range(1, 5)),
    Device("drive", "modbus", 500, 100),
    Device("dcs1", "opcua", 10_000, 1_000),
    Device("dcs2", "opcua", 10_000, 1_000),
    Device("turbine", "opcua", 1_000, 200),
)
"""20,000 values a second each from controllers and from control systems, and 5,000 each from a quick one of either."""


@dataclass(frozen=True, slots=True)
class Run:
    """What was known meanwhile and in the end, and the size of the archive's files then."""

    moments: Sequence[Moment]
    last: Moment
    archive_bytes: int

    @property
    def seconds(self) -> float:
        """Between the first and the last moment, by the collector's own clock."""
        return self.grown("updated_us") / 1e6

    def grown(self, name: str) -> int:
        """By how much a figure of the process has grown between these."""
        return self.moments[-1].process[name] - self.moments[0].process[name]

    def overruns(self) -> int:
        """Scans that were skipped between these."""
        first, last = self.moments[0].sources, self.moments[-1].sources
        return sum(last[name]["overruns"] - first[name]["overruns"] for name in first)

    def lateness_counts(self) -> Counter[str]:
        """Of all scans between these, by limits as in :mod:`historian.model.spread`."""
        first, last = (
            sum((Counter(source["lateness_counts"]) for source in moment.sources.values()), Counter())
            for moment in (self.moments[0], self.moments[-1])
        )
        return last - first

    def longest_lateness_ms(self) -> float:
        """Of any scan since the start."""
        return max(source["lateness_max_ms"] for source in self.moments[-1].sources.values())

    def busy_percent(self) -> list[float]:
        """Of one processor: the collector, and behind it each server."""
        first, last = self.moments[0], self.moments[-1]
        passed_s = last.time_s - first.time_s
        return [100 * (now - before) / passed_s for before, now in zip(first.cpu_s, last.cpu_s, strict=True)]

    def written_bytes(self) -> float:
        """What the collector has written until the last moment, for each value read until then."""
        last = self.moments[-1]
        return last.written_bytes / last.process["samples_in"]

    def memory_mb(self) -> list[float]:
        """At each moment."""
        return [moment.process["memory_bytes"] / 1e6 for moment in self.moments]

    def growth_mb(self) -> float:
        """Of memory, since the first blocks were settled."""
        begun_s = self.moments[0].time_s
        pairs = zip(self.moments, self.memory_mb(), strict=True)
        settled = [mb for moment, mb in pairs if moment.time_s - begun_s >= SETTLED_S]
        return settled[-1] - settled[0] if settled else 0.0


def collect(devices: Sequence[Device], folder: Path, seconds: float) -> Run:
    """Collect from the devices for so many seconds, and stop in order."""
    with running(devices, folder) as servers, Collecting(folder) as collecting:
        moments = watch(collecting, seconds, [server.pid for server in servers])
        last = end(collecting)
    return Run(moments, last, archive_bytes(folder / "store"))


def assert_accounted_for(devices: Sequence[Device], last: Moment, store: Path) -> None:
    """Scans x tags = received = reported + suppressed, and in the store is what was stored, each sample once."""
    process, tags = last.process, sum(device.tags for device in devices)
    scanned = sum(last.sources[device.name]["scans"] * device.tags for device in devices)
    assert {name: source["last_error"] for name, source in last.sources.items() if source["errors"]} == {}
    assert process["samples_in"] == scanned
    assert process["unchanged"] == process["quarantined"] == 0
    assert process["samples_reported"] + process["samples_suppressed"] == scanned
    with historian.open(store) as link:
        (row,) = link.sql(
            "select count(*) as samples, count(distinct (tag, time)) as distinct_, count(distinct tag) as tags,"
            " count(*) filter (quality = 'Bad') as bad from samples"
        ).to_pylist()
    assert row["samples"] == row["distinct_"] == process["samples_stored"]
    assert row["tags"] == row["bad"] == tags, "BadShutdown once in each tag, and nothing else is Bad"


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    ("devices", "seconds"),
    [
        pytest.param((Device("plc", "modbus", 5_000, 1_000),), 20.0, id="5000"),
        pytest.param((Device("plc", "modbus", 20_000, 1_000),), 20.0, id="20000"),
        pytest.param(EIGHT_DEVICES, 60.0, id="50000"),
    ],
)
def test_every_value_is_accounted_for(
    benchmark, figure, tmp_path: Path, devices: Sequence[Device], seconds: float
) -> None:
    """From simulated devices in other processes to the disk, compression on."""
    if not benchmark.enabled:
        devices, seconds = few(devices), 1.0
    run = benchmark.pedantic(collect, (devices, tmp_path, seconds), rounds=1)
    assert_accounted_for(devices, run.last, tmp_path / "store")
    if benchmark.enabled:
        report(figure, run, sum(device.values_per_s for device in devices))


def few(devices: Sequence[Device]) -> list[Device]:
    """One of each kind, with a twentieth of the tags."""
    kinds = {(each.protocol, each.rate_ms): each for each in devices}
    return [replace(each, tags=each.tags // 20) for each in kinds.values()]


def report(figure, run: Run, wanted_per_s: float) -> None:
    """A line each."""
    rate = f"{wanted_per_s:,.0f} values/s"
    process, busy = run.last.process, run.busy_percent()
    for name, value, unit, target in (
        ("overruns", run.overruns(), "scans", None),
        ("lateness of all scans, p99 at most", limit_of_share(run.lateness_counts(), 99), "ms", TARGET_LATENESS_MS),
        ("lateness of a scan, longest, start included", run.longest_lateness_ms(), "ms", None),
        ("time of a commit, p99", run.moments[-1].process["commit_p99_ms"], "ms", None),
        ("memory in the end", run.memory_mb()[-1], "MB", None),
        (f"growth of memory after {SETTLED_S:.0f} s", max(run.growth_mb(), LEAST_MB), "MB", TARGET_GROWTH_MB),
        ("collector", busy[0], "% of a processor", None),
        ("collector, processor time", 1e4 * busy[0] * run.seconds / run.grown("samples_in"), "us/value", None),
        ("all servers", sum(busy[1:]), "% of a processor", None),
        ("reported", 100 * process["samples_reported"] / process["samples_in"], "% of the values", None),
        ("stored", 100 * process["samples_stored"] / process["samples_in"], "% of the values", None),
        ("archived", run.archive_bytes / process["samples_stored"], "bytes/stored value", None),
        ("written to the disk", run.written_bytes(), "bytes/value", None),
    ):
        figure(f"{rate}, {name}", value, unit, target=target, better="less")
    read_per_s = run.grown("samples_in") / run.seconds
    figure(f"{rate}, read and accounted for", read_per_s, "/s", target=wanted_per_s, better="more")
    print(f"\n{rate}, scans by how many ms they were late at most:", dict(run.lateness_counts()))
    print(f"{rate}, memory at each moment, MB:", *(f"{mb:.0f}" for mb in run.memory_mb()))
