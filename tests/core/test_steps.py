"""What follows a try: steps, waits, gates, limits and accounts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.delivery import (
    DEFAULT_LADDER,
    SECOND,
    Delivered,
    Failed,
    Fault,
    Outcome,
    Policy,
    Refused,
    Released,
    State,
    Tried,
    backoff_us,
    follow,
)
from relay.core.gate import Gate, GatePolicy
from relay.core.ledger import DestinationCounts, Ledger, SourceCounts
from relay.core.limiter import Limiter

NOW = 1_000_000 * SECOND
TRIED = Tried(created_at=NOW - SECOND, attempts=1, seed=b"seed")
EVENT = Failed(reason="status_400", fault=Fault.EVENT)
DOWN = Failed(reason="timeout", fault=Fault.DESTINATION)
ROWS: list[tuple[Outcome, bool, State, int, str | None]] = [
    (Delivered(), False, State.DELIVERED, 2, None),
    (Refused(reason="too_large"), False, State.DEAD, 2, "too_large"),
    (Released(), True, State.PENDING, 1, None),
    (EVENT, False, State.PENDING, 2, "status_400"),
    (EVENT, True, State.PENDING, 2, "status_400"),
    (DOWN, False, State.PENDING, 2, "timeout"),
    (DOWN, True, State.PENDING, 1, "timeout"),
]


@pytest.mark.parametrize("outcome,gate_open,state,attempts,reason", ROWS)
def test_every_outcome_has_its_step(
    outcome: Outcome, gate_open: bool, state: State, attempts: int, reason: str | None
) -> None:
    step = follow(TRIED, outcome, policy=Policy(), now=NOW, gate_open=gate_open)
    assert (step.state, step.attempts, step.reason) == (state, attempts, reason)


def test_while_the_destination_is_down_nothing_waits_and_no_step_is_used() -> None:
    step = follow(TRIED, DOWN, policy=Policy(), now=NOW, gate_open=True)
    assert (step.due_at, step.attempts) == (NOW, TRIED.attempts)


def test_without_a_ladder_an_event_at_fault_waits_as_long_as_a_slow_probe() -> None:
    step = follow(TRIED, EVENT, policy=Policy(laddered=False), now=NOW, gate_open=False)
    assert step.due_at == NOW + 30 * SECOND


def test_age_is_the_only_clock_that_kills() -> None:
    old = Tried(created_at=NOW - Policy().max_age, attempts=3, seed=b"")
    step = follow(old, DOWN, policy=Policy(), now=NOW, gate_open=True)
    assert (step.state, step.reason) == (State.DEAD, "expired")


@pytest.mark.parametrize(
    "asked,waited",
    [(0, None), (3600 * SECOND, 3600 * SECOND), (10**18, 24 * 3600 * SECOND)],
)
def test_retry_after_postpones_up_to_a_day(asked: int, waited: int | None) -> None:
    failed = Failed(reason="status_429", fault=Fault.DESTINATION, retry_after_us=asked)
    step = follow(TRIED, failed, policy=Policy(), now=NOW, gate_open=False)
    ladder = backoff_us(Policy(), attempt=3, seed=TRIED.seed)
    assert step.due_at - NOW == (ladder if waited is None else waited)


@given(st.integers(1, 60), st.binary(max_size=40))
def test_jitter_stays_within_a_fifth_and_can_be_derived_again(
    attempt: int, seed: bytes
) -> None:
    wait = backoff_us(Policy(), attempt=attempt, seed=seed)
    base = DEFAULT_LADDER[min(attempt - 1, len(DEFAULT_LADDER) - 1)]
    assert abs(wait - base) <= 0.2 * base + 1
    assert wait == backoff_us(Policy(), attempt=attempt, seed=seed)


def test_open_states_are_those_in_which_something_can_happen() -> None:
    assert [state for state in State if state.is_open] == [State.PENDING, State.HELD]


def test_a_gate_opens_after_faults_in_a_row_only() -> None:
    gate = Gate(policy=GatePolicy(faults_to_open=3))
    for _ in range(2):
        gate = gate.failed(0.0, probe=False)
    gate = gate.worked().failed(0.0, probe=False).failed(0.0, probe=False)
    assert not gate.open
    assert gate.failed(0.0, probe=False).open


@pytest.mark.parametrize("between,opens", [(2.9, False), (3.0, True)])
def test_a_gate_opens_at_the_second_fault_where_little_is_sent(
    between: float, opens: bool
) -> None:
    once = Gate().failed(100.0, probe=False)
    assert not once.open
    assert once.failed(100.0 + between, probe=False).open is opens


def test_faults_far_apart_with_a_success_between_open_nothing() -> None:
    gate = Gate().failed(0.0, probe=False).worked()
    assert not gate.failed(100.0, probe=False).open


def test_probes_come_after_1_2_4_up_to_30_seconds() -> None:
    gate = Gate(policy=GatePolicy(faults_to_open=1)).failed(0.0, probe=False)
    waits = []
    for _ in range(7):
        assert gate.probe_at is not None
        waits.append(gate.probe_at)
        gate = gate.failed(0.0, probe=True)
    assert waits == [1, 2, 4, 8, 16, 30, 30]


def test_tries_that_were_under_way_say_nothing_new_about_an_open_gate() -> None:
    gate = Gate(policy=GatePolicy(faults_to_open=1)).failed(5.0, probe=False)
    assert gate.failed(9.0, probe=False) is gate
    assert (gate.may_probe(5.9), gate.may_probe(6.0)) == (False, True)
    assert not gate.worked().open


def test_failures_are_allowed_as_often_as_said_and_come_back_with_time() -> None:
    limiter = Limiter(per_minute=2)
    assert [limiter.spend("a", 0.0) > 0 for _ in range(3)] == [False, False, True]
    assert limiter.spend("b", 0.0) == 0
    assert limiter.spend("a", 30.0) == 0


def test_a_limiter_forgets_who_has_been_quiet_longest() -> None:
    limiter = Limiter(per_minute=1, keys_max=2)
    for key in "abc":
        limiter.spend(key, 0.0)
    assert limiter.spend("a", 0.0) == 0
    assert limiter.spend("c", 0.0) > 0


def test_a_ledger_that_adds_up_balances() -> None:
    ledger = Ledger(
        sources={
            "acme": SourceCounts(
                receipts=3, first=2, stale=1, opened=2, events=1, waiting=1
            )
        },
        destinations={"lake": DestinationCounts(created=2, delivered=1, dead=1)},
    )
    assert ledger.balance().holds


@pytest.mark.parametrize(
    "source,destination,fault",
    [
        (SourceCounts(receipts=1), DestinationCounts(), "receipts"),
        (SourceCounts(opened=1), DestinationCounts(), "opened"),
        (SourceCounts(unrouted=1), DestinationCounts(), "unrouted"),
        (SourceCounts(), DestinationCounts(created=1), "deliveries"),
        (SourceCounts(), DestinationCounts(delivered=1, pending=-1), "pending is -1"),
    ],
)
def test_every_equation_that_does_not_hold_is_named(
    source: SourceCounts, destination: DestinationCounts, fault: str
) -> None:
    found = Ledger(sources={"s": source}, destinations={"d": destination}).balance()
    assert fault in found.faults[0]
