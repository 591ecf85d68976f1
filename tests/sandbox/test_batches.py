"""Batches: created once, partly successful, told of once."""

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from relay.sandbox import Faults
from tests.sandbox.caller import AUTH, BATCH, Caller, calling

if TYPE_CHECKING:
    # a conftest is no module to import from: only its types are
    from tests.sandbox.conftest import Receiver

CREATED = [
    *("id", "target_type", "target_id", "status_code", "items_total"),
    *("items_succeeded", "items_failed", "items_cancelled", "items", "created_at"),
    *("output", "cost", "metadata", "callback_url", "started_at", "completed_at"),
]
MIXED = Faults(failed=0.3, cancelled=0.2)


async def make(call: Caller, count: int, **more: object) -> Any:
    items = [{"n": n, "client_ref": f"item-{n}"} for n in range(count)]
    answer = await call("POST", BATCH, {"input": items} | more)
    assert answer.status == 201
    return answer.json


async def test_a_new_batch_is_201_queued_with_its_items() -> None:
    async with calling(run_seconds=(5.0, 5.0)) as call:
        made = await make(call, 3, metadata={"a": 1})
        item = (await call("GET", f"/v1/runs/{made['items'][0]['run_id']}")).json
    assert list(made) == CREATED
    assert (made["status_code"], made["items_total"]) == ("queued", 3)
    assert [i["client_ref"] for i in made["items"]] == ["item-0", "item-1", "item-2"]
    assert [i["sequence_index"] for i in made["items"]] == [0, 1, 2]
    # the client_ref of an item is taken out before the model sees its input
    assert (item["input"], item["batch_id"]) == ({"n": 0}, made["id"])
    assert item["client_ref"] == "item-0"


async def test_a_batch_that_partly_succeeds_counts_its_items(
    receiver: "Receiver",
) -> None:
    async with calling(faults=MIXED) as call:
        made = await make(call, 20, callback_url=receiver.url)
        await call.sandbox.settled()
        got = (await call("GET", f"/v1/batches/{made['id']}")).json
        (truth,) = call.sandbox.batches()
        ends = [told.outcome for told in call.sandbox.runs()]
    assert got["status_code"] == truth.outcome == "partial_succeeded"
    assert got["items_succeeded"] == ends.count("succeeded")
    assert got["items_failed"] == ends.count("failed") > 0
    assert got["items_cancelled"] == ends.count("cancelled") > 0
    assert got["items_total"] == 20
    body = receiver.payloads()[0]
    assert list(body) == [
        *("event", "batch_id", "status", "output", "duration_ms"),
        *("created_at", "completed_at", "metadata"),
    ]
    assert body["event"] == "batch.partial_succeeded"
    assert body["batch_id"] == made["id"]
    assert body["completed_at"].endswith("+00:00")
    assert list(body["output"]) == [
        "items",
        "succeeded",
        "failed",
        "cancelled",
        "total",
    ]
    assert body["output"]["total"] == len(body["output"]["items"]) == 20
    assert body["output"]["failed"] == ends.count("failed")


@pytest.mark.parametrize(
    "faults,event",
    [
        (Faults(), "batch.succeeded"),
        (Faults(failed=1), "batch.failed"),
        (Faults(cancelled=1), "batch.cancelled"),
    ],
    ids=["all", "none", "cancelled"],
)
async def test_items_that_end_alike_give_the_batch_its_name(
    receiver: "Receiver", faults: Faults, event: str
) -> None:
    async with calling(faults=faults) as call:
        await make(call, 3, callback_url=receiver.url)
        await call.sandbox.settled()
    assert [told["event"] for told in receiver.payloads()] == [event]


async def test_runs_of_a_batch_call_back_themselves_if_asked_for(
    receiver: "Receiver",
) -> None:
    async with calling(faults=Faults(children=True)) as call:
        made = await make(call, 3, callback_url=receiver.url)
        await call.sandbox.settled()
    runs = {body["run_id"] for body in receiver.payloads() if "run_id" in body}
    assert runs == {item["run_id"] for item in made["items"]}
    assert sum("batch_id" in body for body in receiver.payloads()) == 1


async def test_its_items_are_paged_and_found_one_by_one() -> None:
    async with calling(faults=MIXED) as call:
        made = await make(call, 5)
        await call.sandbox.settled()
        path = f"/v1/batches/{made['id']}/items"
        page = (await call("GET", f"{path}?limit=2")).json
        rest = (await call("GET", f"{path}?limit=9&pq={page['next']}")).json
        one = (await call("GET", f"{path}/{made['items'][4]['id']}")).json
        none = await call("GET", f"{path}/{made['id']}")
    listed = page["items"] + rest["items"]
    assert [item["sequence_index"] for item in listed] == [0, 1, 2, 3, 4]
    assert one == listed[4] | {"run": one["run"], "output": one["output"]}
    assert one["run"]["id"] == one["run_id"] == made["items"][4]["run_id"]
    assert list(one) == [
        *("id", "batch_id", "sequence_index", "run_id", "created_at", "client_ref"),
        *("status_code", "input", "cost", "output", "error", "started_at"),
        *("completed_at", "run"),
    ]
    for item in listed:
        assert (item["error"] is None) is (item["status_code"] != "failed")
    assert (none.status, none.json["code"]) == (404, "BATCH_ITEM_NOT_FOUND")


async def test_the_same_key_gives_the_same_answer_and_makes_nothing_new() -> None:
    headers = AUTH | {"Idempotency-Key": "k1"}
    body: dict[str, Any] = {"input": [{}]}
    async with calling() as call:
        first = await call("POST", BATCH, body, headers=headers)
        await call.sandbox.settled()
        again = await call("POST", BATCH, body, headers=headers)
        other = await call("POST", BATCH, {"input": [{}, {}]}, headers=headers)
        assert len(call.sandbox.batches()) == 1
    assert (first.status, again.status) == (201, 201)
    assert first.text == again.text
    assert (other.status, other.json["code"]) == (409, "CONFLICT")


@pytest.mark.parametrize(
    "body,field",
    [
        ({}, "input"),
        ({"input": []}, "input"),
        ({"input": [{}] * 101}, "input"),
        ({"input": {}}, "input"),
        ({"input": [[]]}, "input[0].body"),
        ({"input": [{}, {"client_ref": "x" * 256}]}, "input[1].client_ref"),
        ({"input": [{}], "callback_url": "http://x/" + "y" * 2048}, "callback_url"),
        ({"input": [{}], "metadata": 1}, "metadata"),
    ],
    ids=range(8),
)
async def test_a_wrong_batch_is_422_and_makes_nothing(
    body: dict[str, Any], field: str
) -> None:
    async with calling() as call:
        answer = await call("POST", BATCH, body)
        assert (answer.status, call.sandbox.runs()) == (422, [])
    assert field in {mistake["field"] for mistake in answer.json["errors"]}


async def test_a_hundred_items_are_taken() -> None:
    async with calling(run_seconds=(0.0, 0.0)) as call:
        made = await make(call, 100)
        await call.sandbox.settled()
        got = (await call("GET", f"/v1/batches/{made['id']}")).json
    assert (got["items_succeeded"], got["status_code"]) == (100, "succeeded")


async def test_a_batch_waits_for_the_slowest_of_its_runs() -> None:
    async with calling(run_seconds=(0.0, 60.0)) as call:
        made = await make(call, 2)
        first, second = (item["run_id"] for item in made["items"])
        path = f"/v1/batches/{made['id']}"
        await call("POST", f"/v1/admin/runs/{first}/cancellation")
        assert (await call("GET", path)).json["completed_at"] is None
        await call("POST", f"/v1/admin/runs/{second}/cancellation")
        async with asyncio.timeout(5):
            await call.sandbox.settled()
        assert (await call("GET", path)).json["items_cancelled"] == 2


async def test_the_history_of_a_batch_names_the_batch(receiver: "Receiver") -> None:
    async with calling(secret="whsec_x") as call:
        made = await make(call, 2, callback_url=receiver.url)
        await call.sandbox.settled()
        path = f"/v1/batches/{made['id']}"
        again = await call("POST", f"{path}/callback-redeliveries")
        await call.sandbox.settled()
        history = (await call("GET", f"{path}/callback")).json
    assert again.status == 201
    assert [sent["is_automatic"] for sent in history] == [True, False]
    assert {sent["batch_id"] for sent in history} == {made["id"]}
    assert len(receiver.bodies) == 2


async def test_an_unknown_batch_is_404() -> None:
    async with calling() as call:
        for tail in ("", "/items", "/callback"):
            answer = await call("GET", f"/v1/batches/nothing{tail}")
            assert (answer.status, answer.json["code"]) == (404, "BATCH_NOT_FOUND")
