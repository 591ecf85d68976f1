"""Callbacks of the sandbox: lost, doubled, partial and many, as asked for."""

import asyncio
import dataclasses
import json
import re
from typing import TYPE_CHECKING

import aiohttp

from relay.sandbox import Faults, Sandbox, Truth
from relay.sandbox.clock import utc_now

if TYPE_CHECKING:
    # a conftest is no module to import from: only its types are
    from tests.sandbox.conftest import Receiver, Upstream


async def test_a_run_without_a_callback_url_has_no_callback(
    upstream: "Upstream",
) -> None:
    async with upstream.open(faults=Faults(partial=1.0, double=1.0)) as made:
        created = await upstream.ask(made, upstream.model, {"input": {}})
        await made.settled()
        assert await upstream.ask(made, f"/v1/runs/{created['id']}/callback") == []
        (told,) = made.runs()
    assert (told.partial, told.doubled, told.attempts) == (False, False, 0)


async def test_dropped_tries_are_counted_and_never_sent_and_all_arrive(
    receiver: "Receiver", upstream: "Upstream"
) -> None:
    async with upstream.open(faults=Faults(drop=0.6)) as made:
        known = await upstream.dispatch(made, receiver.url, 30)
    assert sum(told.attempts_dropped for told in known) > 15
    assert len(receiver.bodies) == 30
    for told in known:
        assert told.copies_accepted == 1
        assert told.attempts == told.attempts_dropped + 1


async def test_with_everything_dropped_the_last_try_arrives(
    receiver: "Receiver", upstream: "Upstream"
) -> None:
    async with upstream.open(faults=Faults(drop=1.0)) as made:
        (told,) = await upstream.dispatch(made, receiver.url)
    assert (told.attempts, told.attempts_dropped) == (5, 4)
    assert len(receiver.bodies) == 1


async def test_doubled_callbacks_come_twice_same_or_built_afresh(
    receiver: "Receiver", upstream: "Upstream"
) -> None:
    async with upstream.open(faults=Faults(double=0.5)) as made:
        known = await upstream.dispatch(made, receiver.url, 30)
    arrived = receiver.by_run()
    doubled = {told.id for told in known if told.doubled}
    assert 5 < len(doubled) < 25
    assert doubled == {run_id for run_id, bodies in arrived.items() if len(bodies) == 2}
    assert {1, 2} == {len(set(arrived[run_id])) for run_id in doubled}


async def test_partial_callbacks_lack_the_same_in_every_try_and_copy(
    receiver: "Receiver", upstream: "Upstream"
) -> None:
    receiver.answer = lambda number: 500 if number % 2 else 200
    async with upstream.open(faults=Faults(partial=0.5, double=0.3)) as made:
        known = await upstream.dispatch(made, receiver.url, 30)
    partial = {told.id for told in known if told.partial}
    assert 5 < len(partial) < 25
    for run_id, bodies in receiver.by_run().items():
        lacks = {
            tuple(
                name
                for name in ("status", "output", "completed_at")
                if json.loads(body).get(name) is None
            )
            for body in bodies
        }
        assert len(lacks) == 1
        assert len(lacks.pop()) == (1 if run_id in partial else 0)


async def test_both_spellings_occur_and_the_event_has_two_ls(
    receiver: "Receiver", upstream: "Upstream"
) -> None:
    async with upstream.open(faults=Faults(cancelled=1.0)) as made:
        known = await upstream.dispatch(made, receiver.url, 12)
        got = await upstream.ask(made, f"/v1/runs/{known[0].id}")
    assert {"cancelled", "canceled"} == {told.status for told in known}
    assert {"run.cancelled"} == {p["event"] for p in receiver.payloads()}
    assert {t.id: t.status for t in known} == {
        p["run_id"]: p["status"] for p in receiver.payloads()
    }
    assert {None} == {p["output"] for p in receiver.payloads()}
    assert got["status_code"] == known[0].status
    assert {"cancelled"} == {told.outcome for told in known}


async def test_each_outcome_has_its_event(
    receiver: "Receiver", upstream: "Upstream"
) -> None:
    faults = Faults(failed=0.3, cancelled=0.2, partial_succeeded=0.3)
    async with upstream.open(faults=faults) as made:
        known = await upstream.dispatch(made, receiver.url, 30)
    events = {payload["run_id"]: payload["event"] for payload in receiver.payloads()}
    assert {(told.outcome, events[told.id]) for told in known} == {
        ("succeeded", "run.completed"),
        ("partial_succeeded", "run.partial_succeeded"),
        ("failed", "run.failed"),
        ("cancelled", "run.cancelled"),
    }


async def test_a_partial_success_has_less_but_never_nothing(
    receiver: "Receiver", upstream: "Upstream"
) -> None:
    async with upstream.open() as made:
        whole = await upstream.dispatch(made, receiver.url, 20)
    async with upstream.open(faults=Faults(partial_succeeded=1.0)) as made:
        less = await upstream.dispatch(made, receiver.url, 20)

    def counts(known: list[Truth]) -> list[int]:
        return [len(json.loads(told.output or "")["outputs"]) for told in known]

    assert counts(less) == [count - 1 for count in counts(whole)]
    assert min(counts(less)) == 1


def told_apart(told: Truth) -> Truth:
    """Without the address of the sandbox, which stands in links."""
    output = told.output and re.sub(r"http://127.0.0.1:\d+", "", told.output)
    return dataclasses.replace(told, output=output)


async def test_the_same_seed_gives_the_same_runs_whatever_the_timing(
    receiver: "Receiver", upstream: "Upstream"
) -> None:
    shares = ("drop", "double", "partial", "lose", "conflict", "contradict", "revise")
    faults = Faults(failed=0.2, cancelled=0.2, delay_seconds=0.05)
    faults = faults.changed(dict.fromkeys((*shares, "delay", "empty_output"), 0.3))
    async with upstream.open(faults=faults, run_seconds=(0.0, 0.0)) as made:
        at_once = await upstream.dispatch(made, receiver.url, 30)
    async with upstream.open(faults=faults, run_seconds=(0.0, 0.2)) as made:
        spread = await upstream.dispatch(made, receiver.url, 30)
    assert [told_apart(told) for told in at_once] == [told_apart(t) for t in spread]
    assert len({told.outcome for told in at_once}) == 4


async def test_as_many_callbacks_are_on_the_wire_as_allowed_and_no_more(
    receiver: "Receiver", upstream: "Upstream"
) -> None:
    receiver.gate.clear()
    receiver.crowd = 3
    async with upstream.open(concurrency=3, run_seconds=(0.0, 0.0)) as made:
        asked = [
            upstream.ask(
                made, upstream.model, {"input": {}, "callback_url": receiver.url}
            )
            for _ in range(12)
        ]
        await asyncio.gather(*asked)
        await receiver.entered.wait()
        receiver.gate.set()
        await made.settled()
    assert len(receiver.bodies) == 12
    assert receiver.under_way_max == 3


async def test_a_stop_is_prompt_with_runs_and_callbacks_in_flight(
    receiver: "Receiver", upstream: "Upstream"
) -> None:
    receiver.gate.clear()
    made = Sandbox(run_seconds=(0.0, 60.0), faults=Faults(drop=0.2))
    await made.start()
    body = {"input": {}, "callback_url": receiver.url}
    await asyncio.gather(*(upstream.ask(made, upstream.model, body) for _ in range(20)))
    await made.stop()
    quick = Sandbox(run_seconds=(0.0, 0.0))
    await quick.start()
    await upstream.ask(quick, upstream.model, body)
    await receiver.entered.wait()
    async with asyncio.timeout(2.0):
        await quick.stop()
        await quick.settled()
        await made.settled()
    assert quick.runs()[0].copies_accepted == 0


async def test_two_hundred_runs_dispatched_at_once_all_arrive(
    receiver: "Receiver", upstream: "Upstream"
) -> None:
    faults = Faults(drop=0.2, double=0.1, partial=0.05, failed=0.1, cancelled=0.1)
    async with (
        upstream.open(faults=faults, now=utc_now) as made,
        aiohttp.ClientSession(headers={"Authorization": "Bearer rf_live_sandbox"}) as s,
    ):

        async def create(number: int) -> None:
            body = {"input": {"n": number}, "callback_url": receiver.url}
            async with s.post(made.url + upstream.model, json=body) as response:
                assert response.status == 201

        async with asyncio.timeout(10.0):
            await asyncio.gather(*(create(number) for number in range(200)))
            await made.settled()
        known = made.runs()
    assert {told.id for told in known} == set(receiver.by_run())
    assert len(known) == 200
