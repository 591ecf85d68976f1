"""The sandbox's own routes: faults that change, waiting, and what OpenAPI says of all of them."""

import dataclasses
import re
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from docs.generate_sandbox import PAGE, page
from relay.sandbox import Faults
from relay.sandbox.faults import GROUPS, choices
from tests.sandbox.caller import AUTH, BATCH, Caller, calling

PATH = "/sandbox/faults"


async def test_faults_are_told_and_changed_while_it_runs() -> None:
    async with calling(faults=Faults(drop=0.25)) as call:
        before = (await call("GET", PATH, headers={})).json
        answer = await call(
            "PATCH", PATH, {"failed": 1, "spelling": "canceled"}, headers={}
        )
        await call.ended()
        (told,) = call.sandbox.runs()
    assert before == dataclasses.asdict(Faults(drop=0.25))
    assert answer.json == before | {"failed": 1.0, "spelling": "canceled"}
    assert told.outcome == "failed"


async def test_runs_that_were_created_before_keep_their_fate() -> None:
    async with calling(run_seconds=(0.1, 0.1)) as call:
        await call.create()
        await call("PATCH", PATH, {"failed": 1.0})
        await call.ended()
        outcomes = [told.outcome for told in call.sandbox.runs()]
    assert outcomes == ["succeeded", "failed"]


@pytest.mark.parametrize(
    "body,field",
    [
        ({"nothing": 1}, "nothing"),
        ({"drop": 1.5}, "drop"),
        ({"drop": "half"}, "drop"),
        ({"drop": True}, "drop"),
        ({"stale_reads": 1.5}, "stale_reads"),
        ({"children": 1}, "children"),
        ({"spelling": "kansellert"}, "spelling"),
        ({"partial_fields": "status,else"}, "partial_fields"),
        ({"failed": 0.6, "cancelled": 0.6}, "partial_succeeded"),
        ({"api_429": 0.6, "api_5xx": 0.6}, "api_foreign_run"),
        ([], "body"),
    ],
    ids=range(11),
)
async def test_a_fault_that_is_none_is_422_and_changes_nothing(
    body: object, field: str
) -> None:
    async with calling() as call:
        answer = await call("PATCH", PATH, body)
        assert (answer.status, answer.json["errors"][0]["field"]) == (422, field)
        assert call.sandbox.faults == Faults()


def test_every_fault_has_a_group_and_says_what_it_does() -> None:
    for each in dataclasses.fields(Faults):
        assert each.metadata["group"] in GROUPS
        assert each.metadata["help"].endswith(".")
        assert not choices(each.name) or each.default in choices(each.name)


def test_the_page_has_the_table_of_faults() -> None:
    """When it has not: ``python docs/generate_sandbox.py``."""
    text = PAGE.read_text()
    assert text == page(text)


async def test_settle_waits_until_all_is_over_or_the_time_is() -> None:
    async with calling(run_seconds=(0.2, 0.2)) as call:
        await call.create()
        early = (await call("POST", "/sandbox/settle?timeout_s=0.01", headers={})).json
        late = (await call("POST", "/sandbox/settle", headers={})).json
        wrong = await call("POST", "/sandbox/settle?timeout_s=-1")
        words = await call("POST", "/sandbox/settle?timeout_s=long")
    assert early == {"settled": False, "runs": 1, "batches": 0}
    assert late["settled"] is True
    assert (wrong.status, words.status) == (422, 422)


async def test_the_key_is_told_and_organisations_are_checked() -> None:
    async with calling() as call:
        me = (await call("GET", "/v1/auth/me")).json
        own = await call(
            "GET", "/v1/runs", headers=AUTH | {"X-Organization-Id": me["org_id"]}
        )
        other = await call(
            "GET", "/v1/runs", headers=AUTH | {"X-Organization-Id": me["id"]}
        )
    assert "runs:read" in me["scopes"]
    assert own.status == 200
    assert (other.status, other.json["code"]) == (
        403,
        "ORGANIZATION_MEMBERSHIP_REQUIRED",
    )


# --- OpenAPI --------------------------------------------------------------------------------------


async def described(call: Caller) -> Any:
    return (await call("GET", "/openapi.json", headers={})).json


async def test_every_route_that_is_served_is_described_and_no_other() -> None:
    async with calling() as call:
        document = await described(call)
        listed = (await call("GET", "/", headers={})).json["routes"]
    told = {
        (method.upper(), path)
        for path, methods in document["paths"].items()
        for method in methods
    }
    assert document["openapi"] == "3.1.0"
    assert told == {(route["method"], route["path"]) for route in listed}
    names = [o["operationId"] for m in document["paths"].values() for o in m.values()]
    assert len(names) == len(set(names))


async def test_the_documented_parameters_are_described() -> None:
    async with calling() as call:
        paths = (await described(call))["paths"]

    def params(method: str, path: str) -> set[str]:
        return {each["name"] for each in paths[path][method]["parameters"]}

    paging = {"q", "limit", "sort_by", "fields", "pq", "from_prev", "X-Organization-Id"}
    assert params("get", "/v1/runs") == paging | {
        *("embed", "evaluation_status", "evaluation_issue_category"),
        "evaluation_issue_subcategory",
    }
    assert params("get", "/v1/runs/{id}") == {"id", "embed", "X-Organization-Id"}
    assert params("get", "/v1/runs/{run_id}/logs") == paging | {"run_id"}
    assert "Idempotency-Key" in params("post", "/v1/models/{owner}/{slug}/batches")
    for path, methods in paths.items():
        for operation in methods.values():
            named = set(re.findall(r"\{(\w+)\}", path))
            assert named == {
                each["name"] for each in operation["parameters"] if each["in"] == "path"
            }


async def test_every_reference_leads_somewhere_and_every_schema_is_one() -> None:
    async with calling() as call:
        answer = await call("GET", "/openapi.json", headers={})
    schemas = answer.json["components"]["schemas"]
    used = set(re.findall(r"#/components/schemas/(\w+)", answer.text))
    assert used == set(schemas)
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)


async def test_what_is_answered_has_the_fields_that_are_described() -> None:
    async with calling(faults=Faults(failed=0.3, cancelled=0.3)) as call:
        made = (await call.ended(4, callback_url="http://127.0.0.1:1/"))[0]
        batch = (await call("POST", BATCH, {"input": [{}]})).json
        secret = (await call("POST", "/v1/callback-secrets", {})).json
        await call.sandbox.settled()
        schemas = (await described(call))["components"]["schemas"]
        run, batch_path = f"/v1/runs/{made['id']}", f"/v1/batches/{batch['id']}"
        answers = {
            "Run": (await call("GET", f"{run}?embed=model,logs")).json,
            "Log": (await call("GET", f"{run}/logs")).json["items"][0],
            "Status": (await call("GET", "/v1/runs/statuses")).json[0],
            "Batch": (await call("GET", batch_path)).json,
            "BatchItem": (await call("GET", f"{batch_path}/items")).json["items"][0],
            "CallbackSecretCreated": secret,
            "CallbackSecret": (
                await call("GET", f"/v1/callback-secrets/{secret['id']}")
            ).json,
            "CallbackDelivery": (await call("GET", f"{run}/callback")).json[0],
            "Me": (await call("GET", "/v1/auth/me")).json,
            "Health": (await call("GET", "/v1/health")).json,
            "About": (await call("GET", "/")).json,
            "Truth": (await call("GET", "/sandbox/runs")).json["items"][0],
            "BatchTruth": (await call("GET", "/sandbox/batches")).json["items"][0],
            "Faults": (await call("GET", PATH)).json,
            "Settled": (await call("POST", "/sandbox/settle")).json,
            "Error": (await call("GET", "/v1/runs/none")).json,
        }
    for name, answer in answers.items():
        described_fields = set(schemas[name]["properties"])
        if name == "CallbackDelivery":
            described_fields -= {"batch_id"}
        assert (name, set(answer)) == (name, described_fields)
        Draft202012Validator(schemas[name]).validate(answer)
