"""Which tags are left alone, and why."""

from __future__ import annotations

import numpy as np
import pytest

from historian.model.tag import Tag, ValueType
from historian.tuning.resolution import resolution
from historian.tuning.understanding import Reason, left_alone_by_samples, left_alone_by_type
from support.raw_series import noise, series

COUNT = 5000
AT = np.arange(COUNT)
RANDOM = np.random.default_rng(4)
FLOW = 50 + 10 * np.sin(AT / 300) + noise(COUNT)
TOTAL = np.cumsum(np.maximum(FLOW, 0)) / 3600
DIRECTION = (180 + 170 * np.sin(AT / 200) + 30 * noise(COUNT)) % 360


def reason(values) -> Reason | None:
    raw = series(values)
    left = left_alone_by_samples(raw, resolution(raw.different))
    return None if left is None else left.reason


LEFT = {
    "few": (FLOW[:200], Reason.FEW),
    "mostly bad": (np.where(AT % 5 == 0, FLOW, np.nan), Reason.BAD),
    "binary": (RANDOM.integers(0, 2, COUNT).astype(float), Reason.STATE),
    "states": (np.repeat(RANDOM.integers(0, 5, COUNT // 50), 50).astype(float), Reason.STATE),
    "two levels": (np.where(AT // 100 % 2, 3.75, 4.25), Reason.STATE),
    "total": (TOTAL, Reason.TOTAL),
    "total in whole numbers": (np.floor(TOTAL * 10), Reason.TOTAL),
    "total that rolls over": (TOTAL % 20, Reason.TOTAL),
    "counter that counts down": (1000 - TOTAL, Reason.TOTAL),
    "degrees": (DIRECTION, Reason.ANGLE),
    "degrees around north": ((DIRECTION + 180) % 360 - 180, Reason.ANGLE),
    "radians": (DIRECTION * np.pi / 180, Reason.ANGLE),
    "set point": (np.repeat(RANDOM.normal(50, 5, COUNT // 250), 250), Reason.SET_POINT),
}

UNDERSTOOD = {
    "flow": FLOW,
    "flow around zero": FLOW - 50,
    "noise around zero": noise(COUNT),
    "in coarse steps": np.round(FLOW / 4.5) * 4.5,
    "a tank that fills, with noise": 0.01 * AT + noise(COUNT, 0.05),
    "held by a slow instrument": np.repeat(FLOW[: COUNT // 10], 10),
    "never moved": np.full(COUNT, 7.0),
    "half of it bad": np.where(AT // 500 % 2, FLOW, np.nan),
    "temperatures of a whole year in degrees": 180 + 179 * np.sin(AT / 700) + noise(COUNT, 0.5),
    "outliers from end to end": np.where(AT % 1000 == 0, 400, FLOW),
}


@pytest.mark.parametrize("name", LEFT)
def test_left_alone(name):
    values, expected = LEFT[name]
    assert reason(values) is expected


@pytest.mark.parametrize("name", UNDERSTOOD)
def test_understood(name):
    assert reason(UNDERSTOOD[name]) is None


@pytest.mark.parametrize(
    ("settings", "left"),
    [
        ({"value_type": ValueType.BOOL}, True),
        ({"value_type": ValueType.TEXT}, True),
        ({"value_type": ValueType.FLOAT64, "step": True}, True),
        ({"value_type": ValueType.INT16, "enumeration": {0: "off", 1: "on"}}, True),
        ({"value_type": ValueType.FLOAT32}, False),
        ({}, False),
    ],
)
def test_step_tags_by_their_configuration(settings, left):
    found = left_alone_by_type(Tag("X", "boiler", "hr:0", "fast", **settings))
    assert (found is not None and found.reason is Reason.STEP) == left
