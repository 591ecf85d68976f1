"""Faults of runs and their callbacks: late, lost, overtaken, contradicting, revised."""

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from yarl import URL

from relay.sandbox import Faults, Truth, unsigned
from relay.sandbox.faults import PARTIAL_FIELDS
from tests.sandbox.caller import BATCH, NOON, Caller, calling

if TYPE_CHECKING:
    # a conftest is no module to import from: only its types are
    from tests.sandbox.conftest import Receiver


def said(receiver: "Receiver") -> dict[str, list[Any]]:
    """The callbacks of each run, in the order in which they came."""
    found: dict[str, list[Any]] = {}
    for body in receiver.payloads():
        found.setdefault(body["run_id"], []).append(body)
    return found


async def truth(call: Caller) -> dict[str, Truth]:
    return {told.id: told for told in call.sandbox.runs()}


EVENTS = {
    "succeeded": "run.completed",
    "failed": "run.failed",
    "cancelled": "run.cancelled",
    "partial_succeeded": "run.partial_succeeded",
}


async def test_lost_callbacks_are_tried_in_vain_and_never_sent(
    receiver: "Receiver",
) -> None:
    async with calling(faults=Faults(lose=0.5)) as call:
        await call.ended(20, callback_url=receiver.url)
        known = await truth(call)
    lost = {run_id for run_id, told in known.items() if "lose" in told.injected}
    assert 3 < len(lost) < 17
    assert set(said(receiver)) == set(known) - lost
    for run_id in lost:
        told = known[run_id]
        assert (told.attempts, told.attempts_dropped, told.settled) == (5, 5, True)


async def test_a_callback_that_disagrees_names_another_end_than_the_api(
    receiver: "Receiver",
) -> None:
    faults = Faults(conflict=0.5, failed=0.3, cancelled=0.3)
    async with calling(faults=faults) as call:
        await call.ended(30, callback_url=receiver.url)
        known = await truth(call)
        for run_id, [body] in said(receiver).items():
            got = (await call("GET", f"/v1/runs/{run_id}")).json
            told = known[run_id]
            differs = "conflict" in told.injected
            assert got["status_code"] == told.status
            assert (body["event"] != EVENTS[told.outcome or ""]) is differs
            assert EVENTS[told.told[0]] == body["event"]
            # what it says is whole in itself
            assert (body["output"] is None) <= (told.told[0] in {"failed", "cancelled"})
    assert 5 < sum("conflict" in told.injected for told in known.values()) < 25


async def test_two_callbacks_that_disagree_come_in_either_order(
    receiver: "Receiver",
) -> None:
    async with calling(faults=Faults(contradict=1.0)) as call:
        await call.ended(20, callback_url=receiver.url)
        known = await truth(call)
    first_true = set()
    for run_id, bodies in said(receiver).items():
        right = [
            body["event"] == EVENTS[known[run_id].outcome or ""] for body in bodies
        ]
        assert sorted(right) == [False, True]
        first_true.add(right[0])
    assert first_true == {True, False}


async def test_a_revised_run_ends_otherwise_and_calls_back_again(
    receiver: "Receiver",
) -> None:
    async with calling(faults=Faults(revise=0.5, double=0.3)) as call:
        await call.ended(20, callback_url=receiver.url)
        for told in (await truth(call)).values():
            bodies = said(receiver)[told.id]
            got = (await call("GET", f"/v1/runs/{told.id}")).json
            assert got["status_code"] == told.status
            assert bodies[-1]["status"] == told.status
            if "revise" in told.injected:
                assert told.earlier == ("succeeded",)
                assert bodies[0]["status"] == "succeeded" != told.outcome
            else:
                assert (told.earlier, told.outcome) == ((), "succeeded")


async def test_a_silent_revision_is_only_in_the_api(receiver: "Receiver") -> None:
    async with calling(faults=Faults(revise_silently=1.0)) as call:
        (made,) = await call.ended(callback_url=receiver.url)
        got = (await call("GET", f"/v1/runs/{made['id']}")).json
        (told,) = call.sandbox.runs()
    assert len(receiver.bodies) == 1
    assert receiver.payloads()[0]["status"] == "succeeded"
    assert told.outcome is not None
    assert got["status_code"] == told.status != "succeeded"


async def test_a_revision_that_is_overtaken_is_told_before_the_first_end(
    receiver: "Receiver",
) -> None:
    async with calling(faults=Faults(revise=1.0, reorder=1.0)) as call:
        (made,) = await call.ended(callback_url=receiver.url)
        (told,) = call.sandbox.runs()
    first, second = said(receiver)[made["id"]]
    assert first["status"] == told.status
    assert second["status"] == told.earlier[0] == "succeeded"


async def test_an_overtaken_callback_waits_for_a_later_one(
    receiver: "Receiver",
) -> None:
    async with calling(faults=Faults(reorder=0.5), run_seconds=(0.0, 0.0)) as call:
        made = await call.ended(20, callback_url=receiver.url)
        known = await truth(call)
    order = [body["run_id"] for body in receiver.payloads()]
    assert sorted(order) == sorted(run["id"] for run in made)
    assert order != [run["id"] for run in made]
    assert 3 < sum("reorder" in told.injected for told in known.values()) < 17


async def test_a_late_callback_comes_all_the_same(receiver: "Receiver") -> None:
    faults = Faults(delay=1.0, delay_seconds=0.1)
    async with calling(faults=faults, run_seconds=(0.0, 0.0)) as call:
        await call.ended(5, callback_url=receiver.url)
        known = await truth(call)
    assert len(receiver.bodies) == 5
    assert all("delay" in told.injected for told in known.values())


async def test_the_fields_that_may_be_lacking_can_be_chosen(
    receiver: "Receiver",
) -> None:
    faults = Faults(partial=1.0, partial_fields="event,metadata")
    async with calling(faults=faults) as call:
        await call.ended(12, callback_url=receiver.url, metadata={"a": 1})
    lacks = {
        tuple(name for name in PARTIAL_FIELDS if body.get(name) is None)
        for body in receiver.payloads()
    }
    assert lacks == {("event",), ("metadata",)}


async def test_a_null_output_is_null_in_the_callback_alone(
    receiver: "Receiver",
) -> None:
    async with calling(faults=Faults(null_output=1.0)) as call:
        (made,) = await call.ended(callback_url=receiver.url)
        got = (await call("GET", f"/v1/runs/{made['id']}")).json
    assert receiver.payloads()[0]["output"] is None
    assert got["output"] is not None


async def test_an_empty_output_is_null_everywhere(receiver: "Receiver") -> None:
    async with calling(faults=Faults(empty_output=1.0)) as call:
        (made,) = await call.ended(callback_url=receiver.url)
        got = (await call("GET", f"/v1/runs/{made['id']}")).json
        (told,) = call.sandbox.runs()
    assert receiver.payloads()[0]["output"] is got["output"] is told.output is None
    assert got["status_code"] == "succeeded"


async def test_client_ref_is_always_never_or_of_two_minds(
    receiver: "Receiver",
) -> None:
    async with calling() as call:
        for faults in (
            Faults(client_ref="always"),
            Faults(client_ref="never"),
            Faults(client_ref_conflict=1.0),
        ):
            call.sandbox.faults = faults
            await call.ended(1, callback_url=receiver.url)
    bodies = receiver.payloads()
    refs = [body.get("client_ref", "missing") for body in bodies]
    assert refs == ["order-1", "missing", "order-1", "order-1-other"]
    assert bodies[2]["run_id"] == bodies[3]["run_id"]


async def test_a_stale_api_says_running_for_so_many_reads() -> None:
    async with calling(faults=Faults(stale=1.0, stale_reads=3)) as call:
        (made,) = await call.ended()
        path = f"/v1/runs/{made['id']}"
        listed = (await call("GET", "/v1/runs?q=status_code:running")).json["items"]
        seen = [(await call("GET", path)).json for _ in range(4)]
    assert [each["status_code"] for each in listed] == ["running"]
    assert [each["status_code"] for each in seen] == [
        *("running", "running", "succeeded", "succeeded")
    ]
    assert (seen[0]["output"], seen[0]["completed_at"]) == (None, None)
    assert seen[2]["output"] is not None


async def test_links_are_signed_anew_on_each_read_and_expire(
    receiver: "Receiver",
) -> None:
    moments = [NOON]
    faults = Faults(link_seconds=60)
    async with calling(faults=faults, now=lambda: moments[-1]) as call:
        (made,) = await call.ended(callback_url=receiver.url)
        moments.append(NOON + timedelta(seconds=61))
        got = (await call("GET", f"/v1/runs/{made['id']}")).json
        old = URL(receiver.payloads()[0]["output"]["outputs"][0]["url"])
        new = URL(got["output"]["outputs"][0]["url"])
        expired = await call("GET", str(old.relative()), headers={})
        served = await call.session.get(new)
        (told,) = call.sandbox.runs()
    assert old.query["X-Amz-Expires"] == new.query["X-Amz-Expires"] == "60"
    assert old.query["X-Amz-Date"] == "20260506T120000Z"
    assert new.query["X-Amz-Date"] == "20260506T120101Z"
    assert old.with_query(None) == new.with_query(None)
    assert (expired.status, served.status) == (403, 200)
    raw = receiver.bodies[0].decode()
    assert unsigned(told.output or "") in unsigned(raw)
    assert json.loads(unsigned(told.output or "")) == json.loads(
        unsigned(json.dumps(got["output"]))
    )


@pytest.mark.parametrize("share", ["drop", "double", "lose", "partial", "reorder"])
async def test_the_callback_of_a_batch_meets_the_same_faults(
    receiver: "Receiver", share: str
) -> None:
    faults = Faults().changed({share: 1.0})
    async with calling(faults=faults) as call:
        await call("POST", BATCH, {"input": [{}], "callback_url": receiver.url})
        await call.sandbox.settled()
        (told,) = call.sandbox.batches()
    assert share in told.injected
    assert len(receiver.bodies) == {"lose": 0, "double": 2}.get(share, 1)
    assert told.settled
