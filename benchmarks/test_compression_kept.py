"""How many samples the doors keep, on signals made and measured, against the fewest that keep the same bound.

The look-ahead door is ours; the plain door, the textbook's and the optimum run in C (`compression_in_c.py`): left out
where there is no compiler.  Real signals are those of ../shared/data beside the checkout, left out where they are not
there.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from compression_in_c import COMPILER, InC

from historian.compression.bulk import kept
from historian.compression.series import LaneSeries
from properties.compression_lanes import lane_settings
from properties.compression_reference import Settings

SAMPLES = 20_000
TIMES_THE_SCATTER = (1.0, 2.0, 4.0)
TARGET_TO_FEWEST, TARGET_TO_PLAIN = 1.4, 0.75
DATA = Path(__file__).parents[2] / "shared" / "data"

Signals = dict[str, tuple[np.ndarray, np.ndarray]]


def made(count: int) -> Signals:
    """Seconds and values, as a plant might send them."""
    random = np.random.default_rng(5)
    place = np.arange(count)
    wander = 50 + np.cumsum(random.normal(0, 0.05, count))
    jumps = np.repeat(random.uniform(0, 100, count // 400 + 1), 400)[:count]
    lagging = np.zeros(count)
    for row in range(1, count):  # a first-order lag has no shorter way in numpy
        lagging[row] = lagging[row - 1] + (jumps[row] - lagging[row - 1]) / 60
    values = {
        "drift with noise": np.round(wander + random.normal(0, 0.1, count), 2),
        "swing with noise": 10 * np.sin(place / 700) + random.normal(0, 0.2, count),
        "random walk": np.cumsum(random.normal(0, 0.1, count)),
        "flow, 12 bits": np.round((60 + 8 * np.sin(place / 900) + random.normal(0, 0.6, count)) * 34.125) / 34.125,
        "noise": random.normal(20, 0.4, count),
        "steps with noise": jumps + random.normal(0, 0.3, count),
        "lagging steps": lagging + random.normal(0, 0.1, count),
    }
    return {name: (place.astype(np.float64), value) for name, value in values.items()}


def measured(count: int) -> Signals:
    """Wind turbines and temperatures, as far as they are there: in order of time, each time once, without holes."""
    found: Signals = {}
    turbines = DATA / "la_haute_borne" / "scada_2014_2015.parquet"
    if turbines.is_file():
        table = pq.read_table(turbines)
        first = table.filter([name == "R80711" for name in table.column(0).to_pylist()])
        for column in ("P_avg", "Ws_avg", "Ot_avg", "Ba_avg", "Ya_avg"):
            value = np.array([np.nan if one is None else one for one in first.column(column).to_pylist()])
            value = value[np.isfinite(value)][:count]
            found[f"turbine {column}"] = (np.arange(len(value)) * 600.0, value)
    for name in ("machine", "ambient"):
        file = DATA / "nab" / f"{name}_temperature_system_failure.csv"
        if file.is_file():
            with file.open(encoding="utf-8") as lines:
                rows = {datetime.fromisoformat(time): float(value) for time, value in list(csv.reader(lines))[1:]}
            times = sorted(rows)[:count]
            seconds = np.array([(time - times[0]).total_seconds() for time in times])
            found[f"temperature, {name}"] = (seconds, np.array([rows[time] for time in times]))
    return found


def scatter(value: np.ndarray) -> float:
    """The scatter from sample to sample, of those that change, as little moved by outliers as the median."""
    steps = np.diff(value)
    moving = steps[steps != 0]
    steps = moving if len(moving) > len(steps) // 20 else steps
    return float(1.4826 * np.median(np.abs(steps - np.median(steps))))


def kept_ahead(time_s: np.ndarray, value: np.ndarray, deviation: float) -> int:
    count = len(value)
    series = LaneSeries(
        np.array([0, count]), np.round(time_s * 1e6).astype(np.int64), value, np.zeros(count, np.uint32)
    )
    settings = lane_settings([Settings(comp_dev=deviation)])
    return int(np.count_nonzero(kept(series, settings, longest_piece=count)))


def compared(signals: Signals, in_c: InC) -> Iterator[tuple[str, int, int, int, int]]:
    """Signal and deviation; kept by ours, by the plain door, by the textbook's, and at least."""
    for name, (time_s, value) in signals.items():
        for times in TIMES_THE_SCATTER:
            deviation = times * scatter(value)
            plain = in_c.kept(time_s, value[None], exc_dev=None, comp_dev=deviation, look_ahead=False)
            yield (
                f"{name}, {times:g} x scatter", kept_ahead(time_s, value, deviation), int(np.count_nonzero(plain)),
                in_c.parallel(time_s, value, deviation), in_c.fewest(time_s, value, deviation),
            )  # fmt: skip


@pytest.mark.skipif(not COMPILER, reason="no C compiler: the optimum takes hours in Python")
def test_what_is_kept(benchmark, figure, tmp_path):
    in_c, count = InC(tmp_path), SAMPLES if benchmark.enabled else 1_000
    signals = {**made(count), **measured(count)}
    rows = benchmark.pedantic(lambda: list(compared(signals, in_c)), rounds=1)
    for name, ahead, plain, _, fewest in rows:
        assert fewest <= ahead <= plain * 1.02 + 2, name
    to_plain = float(np.median([ahead / plain for _, ahead, plain, _, _ in rows]))
    to_fewest = float(np.median([ahead / fewest for _, ahead, _, _, fewest in rows]))
    if not benchmark.enabled:
        return
    for name, ahead, plain, parallel, fewest in rows:
        kept_by = f"kept {ahead:,}; plain {plain:,}, textbook {parallel:,}, at least {fewest:,}"
        figure(f"{name}: {kept_by}; to the fewest", ahead / fewest, "times", target=TARGET_TO_FEWEST, better="less")
    figure(f"median of {len(rows)}, to the fewest", to_fewest, "times", target=TARGET_TO_FEWEST, better="less")
    figure(f"median of {len(rows)}, to the plain door", to_plain, "times", target=TARGET_TO_PLAIN, better="less")
