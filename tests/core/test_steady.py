"""What a clock that was ahead has put off, and what waits for a reason of its own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.delivery import (
    HOUR,
    SECOND,
    UNLADDERED_WAIT,
    Failed,
    Fault,
    Policy,
    Queue,
    Tried,
    follow,
)
from relay.core.steady import STEP_US, Ahead, Watch, put_off

NOW = 1_000_000 * HOUR
DAY = 24 * HOUR
POLICY = Policy(ladder=(0, 5 * SECOND, 300 * SECOND))


def ahead(
    wait: int,
    *,
    queue: Queue = Queue.AGAIN,
    attempts: int = 1,
    status: int | None = None,
    tried: int | None = None,
) -> Ahead:
    return Ahead(queue, 1, NOW + wait, 7, attempts, status, tried)


def is_put_off(one: Ahead, policy: Policy = POLICY) -> bool:
    return put_off([one], policy=policy, now=NOW) == [one]


def test_a_clock_that_was_never_looked_at_may_have_been_set() -> None:
    assert Watch().jumped(NOW, 50.0)


@pytest.mark.parametrize("seconds", [-86_400, -6, 6, 86_400])
def test_a_clock_that_was_set_has_jumped_and_then_goes_on(seconds: int) -> None:
    watch = Watch()
    watch.jumped(NOW, 50.0)
    assert watch.jumped(NOW + (60 + seconds) * SECOND, 110.0)
    assert not watch.jumped(NOW + (61 + seconds) * SECOND, 111.0)


@pytest.mark.parametrize("seconds", [-5, 0, 5])
def test_small_corrections_are_no_jump(seconds: int) -> None:
    watch = Watch()
    watch.jumped(NOW, 50.0)
    assert not watch.jumped(NOW + (60 + seconds) * SECOND, 110.0)


def test_what_was_never_tried_waits_for_nothing() -> None:
    assert is_put_off(ahead(1, queue=Queue.FIRST, attempts=0))
    assert not is_put_off(ahead(0, queue=Queue.FIRST, attempts=0))


def test_what_was_tried_in_the_future_waits_for_no_reason() -> None:
    assert is_put_off(ahead(5 * SECOND, tried=NOW + STEP_US + 1))
    assert not is_put_off(ahead(5 * SECOND, tried=NOW + STEP_US))


def test_no_step_of_the_ladder_is_longer_than_its_wait_and_jitter() -> None:
    assert is_put_off(ahead(6 * SECOND + STEP_US + 1))
    assert not is_put_off(ahead(6 * SECOND + STEP_US))
    assert not is_put_off(ahead(360 * SECOND, attempts=2))
    assert not is_put_off(ahead(360 * SECOND, attempts=99))


def test_an_answer_may_have_asked_for_a_day() -> None:
    assert not is_put_off(ahead(DAY, status=503))
    assert is_put_off(ahead(DAY + STEP_US + 1, status=503))


def test_where_there_is_no_ladder_a_wait_has_one_length() -> None:
    policy = Policy(laddered=False)
    assert not is_put_off(ahead(UNLADDERED_WAIT), policy)
    assert is_put_off(ahead(UNLADDERED_WAIT + STEP_US + 1), policy)


@given(
    attempts=st.integers(0, 12),
    status=st.none() | st.sampled_from([400, 429, 503]),
    asked=st.none() | st.integers(0, 9 * DAY),
    seed=st.binary(max_size=4),
    laddered=st.booleans(),
    fault=st.sampled_from(Fault),
    gate_open=st.booleans(),
)
def test_no_wait_that_a_try_can_end_in_is_taken_for_a_fault_of_the_clock(
    *,
    attempts: int,
    status: int | None,
    asked: int | None,
    seed: bytes,
    laddered: bool,
    fault: Fault,
    gate_open: bool,
) -> None:
    policy = Policy(laddered=laddered)
    answered = laddered and status is not None
    failed = Failed(
        reason="no",
        fault=fault,
        status=status if answered else None,
        retry_after_us=asked if answered else None,
    )
    tried = Tried(created_at=NOW, attempts=attempts, seed=seed)
    step = follow(tried, failed, policy=policy, now=NOW, gate_open=gate_open)
    one = Ahead(Queue.AGAIN, 1, step.due_at, 7, step.attempts, failed.status, None)
    assert not is_put_off(one, policy)
