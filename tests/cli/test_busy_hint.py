"""When the person is told that one processor is hardly enough."""

from cli.busy_hint import LOOKS, BusyHint


def test_a_minute_of_work_is_worth_a_word_and_only_one():
    hint = BusyHint()
    said = [hint.look(97.0) for _ in range(3 * LOOKS)]
    assert said[: LOOKS - 1] == [None] * (LOOKS - 1)
    assert "97 %" in said[LOOKS - 1]
    assert "--workers auto" in said[LOOKS - 1]
    assert said[LOOKS:] == [None] * (2 * LOOKS)


def test_a_moments_work_is_none():
    hint = BusyHint()
    looks = [hint.look(97.0 if number % LOOKS else 20.0) for number in range(5 * LOOKS)]
    assert set(looks) == {None}
