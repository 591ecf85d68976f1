"""Patches and cancellations: what somebody else does to a run."""

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from relay.sandbox import Faults
from tests.sandbox.caller import Caller, calling

if TYPE_CHECKING:
    # a conftest is no module to import from: only its types are
    from tests.sandbox.conftest import Receiver

LONG = (60.0, 60.0)


async def patch(call: Caller, made: Any, body: object) -> Any:
    answer = await call("PATCH", f"/v1/runs/{made['id']}", body)
    assert answer.status == 200, answer.text
    return answer.json


async def test_a_patch_changes_the_record_byte_for_byte_and_says_nothing(
    receiver: "Receiver",
) -> None:
    async with calling() as call:
        (made,) = await call.ended(callback_url=receiver.url)
        body = b'{"status_code":"failed","output":{"z":1.10,"a":[ 1 ]},"cost":1.50,"duration_ms":7,"nodes_total":3,"completed_at":"2026-05-06T12:00:00+02:00"}'
        answer = await call("PATCH", f"/v1/runs/{made['id']}", body)
        await call.sandbox.settled()
        (told,) = call.sandbox.runs()
    assert '"output":{"z":1.10,"a":[ 1 ]},' in answer.text
    assert answer.json["cost"] == "1.50"
    assert (answer.json["duration_ms"], answer.json["nodes_total"]) == (7, 3)
    assert answer.json["completed_at"] == "2026-05-06T10:00:00Z"
    assert (told.outcome, told.earlier) == ("failed", ("succeeded",))
    assert len(receiver.bodies) == 1


async def test_a_patch_that_ends_a_run_under_way_makes_it_call_back(
    receiver: "Receiver",
) -> None:
    async with calling(run_seconds=LONG) as call:
        (made,) = await call.create(callback_url=receiver.url)
        await patch(call, made, {"status_code": "canceled"})
        async with asyncio.timeout(5):
            await call.sandbox.settled()
        (told,) = call.sandbox.runs()
    assert told.outcome == "cancelled"
    assert receiver.payloads()[0]["status"] == "canceled"
    assert receiver.payloads()[0]["event"] == "run.cancelled"


async def test_what_the_provider_gives_after_the_end_is_dropped() -> None:
    async with calling(run_seconds=(0.3, 0.3)) as call:
        (made,) = await call.create()
        await call("POST", f"/v1/admin/runs/{made['id']}/cancellation")
        await call.sandbox.settled()
        (told,) = call.sandbox.runs()
    assert (told.outcome, told.output, told.earlier) == ("cancelled", None, ())


async def test_a_patch_may_name_a_state_that_is_no_end_and_take_values_away(
    receiver: "Receiver",
) -> None:
    async with calling(run_seconds=(0.2, 0.2)) as call:
        (made,) = await call.create(callback_url=receiver.url)
        got = await patch(
            call,
            made,
            {"status_code": "running", "started_at": "2026-05-06", "cost": 0.1},
        )
        bare = await patch(call, made, {"cost": None, "started_at": None})
        await call.sandbox.settled()
        (told,) = call.sandbox.runs()
    assert (got["status_code"], got["cost"]) == ("running", "0.1")
    assert got["started_at"] == "2026-05-06T00:00:00Z"
    assert (bare["cost"], bare["started_at"]) == (None, None)
    assert (told.outcome, len(receiver.bodies)) == ("succeeded", 1)


async def test_a_run_that_is_over_does_not_go_on() -> None:
    async with calling() as call:
        (made,) = await call.ended()
        answer = await call(
            "PATCH", f"/v1/runs/{made['id']}", {"status_code": "running"}
        )
    assert (answer.status, answer.json["code"]) == (409, "CONFLICT")


@pytest.mark.parametrize(
    "body,field",
    [
        ({"status_code": "errored"}, "status_code"),
        ({"status_code": 1}, "status_code"),
        ({"output": []}, "output"),
        ({"duration_ms": 1.5}, "duration_ms"),
        ({"nodes_completed": "1"}, "nodes_completed"),
        ({"cost": "much"}, "cost"),
        ({"started_at": "yesterday"}, "started_at"),
        ([], "body"),
    ],
    ids=range(8),
)
async def test_a_wrong_patch_is_422(body: object, field: str) -> None:
    async with calling() as call:
        (made,) = await call.ended()
        answer = await call("PATCH", f"/v1/runs/{made['id']}", body)
    assert (answer.status, answer.json["errors"][0]["field"]) == (422, field)


async def test_a_cancellation_is_201_once_and_200_after(receiver: "Receiver") -> None:
    async with calling(run_seconds=LONG, faults=Faults(spelling="canceled")) as call:
        (made,) = await call.create(callback_url=receiver.url)
        path = f"/v1/admin/runs/{made['id']}/cancellation"
        first = await call("POST", path, {"reason": "not wanted"})
        again = await call("POST", path)
        async with asyncio.timeout(5):
            await call.sandbox.settled()
        logs = (await call("GET", f"/v1/runs/{made['id']}/logs")).json["items"]
    assert (first.status, again.status) == (201, 200)
    assert first.json["status_code"] == again.json["status_code"] == "canceled"
    assert [body["event"] for body in receiver.payloads()] == ["run.cancelled"]
    assert "not wanted" in {line["meta"].get("reason") for line in logs}


@pytest.mark.parametrize("reason", ["ab", "x" * 501, 5])
async def test_a_reason_has_three_to_five_hundred_characters(reason: object) -> None:
    async with calling(run_seconds=LONG) as call:
        (made,) = await call.create()
        path = f"/v1/admin/runs/{made['id']}/cancellation"
        answer = await call("POST", path, {"reason": reason})
        assert (answer.status, call.sandbox.runs()[0].outcome) == (422, None)
