"""The sandbox's API answers as Runflow's public documents say."""

import io
import json
import re
import uuid
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest

from relay.sandbox import Faults
from relay.sandbox.book import Book
from relay.sandbox.orders import read_order
from tests.sandbox.caller import MODEL, NOON, Caller, calling

# create-and-dispatch-a-singleton-model-run, the fields of its answer in their order
CREATED_FIELDS = re.findall(
    r"\w+",
    """
id flow_id model_id comfyui_workflow_id target_type target_version org_id status_code
source_code input output context duration_ms cost cost_breakdown nodes_total
nodes_completed resolved_template_id batch_id client_ref jurisdiction_code
flow_version_id request_id created_by created_at started_at completed_at callback_url
metadata has_logs has_node_runs links failure_code failure_message failure_stage_code
node_runs logs model
""",
)
# get-run has these beside them
GOT_FIELDS = re.findall(
    r"\w+",
    """
flow comfyui_workflow feedback_is_positive feedback_reason source_chat_message_id
current_evaluation_summary
""",
)
COST = re.compile(r"^(?!^[-+.]*$)[+-]?0*\d*\.?\d*$")


@pytest.fixture
async def call() -> AsyncIterator[Caller]:
    async with calling() as caller:
        yield caller


async def test_a_new_run_is_201_queued_with_every_documented_field(
    call: Caller,
) -> None:
    answer = await call("POST", MODEL, {"input": {"a": 1}, "client_ref": "order-1"})
    assert answer.status == 201
    assert list(answer.json) == CREATED_FIELDS
    assert answer.json["status_code"] == "queued"
    assert answer.json["input"] == {"a": 1}
    assert answer.json["client_ref"] == "order-1"
    assert answer.json["output"] is None
    assert uuid.UUID(answer.json["id"]).version == 7


async def test_a_finished_run_has_every_documented_field(call: Caller) -> None:
    made = (await call("POST", MODEL, {"input": {}})).json
    await call.sandbox.settled()
    answer = await call("GET", f"/v1/runs/{made['id']}")
    got = answer.json
    assert answer.status == 200
    assert list(got) == CREATED_FIELDS + GOT_FIELDS
    assert got["status_code"] == "succeeded"
    assert {"image", "video", "audio"} >= {o["type"] for o in got["output"]["outputs"]}
    assert COST.match(got["cost"])
    assert got["failure_code"] is None
    for name in ("created_at", "started_at", "completed_at"):
        assert got[name].endswith("Z")
    passed = datetime.fromisoformat(got["completed_at"]) - datetime.fromisoformat(
        got["created_at"]
    )
    assert got["duration_ms"] == round(passed.total_seconds() * 1000)


async def test_links_say_when_they_expire(call: Caller) -> None:
    made = (await call("POST", MODEL, {"input": {}})).json
    await call.sandbox.settled()
    got = (await call("GET", f"/v1/runs/{made['id']}")).json
    for entry in got["output"]["outputs"]:
        assert re.fullmatch(
            r"http://127.0.0.1:\d+/assets/[^?]+\?.*X-Amz-Date=\d{8}T\d{6}Z&X-Amz-Expires=\d+&.*"
            r"X-Amz-Signature=[0-9a-f]{64}",
            entry["url"],
        )


def test_a_run_goes_through_its_states_in_order() -> None:
    book = Book(seed=1, faults=Faults(), tries_max=1, runs_max=1)
    order = read_order(b'{"input":{}}')
    made = book.open(order, target="a/b", at=NOON)
    seen = [made.status]
    made.dispatch(NOON)
    seen.append(made.status)
    made.begin(NOON + timedelta(seconds=1))
    seen.append(made.status)
    made.finish(NOON + timedelta(seconds=2))
    seen.append(made.status)
    assert seen == ["queued", "dispatching", "running", "succeeded"]
    assert made.duration_ms == 2000


async def test_states_seen_from_outside_never_go_back() -> None:
    order = ["queued", "dispatching", "running", "succeeded"]
    async with calling(run_seconds=(0.2, 0.2)) as call:
        made = (await call("POST", MODEL, {"input": {}})).json
        seen = [made["status_code"]]
        while seen[-1] != "succeeded":
            got = (await call("GET", f"/v1/runs/{made['id']}")).json
            seen.append(got["status_code"])
    assert seen == sorted(seen, key=order.index)
    assert "running" in seen


async def test_no_more_runs_are_kept_than_allowed() -> None:
    async with calling(runs_max=1) as call:
        first = await call("POST", MODEL, {"input": {}})
        second = await call("POST", MODEL, {"input": {}})
        assert (first.status, second.status) == (201, 503)
        assert second.json["code"] == "SANDBOX_FULL"
        assert len(call.sandbox.runs()) == 1


async def test_a_failed_run_says_why() -> None:
    async with calling(faults=Faults(failed=1.0)) as call:
        made = (await call("POST", MODEL, {"input": {}})).json
        await call.sandbox.settled()
        got = (await call("GET", f"/v1/runs/{made['id']}")).json
    assert got["status_code"] == "failed"
    assert got["failure_code"]
    assert got["failure_message"]
    assert got["failure_stage_code"] in {"dispatch", "execution"}


async def test_the_output_of_failed_runs_is_an_envelope_or_null() -> None:
    async with calling(faults=Faults(failed=1.0)) as call:
        for _ in range(12):
            await call("POST", MODEL, {"input": {}})
        await call.sandbox.settled()
        outputs = {told.output for told in call.sandbox.runs()}
    assert None in outputs
    for text in outputs - {None}:
        assert list(json.loads(text or "")) == ["code", "message", "errors"]


async def test_metadata_and_input_come_back_byte_for_byte(call: Caller) -> None:
    body = rb'{"input":{"z":1.10,"a":[ 1e2 ]},"metadata": {"k":"caf\u00e9","n":12345678901234567890123456789012345678900} }'
    answer = await call("POST", MODEL, body)
    assert r'"input":{"z":1.10,"a":[ 1e2 ]},' in answer.text
    assert (
        r'"metadata":{"k":"caf\u00e9","n":12345678901234567890123456789012345678900},'
        in answer.text
    )


async def test_a_slug_may_have_further_segments(call: Caller) -> None:
    one = await call("POST", "/v1/models/acme/flux/dev/v2/runs", {"input": {}})
    two = await call("POST", "/v1/models/acme/flux/dev/runs", {"input": {}})
    assert (one.status, two.status) == (201, 201)
    assert one.json["model_id"] != two.json["model_id"]


@pytest.mark.parametrize(
    "body, field",
    [
        (b"", "body"),
        (b"not json", "body"),
        (b"\xff{}", "body"),
        (b"[1]", "body"),
        (b'{"input":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "body"),
        ({}, "input"),
        ({"input": None}, "input"),
        ({"input": [1]}, "input"),
        ({"input": {}, "metadata": "text"}, "metadata"),
        ({"input": {}, "client_ref": 5}, "client_ref"),
        ({"input": {}, "client_ref": "x" * 256}, "client_ref"),
        ({"input": {}, "callback_url": 5}, "callback_url"),
        ({"input": {}, "callback_url": "ftp://x/y"}, "callback_url"),
        ({"input": {}, "callback_url": "/relative"}, "callback_url"),
        ({"input": {}, "callback_url": "http://x:99999999/"}, "callback_url"),
        ({"input": {}, "callback_url": "http:///path"}, "callback_url"),
    ],
    ids=range(16),
)
async def test_a_wrong_body_is_422_with_the_field(
    call: Caller, body: object, field: str
) -> None:
    answer = await call("POST", MODEL, body)
    assert answer.status == 422
    assert list(answer.json) == ["code", "message", "errors"]
    assert [field] == [mistake["field"] for mistake in answer.json["errors"]]
    assert call.sandbox.runs() == []


async def test_the_longest_client_ref_is_taken(call: Caller) -> None:
    answer = await call("POST", MODEL, {"input": {}, "client_ref": "é" * 255})
    assert answer.status == 201
    assert answer.json["client_ref"] == "é" * 255


async def test_a_body_that_is_too_long_is_413(call: Caller) -> None:
    body = io.BytesIO(b'{"input":{},"x":"' + b"x" * 9_000_000 + b'"}')
    answer = await call("POST", MODEL, body)
    assert answer.status == 413
    assert answer.json["errors"] is None


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Bearer rf_live_tést"},
        {"Authorization": "Basic rf_live_test"},
        {"Authorization": "rf_live_test"},
    ],
    ids=range(5),
)
@pytest.mark.parametrize("path", ["/v1/runs/x", "/v1/runs/x/callback", "/v1/nothing"])
async def test_a_wrong_token_is_401(
    call: Caller, headers: dict[str, str], path: str
) -> None:
    answer = await call("GET", path, headers=headers)
    assert answer.status == 401
    assert answer.json["code"] == "UNAUTHORIZED"


async def test_a_run_cannot_be_made_without_a_token(call: Caller) -> None:
    answer = await call("POST", MODEL, {"input": {}}, headers={})
    assert answer.status == 401
    assert call.sandbox.runs() == []


@pytest.mark.parametrize("tail", ["", "/callback"])
@pytest.mark.parametrize("run_id", [str(uuid.UUID(int=0)), "01J0", "%00"])
async def test_an_unknown_run_is_404(call: Caller, run_id: str, tail: str) -> None:
    answer = await call("GET", f"/v1/runs/{run_id}{tail}")
    assert answer.status == 404
    assert answer.json["code"] == "RUN_NOT_FOUND"
    assert list(answer.json) == ["code", "message", "errors"]


async def test_a_run_is_found_in_any_case_of_its_letters(call: Caller) -> None:
    made = (await call("POST", MODEL, {"input": {}})).json
    answer = await call("GET", f"/v1/runs/{made['id'].upper()}")
    assert answer.json["id"] == made["id"]


async def test_health_needs_no_token(call: Caller) -> None:
    answer = await call("GET", "/v1/health", headers={})
    assert (answer.status, answer.json) == (200, {"status": "ok"})


async def test_unknown_paths_and_methods_have_the_envelope(call: Caller) -> None:
    nowhere = await call("GET", "/nowhere")
    wrong = await call("DELETE", "/v1/health")
    assert (nowhere.status, nowhere.json["code"]) == (404, "NOT_FOUND")
    assert (wrong.status, wrong.json["code"]) == (405, "METHOD_NOT_ALLOWED")
    assert "GET" in wrong.headers["Allow"]


async def test_the_root_lists_routes_that_all_exist(call: Caller) -> None:
    told = (await call("GET", "/", headers={})).json
    paths = {route["path"] for route in told["routes"]}
    assert {"/", "/v1/health", "/v1/runs/{id}", "/sandbox/runs"} <= paths
    for route in told["routes"]:
        path = re.sub(r"\{\w+\}", "x", route["path"])
        answer = await call(route["method"], path)
        assert '"code":"NOT_FOUND"' not in answer.text
        assert answer.status != 405


async def test_the_truth_is_the_same_over_http_and_in_python() -> None:
    async with calling(faults=Faults(failed=0.3, cancelled=0.3)) as call:
        for number in range(10):
            await call("POST", MODEL, {"input": {}, "client_ref": f"o-{number}"})
        await call.sandbox.settled()
        items = (await call("GET", "/sandbox/runs", headers={})).json["items"]
        told = call.sandbox.runs()
    assert [(t.number, t.id, t.client_ref, t.status, t.outcome) for t in told] == [
        (i["number"], i["id"], i["client_ref"], i["status"], i["outcome"])
        for i in items
    ]
    assert [None if t.output is None else json.loads(t.output) for t in told] == [
        item["output"] for item in items
    ]
    assert all(t.settled for t in told)


async def test_a_later_sandbox_has_other_run_ids_though_it_has_the_same_seed() -> None:
    later = NOON + timedelta(milliseconds=1)
    async with calling(now=lambda: NOON) as one, calling(now=lambda: later) as two:
        first = await one("POST", MODEL, {"input": {}})
        second = await two("POST", MODEL, {"input": {}})
    assert first.json["id"] != second.json["id"]
