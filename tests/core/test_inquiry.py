"""When the upstream is asked again, and when no longer: every course, with time in the test's hands."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.identity import Kind, Outcome, RunKey
from relay.core.inquiry import (
    AGAIN_AFTER,
    BACKOFF_MAX,
    NO_CALLBACK,
    UNASKED,
    WATCH_MAX,
    AskPolicy,
    Conclude,
    Ended,
    GiveUp,
    Heard,
    Inquiry,
    InquiryState,
    Let,
    Postpone,
    Silent,
    Told,
    Unended,
    after_redelivery,
    next_move,
    wants_redelivery,
)
from relay.core.snapshot import Snapshot, read_answer
from tests.fakes import NOW_US

SECOND = 1_000_000
HOUR = 3600 * SECOND
POLICY = AskPolicy()
KEY = RunKey("acme", Kind.RUN, "run_1")
GONE = Silent(reason="not_found", of_source=False, status=404)
DOWN = Silent(reason="server_error", of_source=True, status=500)
SILENCES = (GONE, DOWN, Unended("running"))


def inquiry(
    state: InquiryState = InquiryState.WAITING, *, asks: int = 0, run: str = "run_1"
) -> Inquiry:
    return Inquiry(
        run=1,
        lease=1,
        key=RunKey("acme", Kind.RUN, run),
        state=state,
        outcome=Outcome.SUCCEEDED,
        reasons=("missing_output",),
        opened_at=NOW_US,
        asks=asks,
    )


def move(
    one: Inquiry, heard: Heard, *, after: int = 0, policy: AskPolicy = POLICY
) -> object:
    return next_move(one, heard, policy, now=NOW_US + after)


def told(completed_at: str | None = None) -> Snapshot:
    said = {"id": "run_1", "status_code": "failed", "completed_at": completed_at}
    snapshot = read_answer(json.dumps(said).encode(), KEY)
    assert isinstance(snapshot, Snapshot)
    return snapshot


@pytest.mark.parametrize("state", InquiryState)
def test_an_answer_ends_every_inquiry(state: InquiryState) -> None:
    assert move(inquiry(state), Told(told()), after=10**15) == Conclude(told())


def watched(outcome: Outcome | None = None, *, asks: int = 0) -> Inquiry:
    one = inquiry(InquiryState.WATCHED, asks=asks)
    return msgspec.structs.replace(one, outcome=outcome, reasons=(NO_CALLBACK,))


@pytest.mark.parametrize(
    "completed_at,due",
    [
        ("2026-03-01T11:59:00Z", -60 * SECOND),
        # By a clock that is ahead of ours.
        ("2026-03-01T12:59:00Z", 0),
    ],
)
def test_what_has_just_ended_waits_for_its_callback(
    completed_at: str, due: int
) -> None:
    found = move(watched(), Told(told(completed_at)))
    assert found == Ended(Outcome.FAILED, NOW_US + due + POLICY.grace)


def test_what_ended_long_ago_or_nobody_says_when_waits_for_nothing() -> None:
    for answer in (told("2026-03-01T11:00:00Z"), told()):
        assert move(watched(), Told(answer)) == Conclude(answer)


def test_where_redelivery_is_wanted_it_comes_before_the_answer() -> None:
    """Of what has ended, and once."""
    policy = AskPolicy(redeliver=True)
    old = told("2026-03-01T11:00:00Z")
    assert move(watched(), Told(old), policy=policy) == Ended(Outcome.FAILED, NOW_US)
    assert wants_redelivery(watched(Outcome.FAILED), policy)
    assert not wants_redelivery(watched(), policy)
    assert not wants_redelivery(watched(Outcome.FAILED, asks=1), policy)
    assert not wants_redelivery(watched(Outcome.FAILED), POLICY)
    assert move(watched(Outcome.FAILED, asks=1), Told(old), policy=policy) == Conclude(
        old
    )


@pytest.mark.parametrize(
    "silence,asked",
    [
        (None, True),
        (Silent(reason="unprocessable", of_source=False, status=422), True),
        (Silent(reason="timeout", of_source=True), False),
    ],
)
def test_a_redelivery_is_asked_for_once_by_whoever_could_be_asked(
    silence: Silent | None, asked: bool
) -> None:
    """While the API does not work, nothing has been asked."""
    found = after_redelivery(watched(Outcome.FAILED), silence, now=NOW_US)
    assert (found.counts, found.due_at > NOW_US) == (asked, True)


@pytest.mark.parametrize("heard", SILENCES)
@given(asks=st.integers(0, 40), after=st.integers(0, POLICY.deadline - 1))
def test_before_the_deadline_it_is_asked_again_soon_and_never_at_once(
    heard: Silent | Unended, asks: int, after: int
) -> None:
    found = move(inquiry(asks=asks), heard, after=after)
    assert isinstance(found, Postpone)
    wait = found.due_at - (NOW_US + after)
    assert 0 < wait <= BACKOFF_MAX
    # The last time is at the deadline itself.
    assert found.due_at <= NOW_US + max(POLICY.deadline, after + SECOND)


def test_waits_grow_and_are_spread() -> None:
    waits = {}
    for asks in (0, 3, 10):
        found = [move(inquiry(asks=asks, run=f"run_{n}"), GONE) for n in range(200)]
        waits[asks] = [p.due_at - NOW_US for p in found if isinstance(p, Postpone)]
        assert len(set(waits[asks])) > 100
    assert max(waits[0]) <= SECOND < max(waits[3]) <= 8 * SECOND < max(waits[10])


def test_the_same_ask_waits_equally_long_on_every_machine() -> None:
    assert move(inquiry(asks=5), GONE) == move(inquiry(asks=5), GONE)


def test_who_asks_us_to_wait_is_not_asked_before() -> None:
    limited = Silent(reason="rate_limited", of_source=True, retry_after_us=20 * SECOND)
    assert move(inquiry(), limited) == Postpone(NOW_US + 20 * SECOND)


def test_no_wait_that_we_are_asked_for_outlasts_the_deadline() -> None:
    limited = Silent(reason="rate_limited", of_source=True, retry_after_us=HOUR)
    assert move(inquiry(), limited) == Postpone(NOW_US + POLICY.deadline)


@pytest.mark.parametrize("heard", SILENCES)
def test_at_the_deadline_the_policy_decides(heard: Silent | Unended) -> None:
    at = POLICY.deadline
    assert move(inquiry(asks=9), heard, after=at) == GiveUp(
        NOW_US + at + AGAIN_AFTER[0]
    )


@pytest.mark.parametrize("state", [InquiryState.HELD, InquiryState.DOUBTFUL])
def test_afterwards_it_is_asked_four_times_hours_apart(state: InquiryState) -> None:
    """1, 6, 24 and 72 hours after the deadline, and then no more."""
    due, found = AGAIN_AFTER[0], []
    for asks in range(3):
        found.append(due // HOUR)
        then = move(inquiry(state, asks=asks), GONE, after=due)
        assert isinstance(then, Postpone)
        due = then.due_at - NOW_US
    assert [*found, due // HOUR] == [1, 6, 24, 72]
    assert move(inquiry(state, asks=3), GONE, after=due) == Let()


def test_an_hourly_ask_that_was_put_off_by_the_api_is_made_up_for() -> None:
    limited = Silent(reason="rate_limited", of_source=True, retry_after_us=60 * SECOND)
    assert move(inquiry(InquiryState.HELD, asks=3), limited) == Postpone(
        NOW_US + 60 * SECOND, counts=False
    )


@given(asks=st.integers(0, 50))
def test_a_run_that_goes_on_is_watched_more_and_more_seldom(asks: int) -> None:
    found = move(inquiry(InquiryState.WATCHED, asks=asks), Unended("running"))
    assert isinstance(found, Postpone)
    assert POLICY.watch_every // 2 <= found.due_at - NOW_US <= WATCH_MAX


def test_a_watched_run_that_cannot_be_asked_for_is_asked_again() -> None:
    found = move(inquiry(InquiryState.WATCHED, asks=30), DOWN)
    assert isinstance(found, Postpone)
    assert 0 < found.due_at - NOW_US <= WATCH_MAX


def test_a_run_that_never_ends_is_let_go_after_a_week() -> None:
    one = inquiry(InquiryState.WATCHED)
    assert move(one, Unended("running"), after=POLICY.watch_for) == Let()


@pytest.mark.parametrize("state", InquiryState)
def test_without_anybody_to_ask_every_deadline_has_passed(state: InquiryState) -> None:
    """What has no event yet is kept for whoever may be asked one day."""
    silence = Silent(reason="not_asked", of_source=True)
    later = Postpone(NOW_US + UNASKED, counts=False)
    expected = {InquiryState.WAITING: GiveUp(NOW_US), InquiryState.DOUBTFUL: Let()}
    found = move(inquiry(state), silence, policy=AskPolicy(asks=False))
    assert found == expected.get(state, later)
