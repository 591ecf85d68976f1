"""When the relay stops sending by itself: after days of failures, at a 410, and in a run of refusals."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.delivery import (
    HOUR,
    SECOND,
    Delivered,
    Failed,
    Fault,
    Outcome,
    Queue,
    Refused,
    Released,
)
from relay.core.health import Health, HealthPolicy, Ruling, adopt, judge_health, note_of
from relay.core.holding import Condition
from tests.fakes import NOW_US

DAY = 24 * HOUR
WORKED = Delivered(status=204)
BUSY = Failed(reason="status_503", fault=Fault.DESTINATION, status=503)
NO = Failed(reason="status_400", fault=Fault.EVENT, status=400)
NEVER = Refused(reason="too_large")
GONE = Failed(reason="gone", fault=Fault.GONE, status=410)
POLICY = HealthPolicy(brake=3)


def hear(
    said: Iterable[tuple[int, Outcome]],
    *,
    policy: HealthPolicy = POLICY,
    health: Health | None = None,
) -> tuple[Ruling, list[int]]:
    """The last ruling, and the warnings on the way."""
    ruling = Ruling(health=health or Health())
    warnings = []
    for at, outcome in said:
        ruling = judge_health(ruling.health, [outcome], policy=policy, now=at)
        if ruling.warning is not None:
            warnings.append(ruling.warning)
    return ruling, warnings


def hourly(hours: int, outcome: Outcome = BUSY) -> list[tuple[int, Outcome]]:
    return [(NOW_US + n * HOUR, outcome) for n in range(hours + 1)]


def test_five_days_of_nothing_but_failures_disable() -> None:
    """After warnings on the first, the third and the fourth of them."""
    ruling, warnings = hear(hourly(5 * 24 - 1))
    assert (ruling.unwell, warnings) == (None, [1, 2, 3])
    ruling, _ = hear(hourly(5 * 24))
    assert (ruling.unwell, ruling.kind) == ("failing", "disabled")


def test_one_success_begins_it_anew() -> None:
    hours = hourly(10 * 24)
    hours[100] = (hours[100][0], WORKED)
    ruling, warnings = hear(hours[:200])
    assert ruling.unwell is None
    assert warnings == [1, 2, 3, 1, 2, 3]


def test_a_silence_says_nothing() -> None:
    """One failure then, and one two weeks later: nobody knows what was between them."""
    ruling, _ = hear([(NOW_US, BUSY), (NOW_US + 14 * DAY, BUSY)])
    assert ruling.unwell is None
    assert ruling.health.failing_since == NOW_US + 14 * DAY


def test_a_failure_of_a_clock_that_was_ahead_says_nothing() -> None:
    """Once the clock is right the days are counted from there, not when it is there again."""
    ruling, _ = hear([(NOW_US + 30 * DAY, BUSY), *hourly(5 * 24)])
    assert (ruling.unwell, ruling.health.failing_since) == ("failing", NOW_US)


def test_a_process_that_has_just_begun_hears_for_itself_first() -> None:
    """What fails at its first try after the relay was away for days gets its hour."""
    before = Health(failing_since=NOW_US - 10 * DAY)
    ruling, _ = hear([(NOW_US, BUSY)], health=before)
    assert ruling.unwell is None
    ruling, _ = hear([(NOW_US, BUSY), (NOW_US + HOUR, BUSY)], health=before)
    assert ruling.unwell == "failing"


def test_a_silence_over_a_restart_says_nothing_either() -> None:
    """What failed before it was written down, with the last time."""
    before = adopt(
        Health(),
        condition(failing_since=NOW_US - 5 * DAY, failed_at=NOW_US - 4 * DAY),
        now=NOW_US,
    )
    ruling, _ = hear(hourly(2), health=before)
    assert (ruling.unwell, ruling.health.failing_since) == (None, NOW_US)


def test_what_is_tried_again_does_not_count_for_the_brake_again() -> None:
    """A few events that nobody wants are no wrong deploy over there, however often they are tried."""
    health = judge_health(Health(), [NO], policy=POLICY, now=NOW_US).health
    ruling = judge_health(
        health, [NO] * 9, queue=Queue.AGAIN, policy=POLICY, now=NOW_US
    )
    assert (ruling.unwell, ruling.health.refused) == (None, 1)
    ruling = judge_health(health, [NEVER], queue=Queue.AGAIN, policy=POLICY, now=NOW_US)
    assert ruling.health.refused == 2


def test_who_says_that_it_is_gone_is_believed_at_once() -> None:
    ruling, _ = hear([(NOW_US, GONE)])
    assert (ruling.unwell, ruling.kind) == ("gone", "disabled")


def test_a_run_of_permanent_failures_pulls_the_brake() -> None:
    ruling, _ = hear([(NOW_US, NO), (NOW_US, NEVER), (NOW_US, NO)])
    assert (ruling.unwell, ruling.kind) == ("brake", "paused")


def test_faults_of_the_destination_neither_count_for_the_brake_nor_end_the_run() -> (
    None
):
    said: list[Outcome] = [NO, BUSY, NO, Released(), BUSY]
    ruling, _ = hear([(NOW_US, one) for one in said])
    assert (ruling.unwell, ruling.health.refused) == (None, 2)


def test_both_can_be_off() -> None:
    off = HealthPolicy(disable_after=None, brake=None)
    ruling, warnings = hear(hourly(400, NO), policy=off)
    assert (ruling.unwell, warnings) == (None, [])


@given(st.lists(st.sampled_from([WORKED, NO, NEVER, BUSY]), max_size=30))
def test_the_brake_is_pulled_exactly_when_three_are_refused_without_a_success(
    said: list[Outcome],
) -> None:
    runs = 0
    health = Health()
    for outcome in said:
        ruling = judge_health(health, [outcome], policy=POLICY, now=NOW_US)
        health = ruling.health
        runs = 0 if outcome == WORKED else runs + (outcome != BUSY)
        assert (ruling.unwell == "brake") == (runs >= 3)


# --- what is written down -------------------------------------------------------------------------


def condition(**said: int) -> Condition:
    return Condition(name="orders", kind="http", **said)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "health,before,expected",
    [
        # A failure that may pass in a moment is not worth a commit.
        (Health(failing_since=NOW_US - SECOND), {}, None),
        (Health(failing_since=NOW_US - HOUR), {}, (NOW_US - HOUR, None)),
        (Health(failing_since=1), {"failing_since": 1}, None),
        (Health(failing_since=1, failed_at=HOUR), {"failing_since": 1}, None),
        # That it still fails is written once an hour.
        (
            Health(failing_since=1, failed_at=HOUR + 1),
            {"failing_since": 1},
            (1, HOUR + 1),
        ),
        (
            Health(failing_since=1, failed_at=2 * HOUR),
            {"failing_since": 1, "failed_at": HOUR + 1},
            None,
        ),
        (Health(), {}, None),
        (Health(worked_at=NOW_US), {}, (None, NOW_US)),
        (Health(worked_at=NOW_US), {"worked_at": NOW_US - SECOND}, None),
        (Health(worked_at=NOW_US), {"worked_at": NOW_US - HOUR}, (None, NOW_US)),
        # The clock of another relay may be a little ahead.
        (Health(worked_at=NOW_US), {"worked_at": NOW_US + SECOND}, None),
        (Health(failing_since=NOW_US - 1), {"worked_at": NOW_US + SECOND}, None),
        # What a clock that was ahead has written is written anew.
        (Health(worked_at=NOW_US), {"worked_at": NOW_US + DAY}, (None, NOW_US)),
        (
            Health(failing_since=1, failed_at=2),
            {"failing_since": 1, "failed_at": DAY},
            (1, 2),
        ),
        (
            Health(failing_since=NOW_US - 1),
            {"worked_at": NOW_US + DAY},
            (NOW_US - 1, NOW_US - 1),
        ),
        # That it has worked since, and fails again, is written at once; and once.
        (
            Health(worked_at=NOW_US - 2, failing_since=NOW_US - 1),
            {"failing_since": 1},
            (NOW_US - 1, NOW_US - 2),
        ),
        (
            Health(worked_at=NOW_US - 2, failing_since=NOW_US - 1),
            {"failing_since": NOW_US - 1},
            None,
        ),
        # That it works again is written at once.
        (
            Health(worked_at=NOW_US),
            {"worked_at": NOW_US - SECOND, "failing_since": 1},
            (None, NOW_US),
        ),
    ],
)
def test_little_is_written_down(
    health: Health,
    before: dict[str, int],
    expected: tuple[int | None, int | None] | None,
) -> None:
    note = note_of(health, condition(**before), now=NOW_US)
    if expected is None:
        assert note is None
    else:
        since, at = expected
        assert note is not None
        assert (note.failing_since, note.failed_at or note.worked_at) == (since, at)


@pytest.mark.parametrize(
    "health,before,expected",
    [
        # A start takes over what the process before it had written.
        (Health(), {"failing_since": 5}, Health(failing_since=5)),
        (
            Health(),
            {"failing_since": 5, "failed_at": 7},
            Health(failing_since=5, failed_at=7),
        ),
        (Health(worked_at=9), {"failing_since": 5}, Health(worked_at=9)),
        # It works from another relay.
        (Health(failing_since=5), {"worked_at": 6}, Health()),
        (Health(failing_since=5), {"worked_at": 4}, Health(failing_since=5)),
        # And fails there for longer.
        (Health(failing_since=5), {"failing_since": 3}, Health(failing_since=3)),
        # Unless it has worked here since then.
        (
            Health(failing_since=5, worked_at=4),
            {"failing_since": 3},
            Health(failing_since=5, worked_at=4),
        ),
        # Nothing can have worked, or failed, in the future.
        (
            Health(failing_since=5),
            {"worked_at": NOW_US + DAY},
            Health(failing_since=5),
        ),
        (Health(), {"failing_since": NOW_US + DAY}, Health()),
        # But other relays' clocks may be a little ahead.
        (Health(failing_since=5), {"worked_at": NOW_US + SECOND}, Health()),
        (
            Health(),
            {"failing_since": 5, "failed_at": NOW_US + DAY},
            Health(failing_since=5),
        ),
        (Health(), {}, Health()),
    ],
)
def test_what_others_have_written_is_believed(
    health: Health, before: dict[str, int], expected: Health
) -> None:
    assert adopt(health, condition(**before), now=NOW_US) == expected
