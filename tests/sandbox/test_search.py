"""Searching: filters, order, pages that do not move, embeds, evaluations."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from yarl import URL

from relay.sandbox import Faults
from tests.sandbox.caller import Caller, calling

MIXED = Faults(failed=0.3, cancelled=0.2, partial_succeeded=0.2, evaluated=0.8)


@pytest.fixture
async def call() -> AsyncIterator[Caller]:
    async with calling(faults=MIXED) as caller:
        yield caller


async def found(call: Caller, **params: str | int) -> Any:
    query = URL.build(path="/v1/runs", query={k: str(v) for k, v in params.items()})
    answer = await call("GET", str(query))
    assert answer.status == 200, answer.text
    return answer.json


async def refused(call: Caller, **params: str) -> Any:
    answer = await call("GET", str(URL.build(path="/v1/runs", query=params)))
    assert answer.status == 422
    [mistake] = answer.json["errors"]
    return mistake


def refs(page: Any) -> list[str]:
    return [item["client_ref"] for item in page["items"]]


async def test_a_page_has_whole_runs_newest_first_and_cursors(call: Caller) -> None:
    made = await call.ended(3)
    page = await found(call)
    assert list(page) == ["items", "first", "next", "previous"]
    assert refs(page) == ["order-3", "order-2", "order-1"]
    got = (await call("GET", f"/v1/runs/{made[2]['id']}")).json
    assert list(page["items"][0]) == list(got)
    assert (page["next"], page["previous"]) == (None, None)


async def test_both_forms_of_q_find_the_same(call: Caller) -> None:
    await call.ended(20)
    one = await found(call, q="client_ref.EQ:'order-7'")
    two = await found(call, q="client_ref:order-7")
    assert refs(one) == refs(two) == ["order-7"]
    truth = [t.client_ref for t in call.sandbox.runs() if t.outcome == "failed"]
    failed = await found(
        call, q="NOT (status_code:succeeded OR duration_ms<0) AND status_code:failed"
    )
    assert refs(failed) == truth[::-1]


async def test_it_is_sorted_by_several_fields(call: Caller) -> None:
    await call.ended(20)
    page = await found(call, sort_by="status_code,client_ref:desc")
    keys = [(item["status_code"], item["client_ref"]) for item in page["items"]]
    by_ref = sorted(keys, key=lambda key: key[1], reverse=True)
    assert keys == sorted(by_ref, key=lambda key: key[0])


async def test_only_the_fields_that_are_named_are_shown(call: Caller) -> None:
    await call.ended()
    page = await found(call, fields="status_code,id")
    assert list(page["items"][0]) == ["status_code", "id"]


async def test_pages_forward_and_back_give_every_run_once(call: Caller) -> None:
    await call.ended(11)
    page = await found(call, limit=4)
    forward = [page]
    while page["next"]:
        page = await found(call, limit=4, pq=page["next"])
        forward.append(page)
    assert [len(each["items"]) for each in forward] == [4, 4, 3]
    assert len({ref for each in forward for ref in refs(each)}) == 11
    back = []
    while page["previous"]:
        page = await found(call, limit=4, pq=page["previous"], from_prev="true")
        back.append(refs(page))
    assert back == [refs(forward[1]), refs(forward[0])]
    assert refs(await found(call, limit=4, pq=page["first"])) == refs(forward[0])


@pytest.mark.parametrize("order", ["created_at:desc", "created_at:asc", "cost:desc"])
async def test_runs_added_meanwhile_move_no_page(call: Caller, order: str) -> None:
    old = {made["id"] for made in await call.ended(9)}
    seen: list[str] = []
    pq = None
    while True:
        page = await found(call, limit=2, sort_by=order, **({"pq": pq} if pq else {}))
        seen += [item["id"] for item in page["items"]]
        pq = page["next"]
        if pq is None or len(seen) > 60:
            break
        if len(seen) < 10:
            await call.ended()
    assert len(seen) == len(set(seen))
    assert old <= set(seen)


@pytest.mark.parametrize(
    "name,value",
    [
        ("limit", "0"),
        ("limit", "501"),
        ("limit", "x"),
        ("sort_by", "metadata"),
        ("sort_by", "id:up"),
        ("fields", "id,nothing"),
        ("embed", "everything"),
        ("q", "nothing:1"),
        ("pq", "no cursor"),
        ("pq", "WzEsMl0"),
        ("from_prev", "maybe"),
        ("evaluation_status", "good"),
    ],
)
async def test_a_wrong_parameter_is_422_with_its_name(
    call: Caller, name: str, value: str
) -> None:
    assert (await refused(call, **{name: value}))["field"] == name


async def test_a_cursor_of_another_search_is_refused(call: Caller) -> None:
    await call.ended(3)
    pq = (await found(call, limit=1))["next"]
    assert "another" in (await refused(call, pq=pq, sort_by="id"))["message"]


async def test_the_longest_page_is_five_hundred(call: Caller) -> None:
    await call.ended(1)
    assert len((await found(call, limit=500))["items"]) == 1


async def test_embeds_are_there_when_asked_for_and_null_else(call: Caller) -> None:
    (made,) = await call.ended()
    bare = (await call("GET", f"/v1/runs/{made['id']}")).json
    full = (
        await call("GET", f"/v1/runs/{made['id']}?embed=model,logs,node_runs,flow")
    ).json
    assert [bare[name] for name in ("model", "logs", "node_runs")] == [None] * 3
    assert full["model"]["slug"] == "tag-removal"
    assert full["model"]["id"] == full["model_id"]
    assert len(full["model"]["inputs"]) == 1
    assert [line["message"] for line in full["logs"]][:2] == [
        "The run is queued.",
        "Dispatched to the provider.",
    ]
    assert full["node_runs"] == []


async def test_a_workflow_run_embeds_its_workflow(call: Caller) -> None:
    made = (
        await call("POST", "/v1/comfyui-workflows/acme/upscale/runs", {"input": {}})
    ).json
    assert (made["target_type"], made["model_id"]) == ("comfyui", None)
    path = f"/v1/runs/{made['id']}?embed=comfyui_workflow,model"
    got = (await call("GET", path)).json
    assert got["comfyui_workflow"]["id"] == got["comfyui_workflow_id"]
    assert got["model"] is None


async def test_evaluations_filter_and_embed(call: Caller) -> None:
    await call.ended(100)
    embed = "current_evaluation_summary"
    for status, verdict in (("passed", True), ("failed", False)):
        page = await found(call, evaluation_status=status, embed=embed, limit=500)
        assert page["items"]
        for item in page["items"]:
            assert item[embed]["passed"] is verdict
            assert item[embed]["status_code"] == "completed"
            assert 0 <= item[embed]["score"] <= 1
    none = await found(call, evaluation_status="not_evaluated", limit=500, embed=embed)
    assert {None} == {(item[embed] or {}).get("passed") for item in none["items"]}
    failed = await found(call, evaluation_status="failed", limit=500)
    faces = await found(
        call,
        evaluation_issue_category="anatomy",
        evaluation_issue_subcategory="face",
        limit=500,
    )
    assert 0 < len(faces["items"]) < len(failed["items"])
    mixed = await found(
        call, evaluation_issue_category="text", evaluation_issue_subcategory="face"
    )
    assert mixed["items"] == []


async def test_cursors_may_be_urls_or_have_the_other_names(call: Caller) -> None:
    await call.ended(3)
    call.sandbox.faults = Faults(paging="url")
    page = await found(call, limit=1, fields="client_ref")
    following = await call("GET", str(URL(page["next"]).relative()))
    assert refs(following.json) == ["order-2"]
    call.sandbox.faults = Faults(paging="next_pq")
    other = await found(call, limit=1)
    assert list(other) == ["items", "next_pq", "prev_pq"]
    assert refs(await found(call, limit=1, pq=other["next_pq"])) == ["order-2"]


async def test_logs_of_one_run_and_of_any(call: Caller) -> None:
    first, second = await call.ended(2)
    one = (await call("GET", f"/v1/runs/{first['id']}/logs")).json
    every = (await call("GET", "/v1/runs/any/logs?limit=100")).json
    assert list(one["items"][0]) == [
        *("id", "run_id", "level_code", "message", "timestamp", "meta", "run")
    ]
    assert {line["run_id"] for line in one["items"]} == {first["id"]}
    assert {line["run_id"] for line in every["items"]} == {first["id"], second["id"]}
    asked = f"/v1/runs/any/logs?q=run_id:{second['id']}&sort_by=timestamp:desc&limit=1"
    last = (await call("GET", asked)).json
    assert len(last["items"]) == 1
    assert last["next"]
    nothing = await call("GET", "/v1/runs/01J0/logs")
    assert (nothing.status, nothing.json["code"]) == (404, "RUN_NOT_FOUND")


async def test_statuses_are_listed_with_both_spellings(call: Caller) -> None:
    told = (await call("GET", "/v1/runs/statuses")).json
    ends = {each["code"] for each in told if each["is_terminal"]}
    assert ends == {
        *("succeeded", "failed", "cancelled", "canceled", "partial_succeeded")
    }
