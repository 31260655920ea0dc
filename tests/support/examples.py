"""How many examples a property tries: a modest number every day, many more in the long run."""

from hypothesis import settings

MANY = 20
"""Times as many with ``--hypothesis-profile slow``."""


def examples(every_day: int) -> int:
    """``every_day`` in the suite of every day, ``MANY`` times as many under the profile of the long tests."""
    is_long_run = settings.get_current_profile_name() == "slow"
    return every_day * MANY if is_long_run else every_day
