"""The arithmetic of tries: nothing is brought forward, nothing waits beyond its cap, age alone kills."""

from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec import structs

from relay.core.delivery import (
    DEFAULT_LADDER,
    HOUR,
    SECOND,
    UNLADDERED_WAIT,
    Delivered,
    Failed,
    Fault,
    Outcome,
    Policy,
    Refused,
    Released,
    State,
    Step,
    Tried,
    backoff_us,
    follow,
)

NOW = 1_772_366_400 * SECOND
LADDERED = Policy()
UNLADDERED = Policy(laddered=False)
FRESH = Tried(created_at=NOW, attempts=0, seed=b"seed")


def failed(fault: Fault, retry_after_s: int | None = None) -> Failed:
    wait = None if retry_after_s is None else retry_after_s * SECOND
    return Failed(reason="status_503", fault=fault, retry_after_us=wait)


def next_try(
    outcome: Outcome,
    *,
    tried: Tried = FRESH,
    policy: Policy = LADDERED,
    gate_open: bool = False,
) -> Step:
    return follow(tried, outcome, policy=policy, now=NOW, gate_open=gate_open)


def test_the_default_ladder_is_the_documented_one() -> None:
    hours = [seconds / 3600 for seconds in (0, 5, 300, 1800)] + [2, 5, 10, 14, 20, 24]
    assert [wait / HOUR for wait in DEFAULT_LADDER] == hours


def test_numbers_of_states_are_on_disk_and_never_change() -> None:
    assert {state.name: state.value for state in State} == {
        "PENDING": 0,
        "DELIVERED": 1,
        "HELD": 2,
        "DEAD": 3,
        "DISCARDED": 4,
    }


#: policy, gate, fault -> step of the ladder used, wait of the ladder taken.
FAILURES = [
    (LADDERED, False, Fault.EVENT, True, None),
    (LADDERED, True, Fault.EVENT, True, None),
    (LADDERED, False, Fault.DESTINATION, True, None),
    (LADDERED, True, Fault.DESTINATION, False, 0),
    (UNLADDERED, False, Fault.EVENT, True, UNLADDERED_WAIT),
    (UNLADDERED, True, Fault.EVENT, True, UNLADDERED_WAIT),
    (UNLADDERED, False, Fault.DESTINATION, False, 0),
    (UNLADDERED, True, Fault.DESTINATION, False, 0),
]


@pytest.mark.parametrize("attempts", [0, 1, 40])
@pytest.mark.parametrize("policy,gate_open,fault,uses_step,wait", FAILURES)
def test_a_failure_is_charged_to_whom_it_belongs(
    policy: Policy,
    gate_open: bool,
    fault: Fault,
    uses_step: bool,
    wait: int | None,
    attempts: int,
) -> None:
    tried = structs.replace(FRESH, attempts=attempts)
    step = next_try(failed(fault), tried=tried, policy=policy, gate_open=gate_open)
    if wait is None:
        wait = backoff_us(policy, attempt=attempts + 2, seed=b"seed")
    assert step == Step(
        state=State.PENDING,
        due_at=NOW + wait,
        attempts=attempts + uses_step,
        reason="status_503",
    )


@pytest.mark.parametrize("policy", [LADDERED, UNLADDERED])
@pytest.mark.parametrize("gate_open", [False, True])
@pytest.mark.parametrize("fault", Fault)
def test_every_destination_gives_up_on_what_is_too_old(
    policy: Policy, gate_open: bool, fault: Fault
) -> None:
    old = structs.replace(FRESH, created_at=NOW - policy.max_age)
    almost = structs.replace(old, created_at=old.created_at + 1)
    step = next_try(failed(fault, 60), tried=old, policy=policy, gate_open=gate_open)
    assert step == Step(state=State.DEAD, due_at=NOW, attempts=1, reason="expired")
    before = next_try(failed(fault), tried=almost, policy=policy, gate_open=gate_open)
    assert before.state is State.PENDING


@pytest.mark.parametrize(
    "outcome", [Delivered(), Refused(reason="too_large"), Released()]
)
def test_age_does_not_change_what_was_decided(outcome: Outcome) -> None:
    old = structs.replace(FRESH, created_at=0)
    assert next_try(outcome, tried=old) == next_try(outcome)


@pytest.mark.parametrize(
    "policy,gate_open,fault,asked_s,waited",
    [
        # A wait shorter than the ladder's brings nothing forward.
        (LADDERED, False, Fault.EVENT, 1, None),
        (LADDERED, False, Fault.EVENT, -60, None),
        (LADDERED, False, Fault.EVENT, 3600, HOUR),
        (LADDERED, False, Fault.DESTINATION, 3600, HOUR),
        (LADDERED, True, Fault.DESTINATION, 60, 60 * SECOND),
        (LADDERED, True, Fault.DESTINATION, -60, 0),
        (UNLADDERED, False, Fault.DESTINATION, 60, 60 * SECOND),
        (LADDERED, False, Fault.EVENT, 24 * 3600 + 1, 24 * HOUR),
        (LADDERED, False, Fault.EVENT, 10**12, 24 * HOUR),
    ],
)
def test_retry_after_only_postpones(
    policy: Policy, gate_open: bool, fault: Fault, asked_s: int, waited: int | None
) -> None:
    step = next_try(failed(fault, asked_s), policy=policy, gate_open=gate_open)
    own = next_try(failed(fault), policy=policy, gate_open=gate_open)
    assert step == (
        own if waited is None else structs.replace(own, due_at=NOW + waited)
    )


def test_after_the_last_step_its_wait_repeats() -> None:
    policy = Policy(ladder=(0, 5 * SECOND, 7 * SECOND), jitter=0)
    waits = [backoff_us(policy, attempt=n, seed=b"") for n in range(1, 6)]
    assert waits == [0, 5 * SECOND, 7 * SECOND, 7 * SECOND, 7 * SECOND]


def test_the_first_try_of_the_default_ladder_waits_for_nothing() -> None:
    assert backoff_us(LADDERED, attempt=1, seed=b"any") == 0


def test_jitter_is_what_was_written_down() -> None:
    """Whoever explains a delivery later must come to the same waits."""
    waits = [backoff_us(LADDERED, attempt=n, seed=b"seed") for n in (2, 3, 4)]
    assert waits == [4_086_029, 264_906_583, 1_955_274_481]


@given(seed=st.binary(min_size=1, max_size=32), attempt=st.integers(2, 40))
def test_jitter_differs_from_try_to_try_and_from_delivery_to_delivery(
    seed: bytes, attempt: int
) -> None:
    waits = {
        backoff_us(replace(LADDERED, ladder=(10**15,)), attempt=n, seed=some)
        for n in (attempt, attempt + 1)
        for some in (seed, seed + b"/")
    }
    assert len(waits) == 4


@given(seeds=st.sets(st.binary(min_size=8, max_size=8), min_size=60, max_size=60))
def test_jitter_spreads_to_both_sides(seeds: set[bytes]) -> None:
    policy = Policy(ladder=(10**9,))
    waits = [backoff_us(policy, attempt=1, seed=seed) for seed in seeds]
    assert min(waits) < 10**9 < max(waits)
    assert all(8 * 10**8 <= wait <= 12 * 10**8 for wait in waits)


outcomes = st.one_of(
    st.just(Delivered()),
    st.just(Refused(reason="blocked")),
    st.just(Released()),
    st.builds(
        Failed,
        reason=st.just("timeout"),
        fault=st.sampled_from(Fault),
        retry_after_us=st.none() | st.integers(-(10**18), 10**18),
    ),
)
policies = st.builds(
    Policy,
    ladder=st.lists(st.integers(0, 48 * HOUR), min_size=1, max_size=12).map(tuple),
    max_age=st.integers(0, 30 * 24 * HOUR),
    jitter=st.floats(0, 1),
    retry_after_max=st.integers(0, 48 * HOUR),
    laddered=st.booleans(),
)
tries = st.builds(
    Tried,
    created_at=st.integers(NOW - 60 * 24 * HOUR, NOW + HOUR),
    attempts=st.integers(0, 10**6),
    seed=st.binary(max_size=20),
)


@given(tried=tries, outcome=outcomes, policy=policies, gate_open=st.booleans())
def test_no_try_is_due_in_the_past_nor_later_than_its_caps(
    tried: Tried, outcome: Outcome, policy: Policy, gate_open: bool
) -> None:
    step = next_try(outcome, tried=tried, policy=policy, gate_open=gate_open)
    longest = max(2 * max(policy.ladder), policy.retry_after_max, UNLADDERED_WAIT)
    assert NOW <= step.due_at <= NOW + longest
    assert tried.attempts <= step.attempts <= tried.attempts + 1
    assert step.state is not State.HELD


@given(tried=tries, outcome=outcomes, policy=policies, gate_open=st.booleans())
def test_only_age_or_a_refusal_kills(
    tried: Tried, outcome: Outcome, policy: Policy, gate_open: bool
) -> None:
    step = next_try(outcome, tried=tried, policy=policy, gate_open=gate_open)
    assume(step.state is State.DEAD)
    assert step.reason is not None
    if not isinstance(outcome, Refused):
        assert NOW - tried.created_at >= policy.max_age
