"""The whole ladder, climbed by a real courier over a real store in no time: the clock is moved on."""

import pytest

from docs.generate_delivery import CASES, NOW_US, Case
from relay.core.courier import seed_of, settlement
from relay.core.delivery import (
    DEFAULT_LADDER,
    HOUR,
    Failed,
    Fault,
    Policy,
    State,
    backoff_us,
)
from relay.core.gate import GatePolicy
from relay.core.ports import Parcel
from tests.builders import any_parcel
from tests.deliver.couriers import NO, Bench, record, settled

LADDERED = [
    case
    for case in CASES
    if isinstance(case.outcome, Failed) and case.outcome.fault is not Fault.GONE
]


async def test_an_event_that_is_never_taken_climbs_the_ladder_until_its_age(
    bench: Bench,
) -> None:
    """And each try is due when its seed says, to the microsecond."""
    policy = Policy()
    bench.sender.answer = lambda _: NO
    bench.employ(policy=policy)
    bench.start()
    await record(bench, "run_1")
    born = bench.clock.now_us()
    tries = 1
    await settled(bench, tries)
    [row] = await bench.to_orders()
    while row.state is not State.DEAD:
        parcel = bench.sender.sent[-1]
        wait = backoff_us(policy, attempt=tries + 1, seed=seed_of(parcel))
        assert row.due_at == bench.clock.now_us() + wait
        bench.clock.time_us = row.due_at
        bench.courier.hint()
        tries += 1
        await settled(bench, tries)
        [row] = await bench.to_orders()
    assert (row.reason, row.attempts) == ("expired", tries)
    assert bench.clock.now_us() - born >= policy.max_age
    assert tries > len(DEFAULT_LADDER)
    ids = {parcel.letter.event_id for parcel in bench.sender.sent}
    assert (len(bench.sender.sent), len(ids)) == (tries, 1)


@pytest.mark.parametrize("case", LADDERED, ids=lambda case: case.name)
def test_every_failure_has_its_whole_ladder(case: Case) -> None:
    """Each wait is its step's within a fifth, or what was asked for where that is longer; a week ends it."""
    assert isinstance(case.outcome, Failed)
    asked = min(case.outcome.retry_after_us or 0, 24 * HOUR)
    parcel, now, waits = any_parcel(created_at=NOW_US), NOW_US, []
    while True:
        item = settlement(
            parcel, case.outcome, policy=Policy(), gate_open=False, now_us=now
        )
        if item.step.state is State.DEAD:
            break
        waits.append(item.step.due_at - now)
        now = item.step.due_at
        parcel = _again(parcel, item.step.attempts)
    assert item.step.reason == "expired"
    assert now - NOW_US >= Policy().max_age
    steps = [*DEFAULT_LADDER[1:], *[DEFAULT_LADDER[-1]] * len(waits)]
    for wait, step in zip(waits, steps, strict=False):
        assert max(asked, 0.8 * step) - 1 <= wait <= max(asked, 1.2 * step) + 1


def _again(parcel: Parcel, attempts: int) -> Parcel:
    return any_parcel(created_at=parcel.created_at, attempts=attempts)


async def test_what_dies_of_its_age_is_said_to_be_dead(
    bench: Bench, said: list[dict[str, object]]
) -> None:
    bench.sender.answer = lambda _: NO
    bench.employ(policy=Policy(max_age=0))
    bench.start()
    await record(bench, "run_1")
    await settled(bench, 1)
    [line] = [line for line in said if line["event"] == "delivery.attempted"]
    assert (line["outcome"], line["reason"]) == ("dead", "status_400")
    assert line["dead_of"] == "expired"


async def test_a_destination_that_works_again_gets_all_at_once_that_had_failed(
    bench: Bench,
) -> None:
    """Also what failed before it was known not to work: the steps that it took are given back."""
    bench.sender.answer = lambda _: _busy()
    bench.employ(policy=Policy(), gate=GatePolicy(faults_to_open=4, probe_first_s=0.01))
    bench.start()
    await bench.looked()
    for number in range(4):
        await record(bench, f"run_{number}")
        await settled(bench, number + 1)
    await bench.watch.until(lambda: len(bench.outbox.amended) == 3)
    rows = await bench.to_orders()
    now = bench.clock.now_us()
    assert [(row.attempts, row.due_at <= now) for row in rows] == [(0, True)] * 4


def _busy() -> Failed:
    return Failed(reason="status_503", fault=Fault.DESTINATION, status=503)
