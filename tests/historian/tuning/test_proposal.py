"""What is proposed for signals whose noise is known, and what each candidate is said to do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from historian.model.error_bound import ErrorBound
from historian.model.tag import CompressionSettings, ExceptionSettings, Tag
from historian.tuning.limit import Wish
from historian.tuning.proposal import tune
from historian.tuning.trial import Settings, kept_by
from historian.tuning.understanding import Reason
from support.raw_series import noise, series

COUNT = 3000
AT = np.arange(COUNT)
TAG = Tag("FIC101.PV", "boiler", "hr:0", "fast", low=0.0, high=500.0)
FLOW = series(250 + 40 * np.sin(AT / 400) + noise(COUNT))


def configured(*, comp_dev=None, exc_dev=None):
    bounds = [None if deviation is None else ErrorBound(deviation) for deviation in (exc_dev, comp_dev)]
    return replace(TAG, exception=ExceptionSettings(bounds[0]), compression=CompressionSettings(bounds[1]))


def test_three_times_the_noise_at_most():
    found = tune(TAG, FLOW, Wish())
    assert 2.0 <= found.chosen.settings.comp_dev <= 3.3
    assert found.chosen.settings.exc_dev is None
    assert found.saved_bytes_per_day > 0
    assert found.everything.kept == COUNT


def test_every_candidate_keeps_its_promise():
    for outcome in tune(TAG, FLOW, Wish()).outcomes:
        assert outcome.errors.rms <= outcome.errors.largest <= outcome.settings.comp_dev * (1 + 1e-12)
        assert outcome.errors.hourly_rms <= outcome.errors.hourly <= outcome.errors.largest


def test_kept_falls_with_the_deviation():
    kept = [outcome.kept for outcome in tune(TAG, FLOW, Wish()).outcomes]
    assert kept == sorted(kept)


def test_candidates_do_what_they_are_said_to_do():
    found = tune(TAG, FLOW, Wish())
    (again,) = kept_by(FLOW, TAG, [found.chosen.settings])
    assert again.sum() == found.chosen.kept


@pytest.mark.parametrize(("wish", "most"), [(Wish(0.3), 0.3), (Wish(0.001, is_share=True), 0.5)])
def test_at_most_the_error_asked_for(wish, most):
    assert tune(TAG, FLOW, wish).chosen.settings.comp_dev <= most


def test_no_error_for_nothing():
    # Straight lines need their corners alone, whatever the deviation.
    line = series(np.abs(AT % 1000 - 500) * 0.25)
    found = tune(TAG, line, Wish(20.0))
    assert found.chosen.settings.comp_dev == min(outcome.settings.comp_dev for outcome in found.outcomes)


def test_the_smallest_deviation_that_comes_to_a_ratio():
    found = tune(TAG, FLOW, Wish(target_ratio=10))
    assert found.chosen.ratio >= 10
    smaller = [outcome for outcome in found.outcomes if outcome.settings.comp_dev < found.chosen.settings.comp_dev]
    assert all(outcome.ratio < 10 for outcome in smaller)


def test_a_ratio_out_of_reach():
    found = tune(TAG, FLOW, Wish(0.1, target_ratio=1000))
    assert found.chosen.settings.comp_dev <= 0.1
    assert "1000" in found.note


def test_the_settings_of_now_are_as_good():
    chosen = tune(TAG, FLOW, Wish()).chosen.settings.comp_dev
    found = tune(configured(comp_dev=chosen), FLOW, Wish())
    assert found.chosen is None
    assert found.saved_bytes_per_day == 0
    assert found.present.kept < COUNT


def test_a_larger_error_than_asked_for_is_mended():
    found = tune(configured(comp_dev=5.0), FLOW, Wish(0.5))
    assert found.chosen.settings.comp_dev <= 0.5
    assert found.saved_bytes_per_day < 0


def test_exception_reporting_is_given_up():
    found = tune(configured(exc_dev=0.2, comp_dev=0.2), FLOW, Wish())
    assert found.present.settings.exc_dev == 0.2
    assert found.chosen.settings.exc_dev is None


def test_never_moved():
    found = tune(TAG, series(np.full(COUNT, 7.0)), Wish())
    assert found.chosen.settings == Settings(ExceptionSettings(), CompressionSettings(ErrorBound(0.0)))
    assert found.chosen.kept <= 3
    assert found.chosen.errors.largest == 0


def test_left_alone():
    assert tune(TAG, series(AT), Wish()).left.reason is Reason.TOTAL


@pytest.mark.parametrize("scale", [1e300, 1e-300])
def test_values_at_the_ends_of_a_double(scale):
    values = (5 + np.sin(AT / 300) + 0.01 * noise(COUNT)) * scale
    found = tune(Tag("X", "", "", ""), series(values), Wish())
    assert found.left is None
    assert all(np.isfinite(outcome.kept) for outcome in found.outcomes)
