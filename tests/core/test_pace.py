"""A pace spreads turns evenly, and saves up no more than a short rest."""

import pytest

from relay.core.pace import Pace


def test_after_a_rest_a_second_s_worth_may_come_at_once() -> None:
    pace = Pace(10)
    waits = [pace.wait(100.0) for _ in range(13)]
    assert waits[:11] == [0.0] * 11
    assert waits[11:] == pytest.approx([0.1, 0.2])


def test_turns_are_evenly_apart_in_the_long_run() -> None:
    pace, now = Pace(10), 100.0
    for _ in range(111):
        now += pace.wait(now)
    assert now == pytest.approx(110.0)


def test_no_rate_is_no_pace() -> None:
    with pytest.raises(ValueError, match="above zero"):
        Pace(0)


def test_looking_at_the_next_turn_does_not_take_it() -> None:
    pace = Pace(2.0, burst_s=0.0)
    assert (pace.until(7.0), pace.wait(7.0)) == (0.0, 0.0)
    assert [pace.until(7.0), pace.until(7.2), pace.until(9.0)] == [
        0.5,
        pytest.approx(0.3),
        0.0,
    ]
