from __future__ import annotations

import pytest

from historian.errors import UsageError
from historian.retrieval.tag_selection import hint, select_tags

KNOWN = ["FIC101.PV", "FIC101.SP", "FIC102.PV", "TIC205.PV", "odd[1]"]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (["FIC102.PV"], ["FIC102.PV"]),
        (["FIC*"], ["FIC101.PV", "FIC101.SP", "FIC102.PV"]),
        (["?IC*.PV"], ["FIC101.PV", "FIC102.PV", "TIC205.PV"]),
        (["TIC*", "*.PV"], ["TIC205.PV", "FIC101.PV", "FIC102.PV"]),
        (["[FT]IC*5.PV"], ["TIC205.PV"]),
        (["odd[1]"], ["odd[1]"]),
    ],
)
def test_names_and_patterns(wanted, expected):
    assert select_tags(wanted, KNOWN) == expected


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("FIC111.PV", "FIC101.PV"),
        ("fic101.pv", "FIC101.PV"),
        ("XYZ", "select tag from tags"),
        ("FIC101.PW", "the nearest is 'FIC101.PV'"),
        ("FIC102.SV", "the nearest is 'FIC102.PV'"),
        ("fic*", "no tag matches 'fic*'; upper and lower case count: there is 'FIC101.PV'"),
        ("FIC*,TIC205.PV", "give each on its own, not with commas between them: 'FIC*' and 'TIC205.PV'"),
    ],
)
def test_what_means_no_tag_is_refused_with_the_nearest(wanted, said):
    with pytest.raises(UsageError) as refused:
        select_tags(["TIC205.PV", wanted], KNOWN)
    assert said in str(refused.value)


def test_a_pattern_where_one_tag_is_wanted():
    assert hint("FIC*", KNOWN).startswith("name one tag, not a pattern; it would mean ")


def test_an_empty_store_says_so():
    with pytest.raises(UsageError, match="no tags yet"):
        select_tags(["*"], [])
