"""What ``historian tune`` costs a tag, and how its predictions compare with what then happens.

Signals like those of a plant, made here, and the real data that lies beside the project where somebody has it.  A
prediction is made on the first half of a history and held against the second; the ratio is that of the kept samples.
As a test each runs once.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from historian.model.tag import Tag
from historian.tuning.limit import Wish
from historian.tuning.proposal import tune
from historian.tuning.series import RawSeries
from historian.tuning.trial import try_settings

DATA = Path(__file__).parents[2] / "shared" / "data"
TURBINES = DATA / "la_haute_borne" / "scada_2014_2015.parquet"
COUNT = 200_000
FEW = 20_000
WITHIN = 0.1


def signals() -> dict[str, np.ndarray]:
    """float64[n] by name: one scan a second of what a plant has, with its noise and its converters."""
    random = np.random.default_rng(11)
    at = np.arange(COUNT)
    noise = random.normal(size=COUNT)
    steps = np.cumsum(random.random(COUNT) < 1 / 900) % 5
    return {
        "flow, 14 bits": np.round((60 + 15 * np.sin(at / 900) + 0.2 * noise) / 120 * 16383) / 16383 * 120,
        "level, slow": 50 + 20 * np.sin(at / 20_000) + 0.05 * noise,
        "temperature, steps of 0.1": np.round(80 + 5 * np.sin(at / 5000) + 0.05 * noise, 1),
        "pressure at rest": 6 + 0.01 * noise,
        "load in steps": 10.0 * steps + 0.1 * noise,
        "random walk": 50 + np.cumsum(0.02 * noise),
    }


def series(values: np.ndarray, every_s: float = 1.0) -> RawSeries:
    time_us = 1_795_305_600_000_000 + (np.arange(len(values)) * every_s * 1e6).astype(np.int64)
    return RawSeries(time_us, values, np.zeros(len(values), np.uint32))


def halves(whole: RawSeries) -> Iterator[RawSeries]:
    half = len(whole) // 2
    for part in (slice(half), slice(half, None)):
        yield RawSeries(whole.time_us[part], whole.value[part], whole.status[part])


@pytest.mark.parametrize("name", signals())
def test_time_of_a_tag(benchmark, figure, name):
    """200,000 samples, a dozen deviations each tried, encoded and held against the samples."""
    raw = series(signals()[name][: COUNT if benchmark.enabled else FEW])
    found = benchmark.pedantic(lambda: tune(Tag(name, "", "", ""), raw, Wish()), rounds=1, iterations=1)
    assert found.chosen is not None
    if benchmark.stats is not None:
        tried = len(found.outcomes) + 2
        figure(f"{name}, {tried} settings", COUNT * tried / benchmark.stats["mean"], "samples/s", better="more")


@pytest.mark.parametrize("name", signals())
def test_the_second_half_is_like_the_first(figure, name):
    _compare(figure, name, series(signals()[name]))


@pytest.mark.skipif(not TURBINES.exists(), reason=f"there is no {TURBINES}: SCADA data of ENGIE")
@pytest.mark.parametrize("column", ["Ba_avg", "Ot_avg", "P_avg"])
def test_the_second_year_is_like_the_first(figure, column):
    pandas = pytest.importorskip("pandas")
    frame = pandas.read_parquet(TURBINES)
    frame = frame[frame.Wind_turbine_name == "R80711"]
    frame = frame.assign(time=pandas.to_datetime(frame.Date_time, utc=True)).drop_duplicates("time").sort_values("time")
    frame = frame[frame[column].notna()]
    time_us = frame.time.to_numpy("datetime64[us]").astype(np.int64)
    value = frame[column].to_numpy(np.float64)
    _compare(figure, f"turbine, {column}", RawSeries(time_us, value, np.zeros(len(value), np.uint32)), most=0.15)


def _compare(figure, name: str, whole: RawSeries, most: float = WITHIN) -> None:
    first, second = halves(whole)
    found = tune(Tag(name, "", "", ""), first, Wish())
    chosen = found.chosen
    assert chosen is not None
    (then,) = try_settings(second, found.tag, [chosen.settings])
    # Of a few dozen kept samples one more or less is no per cent.
    assert chosen.share == pytest.approx(then.share, rel=most, abs=10 / len(second))
    assert chosen.errors.largest == pytest.approx(then.errors.largest, rel=WITHIN)
    figure(f"{name}: kept, predicted", chosen.share, "of the samples", better="less", peer=then.share)
