"""Which tags are shadowed."""

from __future__ import annotations

from historian.config.settings import ShadowSettings
from historian.model.error_bound import ErrorBound
from historian.model.tag import CompressionSettings, ExceptionSettings, Tag, ValueType
from historian.pipeline.shadow import shadowed

LOSSY = CompressionSettings(ErrorBound(0.5))


def tag(name: str, **settings) -> Tag:
    return Tag(name, "boiler", "hr:0", "fast", **{"compression": LOSSY, **settings})


MANY = [tag(f"TIC{number}.PV") for number in range(1000)]


def test_nothing_without_being_asked():
    assert shadowed(MANY, ShadowSettings()) == frozenset()


def test_a_share_of_them_the_same_every_time():
    chosen = shadowed(MANY, ShadowSettings(share=0.01))
    assert len(chosen) == 10
    assert chosen == shadowed(MANY[::-1], ShadowSettings(share=0.01))
    assert chosen < shadowed(MANY, ShadowSettings(share=0.02))


def test_a_tag_that_goes_changes_at_most_one_choice():
    chosen = shadowed(MANY, ShadowSettings(share=0.01))
    left = [each for each in MANY if each.name != min(chosen)]
    assert len(chosen & shadowed(left, ShadowSettings(share=0.01))) >= 9


def test_at_least_one():
    assert len(shadowed(MANY[:3], ShadowSettings(share=0.01))) == 1


def test_names_and_patterns():
    assert shadowed(MANY, ShadowSettings(patterns=("TIC99?.PV", "TIC5.PV", "FIC1.PV"))) == {
        "TIC5.PV", *(f"TIC99{digit}.PV" for digit in range(10)),
    }  # fmt: skip


def test_only_tags_that_leave_something_out():
    tags = [
        tag("raw", compression=CompressionSettings()),
        tag("state", step=True),
        tag("text", value_type=ValueType.TEXT),
        tag("reported", compression=CompressionSettings(), exception=ExceptionSettings(ErrorBound(0.1))),
        tag("exact", compression=CompressionSettings(ErrorBound(0.0))),
    ]
    assert shadowed(tags, ShadowSettings(share=1.0)) == {"reported", "exact"}
    assert shadowed(tags, ShadowSettings(patterns=("*",))) == {"reported", "exact"}
