"""What a call to a sender means for its gate and for each parcel that it carried."""

import uuid
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.courier import judge_gate, seed_of, settlement
from relay.core.delivery import (
    Delivered,
    Failed,
    Fault,
    Outcome,
    Policy,
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


def settled_as(parcel: Parcel, outcome: Outcome, **changes: Any) -> Settlement:
    given = {"policy": Policy(), "gate_open": False, "now_us": NOW_US, **changes}
    return settlement(parcel, outcome, **given)


@pytest.mark.parametrize(
    "outcome,state,attempts",
    [
        (Delivered(), State.DELIVERED, 3),
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
