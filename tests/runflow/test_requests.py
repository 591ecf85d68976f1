"""Each endpoint is asked as its page says."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pytest

from relay.runflow import Q, Run, Runflow
from tests.runflow.upstream import Reply, Upstream, any_run

ID = UUID("019a8c3e-5b10-7c44-9f21-3d5e8a7b6c01")
RUNS = f"/v1/runs/{ID}"
BATCHES = f"/v1/batches/{ID}"

Call = Callable[[Runflow], Awaitable[object]]

READS: list[tuple[str, Call, object]] = [
    (RUNS, lambda c: c.runs.get(ID), any_run()),
    (f"{RUNS}/callback", lambda c: c.runs.callbacks(ID), []),
    (f"{RUNS}/logs", lambda c: c.runs.logs(ID).page(), {"items": []}),
    ("/v1/runs/any/logs", lambda c: c.runs.logs("any").page(), {"items": []}),
    ("/v1/runs", lambda c: c.runs.search().page(), {"items": []}),
    (BATCHES, lambda c: c.batches.get(ID), any_run()),
    (f"{BATCHES}/items", lambda c: c.batches.items(ID).page(), {"items": []}),
    (f"{BATCHES}/items/{ID}", lambda c: c.batches.item(ID, ID), any_run()),
    (f"{BATCHES}/callback", lambda c: c.batches.callbacks(ID), []),
    (f"/v1/callback-secrets/{ID}", lambda c: c.callback_secrets.get(ID), any_run()),
    ("/v1/auth/me", lambda c: c.auth.me(), {"email": "a@example.com"}),
    ("/v1/health", lambda c: c.health(), {"status": "ok"}),
]

WRITES: list[tuple[str, str, Call, object]] = [
    (
        "POST",
        "/v1/models/runflow/tag-removal/runs",
        lambda c: c.models.run("runflow/tag-removal", input={"image": "x"}),
        {"input": {"image": "x"}},
    ),
    (
        "POST",
        "/v1/models/acme/upscale/v2/fast/runs",
        lambda c: c.models.run(
            "acme/upscale/v2/fast",
            input={},
            metadata={
                "order": ID,
                "when": datetime(2026, 5, 6, tzinfo=UTC),
                "price": Decimal("1.10"),
            },
            callback_url="https://relay.example.com/callbacks/acme",
            client_ref="x" * 255,
        ),
        {
            "input": {},
            "metadata": {
                "order": str(ID),
                "when": "2026-05-06T00:00:00Z",
                "price": "1.10",
            },
            "callback_url": "https://relay.example.com/callbacks/acme",
            "client_ref": "x" * 255,
        },
    ),
    (
        "PATCH",
        RUNS,
        lambda c: c.runs.update(
            ID,
            status_code="failed",
            output=None,
            started_at=datetime(2026, 5, 6, tzinfo=UTC),
        ),
        {"status_code": "failed", "output": None, "started_at": "2026-05-06T00:00:00Z"},
    ),
    (
        "POST",
        "/v1/models/runflow/tag-removal/batches",
        lambda c: c.batches.create(
            "runflow/tag-removal",
            input=[{"image": "x", "client_ref": "row-1"}],
            callback_url=None,
        ),
        {"input": [{"image": "x", "client_ref": "row-1"}], "callback_url": None},
    ),
    (
        "POST",
        "/v1/callback-secrets",
        lambda c: c.callback_secrets.create("production"),
        {"label": "production"},
    ),
    (
        "PATCH",
        f"/v1/callback-secrets/{ID}",
        lambda c: c.callback_secrets.update(ID, is_current=True),
        {"is_current": True},
    ),
]


@pytest.mark.parametrize(
    "path, call, document", READS, ids=[path for path, *_ in READS]
)
async def test_reads(
    upstream: Upstream, client: Runflow, path: str, call: Call, document: object
) -> None:
    upstream.gives(document)
    await call(client)
    assert (upstream.last.method, upstream.last.target) == ("GET", path)
    assert upstream.last.body == b""


@pytest.mark.parametrize("method, path, call, body", WRITES, ids=[w[1] for w in WRITES])
async def test_writes(
    upstream: Upstream,
    client: Runflow,
    method: str,
    path: str,
    call: Call,
    body: object,
) -> None:
    upstream.says(Reply(status=201 if method == "POST" else 200))
    await call(client)
    assert (upstream.last.method, upstream.last.target) == (method, path)
    assert upstream.last.headers["Content-Type"] == "application/json"
    assert upstream.last.json() == body


@pytest.mark.parametrize("place", ["runs", "batches"])
async def test_redeliveries_have_no_body(
    upstream: Upstream, client: Runflow, place: str
) -> None:
    resource = client.runs if place == "runs" else client.batches
    delivery = await resource.redeliver(ID)
    assert str(delivery.id) == str(ID)
    asked = upstream.last
    assert (asked.method, asked.path) == (
        "POST",
        f"/v1/{place}/{ID}/callback-redeliveries",
    )
    assert asked.body == b""


async def test_a_run_is_shown_with_every_embed_that_is_asked_for(
    upstream: Upstream, client: Runflow
) -> None:
    await client.runs.get(
        ID, embed=("comfyui_workflow", "flow", "logs", "model", "node_runs")
    )
    assert upstream.last.query == {
        "embed": "comfyui_workflow,flow,logs,model,node_runs"
    }


async def test_a_search_sends_all_that_it_was_given(
    upstream: Upstream, client: Runflow
) -> None:
    upstream.gives({"items": []})
    await client.runs.search(
        q=Q.eq("client_ref", "é & 1=2+3"),
        limit=500,
        sort_by=("created_at:desc", "id"),
        fields="id,status_code",
        embed=("model", "current_evaluation_summary"),
        pq="a/b+c=",
        from_prev=True,
        evaluation_status="not_evaluated",
        evaluation_issue_category="hands",
        evaluation_issue_subcategory="fingers",
    ).page()
    assert upstream.last.query == {
        "q": "client_ref:'é & 1=2+3'",
        "limit": "500",
        "sort_by": "created_at:desc,id",
        "fields": "id,status_code",
        "embed": "model,current_evaluation_summary",
        "pq": "a/b+c=",
        "from_prev": "true",
        "evaluation_status": "not_evaluated",
        "evaluation_issue_category": "hands",
        "evaluation_issue_subcategory": "fingers",
    }


async def test_a_search_by_fields_gives_runs_without_the_others(
    upstream: Upstream, client: Runflow
) -> None:
    upstream.gives({"items": [{"status_code": "running"}]})
    page = await client.runs.search(fields=("status_code",)).page()
    assert page.items == (Run(status_code=page.items[0].status),)


@pytest.mark.parametrize("limit", [0, -1, 501])
def test_a_limit_out_of_its_range_is_refused_before_anything_is_sent(
    limit: int,
) -> None:
    client = Runflow("t")
    for ask in (client.runs.search, lambda limit: client.runs.logs(ID, limit=limit)):
        with pytest.raises(ValueError, match="limit"):
            ask(limit=limit)


@pytest.mark.parametrize("cost, written", [(Decimal("1.10"), b"1.10"), (3, b"3")])
async def test_a_cost_is_sent_as_a_number_with_all_its_places(
    upstream: Upstream, client: Runflow, cost: Decimal | int, written: bytes
) -> None:
    await client.runs.update(ID, cost=cost)
    assert upstream.last.body == b'{"cost":' + written + b"}"


REFUSED = [
    "cost nan",
    "naive moment",
    "infinite input",
    "naive input",
    "long client_ref",
    "no slug",
    "empty segment",
    "dots in a model",
    "empty batch",
    "large batch",
    "long callback_url",
    "long label",
    "long new label",
    "empty id",
    "dots",
]


@pytest.mark.parametrize(
    "call",
    [
        lambda c: c.runs.update(ID, cost=Decimal("NaN")),
        lambda c: c.runs.update(ID, started_at=datetime(2026, 5, 6)),  # noqa: DTZ001 - refused
        lambda c: c.models.run("o/m", input={"x": float("inf")}),
        lambda c: c.models.run("o/m", input={"x": datetime(2026, 5, 6)}),  # noqa: DTZ001 - refused
        lambda c: c.models.run("o/m", input={}, client_ref="x" * 256),
        lambda c: c.models.run("no-slug", input={}),
        lambda c: c.models.run("o//m", input={}),
        lambda c: c.models.run("o/../m", input={}),
        lambda c: c.batches.create("o/m", input=[]),
        lambda c: c.batches.create("o/m", input=[{}] * 101),
        lambda c: c.batches.create("o/m", input=[{}], callback_url="x" * 2049),
        lambda c: c.callback_secrets.create("x" * 256),
        lambda c: c.callback_secrets.update(ID, label="x" * 256),
        lambda c: c.runs.get(""),
        lambda c: c.runs.get(".."),
    ],
    ids=REFUSED,
)
async def test_what_cannot_be_is_refused_before_anything_is_sent(
    upstream: Upstream, client: Runflow, call: Call
) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - each says its own
        await call(client)
    assert upstream.asked == []


async def test_what_is_not_json_is_refused_before_anything_is_sent(
    upstream: Upstream, client: Runflow
) -> None:
    with pytest.raises(TypeError, match="object"):
        await client.models.run("o/m", input={"x": object()})
    assert upstream.asked == []


@pytest.mark.parametrize(
    "run_id, path",
    [
        ("01J0ZK5T9QW3Y8M2C4N6R7S1VB", "/v1/runs/01J0ZK5T9QW3Y8M2C4N6R7S1VB"),
        ("a/../../admin", "/v1/runs/a%2F..%2F..%2Fadmin"),
        ("a?q=1#f", "/v1/runs/a%3Fq%3D1%23f"),
        ("ö %", "/v1/runs/%C3%B6%20%25"),
    ],
)
async def test_no_id_can_leave_its_place_in_the_path(
    upstream: Upstream, client: Runflow, run_id: str, path: str
) -> None:
    await client.runs.get(run_id)
    assert upstream.last.target == path
