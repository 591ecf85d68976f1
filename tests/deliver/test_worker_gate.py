"""The courier's gate, how it stops, and what a crash leaves: nothing is lost and nothing done twice."""

import asyncio
from typing import Any

import pytest

from relay.core.delivery import Delivered, Released, State
from relay.core.errors import StoreFullError
from relay.deliver import polling
from tests.deliver.couriers import (
    BUSY,
    NAME,
    Bench,
    ScriptedSender,
    names,
    record,
    settled,
)

# --- the gate -------------------------------------------------------------------------------------


async def _shut(bench: Bench, *, probe_s: float) -> None:
    """Let the destination fail until it counts as not working."""
    bench.sender = ScriptedSender(bench.watch, concurrency=1)
    bench.sender.answer = lambda _: BUSY
    bench.employ(faults_to_open=3, probe_s=probe_s)
    bench.start()
    await bench.looked()
    await record(bench, *names(6))
    await bench.watch.until(lambda: bench.courier.gate.open)


async def test_a_gate_that_opens_gives_back_what_was_not_tried(bench: Bench) -> None:
    await _shut(bench, probe_s=3600.0)
    await settled(bench, 6)
    assert len(bench.sender.calls) == 3
    untried = [s for s in bench.outbox.settled if isinstance(s.outcome, Released)]
    assert [s.parcel.letter.facts.key.id for s in untried] == names(6)[3:]
    rows = await bench.to_orders()
    assert [row.leased for row in rows] == [False] * 6
    assert [row.attempts for row in rows[3:]] == [0, 0, 0]
    assert bench.metrics.gauges["runflow_relay_destination_up", NAME] == 0


async def test_behind_an_open_gate_fresh_events_are_stored_and_not_tried(
    bench: Bench,
) -> None:
    await _shut(bench, probe_s=3600.0)
    assert (bench.courier.room, list(bench.dispatch.degraded)) == (0, [NAME])
    await record(bench, "late")
    assert [row.leased for row in await bench.to_orders()][-1] is False
    assert len(bench.sender.calls) == 3


async def test_a_commit_that_ends_after_the_gate_has_opened_hands_over_in_vain(
    bench: Bench,
) -> None:
    """Its room was measured before; what it brings goes back untried."""
    bench.sender = ScriptedSender(bench.watch, concurrency=1)
    bench.sender.hold()
    bench.sender.answer = lambda _: BUSY
    bench.employ(faults_to_open=1, probe_s=3600.0)
    bench.start()
    await bench.looked()
    await record(bench, "run_1")
    await bench.watch.until(lambda: bench.sender.under_way == 1)
    with bench.held() as hold:
        recording = asyncio.gather(record(bench, "run_2"))
        await hold.reached()
        tried = asyncio.Event()
        bench.checkpoints.at("after-send", tried.set)
        bench.sender.let_go()
        await tried.wait()
    await recording
    await settled(bench, 2)
    assert bench.sender.runs == ["run_1"]
    assert [row.leased for row in await bench.to_orders()] == [False, False]


async def test_an_open_gate_lets_one_probe_through_at_a_time(bench: Bench) -> None:
    await _shut(bench, probe_s=0.01)
    await bench.watch.until(lambda: len(bench.sender.calls) >= 6)
    probes = bench.sender.calls[3:]
    assert [len(call) for call in probes] == [1] * len(probes)
    assert bench.sender.most_at_once == 1
    # The first opened it; each that failed since put the next one off.
    assert bench.courier.gate.probes >= len(probes)
    # While it does not work, nothing uses up a step.
    untouched = [row.attempts for row in await bench.to_orders()][3:]
    assert untouched == [0, 0, 0]


async def test_while_nothing_of_a_queue_is_due_no_probe_is_claimed_out_of_it(
    bench: Bench,
) -> None:
    """A claim is a commit, and a destination may be down for days. What comes then is probed at once."""
    bench.sender.answer = lambda _: BUSY
    bench.employ(faults_to_open=1, probe_s=0.01)
    bench.start()
    await bench.looked()
    await record(bench, "run_1")
    await bench.watch.until(lambda: bench.courier.gate.open)
    before = bench.outbox.in_vain
    await bench.watch.until(lambda: len(bench.sender.calls) >= 8)
    assert set(bench.sender.runs) == {"run_1"}
    assert bench.outbox.in_vain == before
    await record(bench, "fresh")
    await bench.watch.until(lambda: bench.sender.runs[-1] == "fresh")
    assert bench.courier.gate.open


async def test_one_probe_that_gets_through_lets_everything_flow_again(
    bench: Bench,
) -> None:
    await _shut(bench, probe_s=0.01)
    bench.clock.advance(seconds=5)
    bench.sender.answer = lambda _: Delivered()
    await bench.watch.until(
        lambda: sum(isinstance(s.outcome, Delivered) for s in bench.outbox.settled) == 6
    )
    assert sorted(await bench.at(State.DELIVERED)) == names(6)
    assert not bench.courier.gate.open
    assert bench.metrics.gauges["runflow_relay_destination_up", NAME] == 1
    await record(bench, "next")
    await bench.watch.until(lambda: bench.sender.runs[-1] == "next")


# --- stopping and crashing ------------------------------------------------------------------------


async def test_stopping_ends_what_is_under_way_and_gives_the_rest_back(
    bench: Bench,
) -> None:
    bench.sender = ScriptedSender(bench.watch, concurrency=1)
    bench.sender.hold()
    bench.employ()
    bench.start()
    await bench.looked()
    await record(bench, *names(4))
    await bench.watch.until(lambda: bench.sender.under_way == 1)
    bench.courier.stop()
    bench.sender.let_go()
    await bench.finished()
    assert bench.sender.runs == ["run_000"]
    rows = await bench.to_orders()
    assert [row.state.name for row in rows] == ["DELIVERED"] + ["PENDING"] * 3
    assert [(row.leased, row.attempts) for row in rows[1:]] == [(False, 0)] * 3
    assert bench.courier.room == 0


async def test_who_is_let_go_in_the_middle_of_a_try_leaves_it_to_others(
    bench: Bench,
) -> None:
    bench.sender.hold()
    bench.employ()
    bench.start()
    await bench.looked()
    await record(bench, "run_1")
    await bench.watch.until(lambda: bench.sender.under_way == 1)
    bench.courier.stop()
    await bench.dismiss()
    await bench.courier.leave()
    assert [row.leased for row in await bench.to_orders()] == [False]


async def test_who_crashes_while_stopping_writes_what_was_done_when_leaving(
    bench: Bench,
) -> None:
    bench.sender.hold()
    bench.employ()
    bench.start()
    await bench.looked()
    await record(bench, "run_1")
    await bench.watch.until(lambda: bench.sender.under_way == 1)
    bench.outbox.errors = [RuntimeError("a bug")]
    bench.courier.stop()
    bench.sender.let_go()
    assert bench.work is not None
    with pytest.raises(ExceptionGroup):
        await bench.work
    await bench.courier.leave()
    assert await bench.at(State.DELIVERED) == ["run_1"]


async def test_what_is_claimed_while_stopping_is_given_back(bench: Bench) -> None:
    await record(bench, "run_1")
    bench.outbox.claiming.clear()
    bench.employ()
    bench.start()
    await bench.watch.until(lambda: bench.outbox.claims == 1)
    bench.courier.stop()
    bench.outbox.claiming.set()
    await bench.finished()
    assert [row.leased for row in await bench.to_orders()] == [False]
    assert bench.sender.calls == []


async def test_a_full_store_postpones_the_settlement_and_repeats_no_try(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polling, "POLL_S", 0.01)
    bench.outbox.errors = [StoreFullError("full"), StoreFullError("full")]
    bench.employ()
    bench.start()
    await record(bench, "run_1")
    await settled(bench, 1)
    assert (len(bench.sender.calls), bench.outbox.postponed) == (1, 2)
    assert await bench.at(State.DELIVERED) == ["run_1"]


async def test_after_a_crash_what_was_done_is_written_and_not_done_again(
    bench: Bench,
) -> None:
    bench.outbox.errors = [RuntimeError("a bug")]
    bench.employ()
    bench.start()
    await record(bench, "run_1")
    assert bench.work is not None
    with pytest.raises(ExceptionGroup):
        await bench.work
    bench.start()
    await settled(bench, 1)
    assert len(bench.sender.calls) == 1
    assert await bench.at(State.DELIVERED) == ["run_1"]


async def test_after_a_crash_what_was_being_tried_goes_again(bench: Bench) -> None:
    bench.sender.hold()
    bench.employ()
    bench.start()
    await bench.looked()
    await record(bench, "run_1")
    await bench.watch.until(lambda: bench.sender.under_way == 1)
    await bench.dismiss()
    bench.sender.let_go()
    bench.start()
    # Given back, it is in the store like any other.
    await settled(bench, 1)
    bench.courier.hint()
    await settled(bench, 2)
    before, after = bench.sender.sent
    assert before.letter.event.id == after.letter.event.id
    assert await bench.at(State.DELIVERED) == ["run_1"]


async def test_a_lease_that_is_lost_is_said_and_changes_nothing(
    bench: Bench, said: list[Any]
) -> None:
    bench.sender.hold()
    bench.employ()
    bench.start()
    await bench.looked()
    await record(bench, "run_1")
    await bench.watch.until(lambda: bench.sender.under_way == 1)
    # Another process has it by now.
    await bench.restart()
    bench.sender.let_go()
    await settled(bench, 1)
    assert [line["event"] for line in said] == ["lease.lost"]
    assert await bench.at(State.PENDING) == ["run_1"]
