"""What a call to a sender means for its gate and for each parcel that it carried."""

import uuid
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from relay.core.courier import Suspects, judge_gate, seed_of, settlement, strains
from relay.core.delivery import (
    HOUR,
    Delivered,
    Failed,
    Fault,
    Outcome,
    Policy,
    Queue,
    Refused,
    Released,
    State,
    backoff_us,
)
from relay.core.gate import Gate, GatePolicy
from relay.core.ports import Parcel, Settlement
from tests.builders import NOW_US, any_facts, any_parcel, any_reading

EVENT = Failed(reason="status_400", fault=Fault.EVENT)
DOWN = Failed(reason="timeout", fault=Fault.DESTINATION)
REFUSED = Refused(reason="blocked_address")
SHUT = Gate(policy=GatePolicy(faults_to_open=2))
OPEN = SHUT.failed(0.0, probe=False).failed(0.0, probe=False)


@pytest.mark.parametrize(
    "outcomes,faults",
    [
        ([DOWN], 1),
        ([DOWN, DOWN, DOWN], 1),
        ([Delivered(), DOWN], 1),
        ([Released(), DOWN, EVENT], 1),
        ([Released()], 0),
        ([], 0),
    ],
)
def test_a_call_counts_once_however_many_parcels_it_carried(
    outcomes: list[Outcome], faults: int
) -> None:
    assert judge_gate(SHUT, outcomes, now_s=1.0, probe=False).faults == faults


@pytest.mark.parametrize("answer", [Delivered(), EVENT, REFUSED])
@pytest.mark.parametrize("probe", [False, True])
def test_any_answer_shows_that_the_destination_is_there(
    answer: Outcome, probe: bool
) -> None:
    gate = judge_gate(OPEN, [Released(), answer], now_s=1.0, probe=probe)
    assert (gate.open, gate.faults, gate.probes) == (False, 0, 0)


@pytest.mark.parametrize("outcomes", [[], [Released()]])
def test_a_call_that_was_never_made_says_nothing(outcomes: list[Outcome]) -> None:
    assert judge_gate(OPEN, outcomes, now_s=9.0, probe=True) is OPEN


def test_while_it_is_open_only_the_probe_moves_the_gate() -> None:
    assert judge_gate(OPEN, [DOWN], now_s=9.0, probe=False) is OPEN
    probed = judge_gate(OPEN, [DOWN], now_s=9.0, probe=True)
    assert probed.probe_at == 9.0 + 2.0


def test_a_gate_counts_from_the_beginning_once_it_has_closed() -> None:
    closed = OPEN.failed(1.0, probe=True).failed(3.0, probe=True).worked()
    assert not closed.failed(10.0, probe=False).open
    again = closed.failed(10.0, probe=False).failed(10.0, probe=False)
    assert again.probe_at == 11.0


def test_a_gate_that_is_not_open_has_no_probe_due() -> None:
    assert not SHUT.may_probe(10**9)


@given(
    moves=st.lists(st.sampled_from(["worked", "failed", "probe"]), max_size=60),
    opens_after=st.integers(1, 10),
)
def test_whatever_happens_a_probe_comes_within_30_seconds(
    moves: list[str], opens_after: int
) -> None:
    gate = Gate(policy=GatePolicy(faults_to_open=opens_after, apart_s=3.0))
    row: list[int] = []
    for now, move in enumerate(moves):
        was_open = gate.open
        if move == "worked":
            gate = gate.worked()
            row.clear()
            assert not gate.open
            continue
        gate = gate.failed(float(now), probe=move == "probe")
        row.append(now)
        enough = len(row) >= opens_after or now - row[0] >= 3
        assert gate.open is (was_open or enough)
        if gate.probe_at is not None and (not was_open or move == "probe"):
            assert 1.0 <= gate.probe_at - now <= 30.0


GONE = Failed(reason="gone", fault=Fault.GONE, status=410)
BUSY = Failed(
    reason="status_429",
    fault=Fault.DESTINATION,
    status=429,
    retry_after_us=120_000_000,
)


def test_a_destination_that_says_it_is_gone_has_its_gate_open_at_once() -> None:
    gate = judge_gate(Gate(), [Delivered(), GONE], now_s=5.0, probe=False)
    assert (gate.open, gate.probe_at) == (True, 6.0)
    # Others that were under way say nothing new; another probe does.
    assert judge_gate(gate, [GONE], now_s=5.5, probe=False) is gate
    assert judge_gate(gate, [GONE], now_s=6.0, probe=True).probe_at == 8.0


def test_a_fresh_event_need_not_wait_for_probes_of_what_has_failed_before() -> None:
    """A run at which the destination always fails keeps nobody else away."""
    gate = OPEN
    for at in (1.0, 3.0, 7.0, 15.0):
        gate = judge_gate(gate, [DOWN], now_s=at, probe=True, queue=Queue.AGAIN)
    assert gate.wait_s(15.0, Queue.AGAIN) == 16.0
    assert gate.may_probe(15.0, Queue.FIRST)
    assert not gate.may_probe(15.0, Queue.AGAIN)


def test_what_has_failed_before_opens_a_gate_for_its_like() -> None:
    shut = judge_gate(SHUT, [DOWN], now_s=0.0, probe=False, queue=Queue.AGAIN)
    gate = judge_gate(shut, [DOWN], now_s=0.0, probe=False, queue=Queue.AGAIN)
    waits = [gate.wait_s(0.0, queue) for queue in Queue]
    assert (gate.open, waits) == (True, [0.0, 1.0])


def test_a_fresh_event_that_fails_puts_all_off() -> None:
    gate = judge_gate(OPEN, [DOWN], now_s=1.0, probe=True, queue=Queue.FIRST)
    assert [gate.wait_s(1.0, queue) for queue in Queue] == [2.0, 2.0]


@pytest.mark.parametrize("queue", Queue)
def test_probes_leave_alone_who_has_asked_for_it(queue: Queue) -> None:
    peace = {"now_s": 1.0, "probe": True, "queue": queue}
    gate = judge_gate(OPEN, [BUSY], **peace, peace_max_us=3600_000_000)  # type: ignore[arg-type]  # names are theirs
    assert [gate.wait_s(1.0, other) for other in Queue] == [120.0, 120.0]
    capped = judge_gate(OPEN, [BUSY], **peace, peace_max_us=60_000_000)  # type: ignore[arg-type]
    assert [capped.wait_s(1.0, other) for other in Queue] == [60.0, 60.0]


def test_one_wish_for_peace_keeps_nobody_away_for_a_day() -> None:
    """It is one delivery's word; and a person's word that it works again counts for more."""
    forever = structs.replace(BUSY, retry_after_us=24 * HOUR)
    gate = judge_gate(OPEN, [forever], now_s=1.0, probe=True, peace_max_us=24 * HOUR)
    assert [gate.wait_s(1.0, queue) for queue in Queue] == [300.0, 300.0]
    assert [gate.knocked(9.0).wait_s(9.0, queue) for queue in Queue] == [0.0, 0.0]
    assert gate.knocked(9.0).open
    assert SHUT.knocked(9.0) is SHUT


@pytest.mark.parametrize(
    "outcomes,queue,strained",
    [
        ([Delivered()], Queue.FIRST, False),
        ([EVENT], Queue.FIRST, False),
        ([Delivered(), DOWN], Queue.FIRST, True),
        ([BUSY], Queue.AGAIN, True),
        # Who has failed before may fail for a reason of his own.
        ([DOWN], Queue.AGAIN, False),
        ([], Queue.FIRST, False),
    ],
)
def test_what_shows_that_a_destination_has_too_much_to_do(
    outcomes: list[Outcome], queue: Queue, strained: bool
) -> None:
    assert strains(outcomes, queue) is strained


def test_steps_taken_before_a_gate_has_opened_are_given_back() -> None:
    suspects = Suspects(Policy())
    first, second = any_parcel(), any_parcel(any_facts(any_reading(run_id="other")))
    one = settled_as(first, DOWN)
    kept = Gate().failed(0.0, probe=False)
    assert suspects.see(one, kept, now_us=NOW_US) == ()
    two = settled_as(second, BUSY, now_us=NOW_US + 7)
    [amended] = suspects.see(two, OPEN, now_us=NOW_US + 7)
    assert (one.step.attempts, amended.number) == (1, first.number)
    assert amended.written == one.step
    assert (amended.step.attempts, amended.step.due_at) == (0, NOW_US)
    assert not suspects


def test_what_was_asked_for_is_kept_also_when_a_step_is_given_back() -> None:
    suspects = Suspects(Policy())
    one = settled_as(any_parcel(), BUSY)
    suspects.see(one, Gate().failed(0.0, probe=False), now_us=NOW_US)
    [amended] = suspects.see(one, OPEN, now_us=NOW_US)
    assert amended.step.due_at == NOW_US + 120_000_000


@pytest.mark.parametrize(
    "outcome,gate",
    [
        # A success between clears everyone.
        (Delivered(), Gate()),
        # An event at fault is no sign of anything, nor is one that has died of its age.
        (EVENT, Gate().failed(0.0, probe=False)),
        (REFUSED, Gate().failed(0.0, probe=False)),
    ],
)
def test_who_was_no_sign_of_it_keeps_what_was_written(
    outcome: Outcome, gate: Gate
) -> None:
    suspects = Suspects(Policy())
    if not gate.faults:
        down = settled_as(any_parcel(), DOWN)
        suspects.see(down, Gate().failed(0.0, probe=False), now_us=NOW_US)
    suspects.see(settled_as(any_parcel(), outcome), gate, now_us=NOW_US)
    assert list(suspects.see(settled_as(any_parcel(), DOWN), OPEN, now_us=1)) == []


def settled_as(parcel: Parcel, outcome: Outcome, **changes: Any) -> Settlement:
    given = {"policy": Policy(), "gate_open": False, "now_us": NOW_US, **changes}
    return settlement(parcel, outcome, **given)


@pytest.mark.parametrize(
    "outcome,state,attempts",
    [
        (Delivered(), State.DELIVERED, 3),
        (GONE, State.PENDING, 2),
        (REFUSED, State.DEAD, 3),
        (EVENT, State.PENDING, 3),
        (Released(), State.PENDING, 2),
    ],
)
def test_what_is_written_follows_from_the_outcome(
    outcome: Outcome, state: State, attempts: int
) -> None:
    parcel = any_parcel(attempts=2)
    settled = settled_as(parcel, outcome)
    assert (settled.parcel, settled.outcome) == (parcel, outcome)
    assert (settled.step.state, settled.step.attempts) == (state, attempts)


@pytest.mark.parametrize("gate_open,attempts", [(False, 1), (True, 0)])
def test_the_gate_decides_whether_a_fault_uses_a_step(
    gate_open: bool, attempts: int
) -> None:
    settled = settled_as(any_parcel(), DOWN, gate_open=gate_open)
    assert settled.step.attempts == attempts


def test_a_parcel_is_as_old_as_its_delivery() -> None:
    parcel = any_parcel(created_at=NOW_US - 1000)
    settled = settled_as(parcel, EVENT, policy=Policy(max_age=1000))
    assert settled.step.reason == "expired"


def test_the_wait_can_be_derived_again_from_what_the_delivery_is() -> None:
    parcel = any_parcel(attempts=3, destination="lake", generation=2)
    seed = uuid.UUID("d02e03e3-64ae-56ea-bc81-c7041abacc1e").bytes + b"/lake/2"
    settled = settled_as(parcel, EVENT)
    assert seed_of(parcel) == seed
    assert settled.step.due_at - NOW_US == backoff_us(Policy(), attempt=5, seed=seed)


def test_a_parcel_whose_event_cannot_be_built_is_settled_too() -> None:
    parcel = any_parcel(msgspec.structs.replace(any_facts(), builder=99))
    failed = Failed(reason="unknown_builder", fault=Fault.EVENT)
    assert settled_as(parcel, failed).step.state is State.PENDING


def test_deliveries_of_one_event_are_not_tried_again_in_step() -> None:
    other_run = any_facts(any_reading(run_id="other"))
    seeds = {
        seed_of(parcel)
        for parcel in (
            any_parcel(),
            any_parcel(destination="lake"),
            any_parcel(generation=2),
            any_parcel(other_run),
        )
    }
    assert len(seeds) == 4
