"""What the API says of a run, asked once for a person: every way to fail is a line, and never an error."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from typing import Any

import pytest
import trustme
from aiohttp import web

from relay.core.identity import Kind, RunKey
from relay.core.snapshot import Snapshot, Unfinished
from relay.core.timeline import Account, CallbackDelivery, Unanswered, account_words
from relay.reconcile.account import take_account, unasked
from tests.core.timeline.histories import PLAN
from tests.fakes import NOW_US
from tests.runflow.scripted import Paths, serving
from tests.runflow.upstream import TOKEN, Answering, Reply, any_run, client_of

KEY = RunKey("acme", Kind.RUN, "run_1")
RUN = "/v1/runs/run_1"
CALLBACKS = "/v1/runs/run_1/callback"
ORG = "00000000-0000-4000-8000-000000000001"


def attempt(number: int, status: int | None = 503) -> dict[str, object]:
    return {
        "attempt_number": number,
        "status_code": status,
        "response_time_ms": 31,
        "error_message": None if status else "timed out",
        "created_at": f"2026-03-01T12:00:{number:02}Z",
    }


@pytest.fixture
async def api() -> AsyncIterator[Paths]:
    """It knows one run, and has sent nothing."""
    async with serving() as paths:
        paths.gives(RUN, any_run("run_1", completed_at="2026-03-01T11:59:58Z"))
        paths.gives(CALLBACKS, [])
        yield paths


async def account(
    api: Paths | str, key: RunKey = KEY, *, limit_s: float = 10, **options: Any
) -> Account:
    url = api if isinstance(api, str) else api.url
    async with client_of(url, **options) as client:
        return await take_account(
            client, key, organization=ORG, limit_s=limit_s, now=NOW_US
        )


def line(found: Account) -> str:
    assert isinstance(found.run, Unanswered)
    return account_words(found, plan=PLAN)


async def test_a_run_and_its_callbacks_are_asked_for_once_each(api: Paths) -> None:
    found = await account(api)
    assert isinstance(found.run, Snapshot)
    assert (found.callbacks, found.callback_url, found.left_out) == ((), None, 0)
    assert sorted(api.asked) == [RUN, CALLBACKS]


async def test_a_batch_is_asked_for_where_batches_are(api: Paths) -> None:
    batch = RunKey("acme", Kind.BATCH, "batch_1")
    api.gives("/v1/batches/batch_1", {"id": "batch_1", "status_code": "queued"})
    api.gives("/v1/batches/batch_1/callback", [])
    found = await account(api, batch)
    assert found.run == Unfinished("queued")


async def test_a_run_that_goes_on_says_when_it_was_created_and_where_it_calls(
    api: Paths,
) -> None:
    """But not what its address holds beside the place: that may be a secret."""
    url = "https://user:pass@Relay.example.com:8443/callbacks/acme?key=secret#x"
    created = {"created_at": "2026-03-01T12:00:00Z"}
    api.gives(RUN, any_run("run_1", status_code="running", callback_url=url, **created))
    api.gives(CALLBACKS, [{"callback_url": url, "attempts": None}])
    found = await account(api)
    assert found.run == Unfinished("running")
    assert found.created_at == NOW_US
    shown = "https://relay.example.com:8443/callbacks/acme?…"
    assert found.callback_url == shown
    assert isinstance(found.callbacks, tuple)
    assert [(one.url, one.tries) for one in found.callbacks] == [(shown, ())]


@pytest.mark.parametrize(
    "url, shown",
    [
        ("http://[::1]:8080/x", "http://[::1]:8080/x"),
        ("http://[::1", "an address that cannot be read"),
        ("", None),
        (7, None),
    ],
)
async def test_an_address_is_shown_as_far_as_it_can_be_read(
    api: Paths, url: object, shown: str | None
) -> None:
    api.gives(RUN, any_run("run_1", callback_url=url))
    assert (await account(api)).callback_url == shown


@pytest.mark.parametrize("created", ["soon", "2026-03-01T12:00:00", 5, None])
async def test_a_time_that_is_none_is_not_shown(api: Paths, created: object) -> None:
    api.gives(RUN, any_run("run_1", status_code="running", created_at=created))
    assert (await account(api)).created_at is None


async def test_every_try_of_runflows_is_told_in_order(api: Paths) -> None:
    first = {
        "status_code": "failed",
        "failure_detail": "gave up",
        "max_attempts": 5,
        "created_at": "2026-03-01T12:00:00Z",
        "attempts": [attempt(2, None), attempt(1)],
    }
    again = {
        "status_code": "delivered",
        "is_automatic": False,
        "created_at": "2026-03-01T12:01:00Z",
        "attempts": [attempt(1, 202)],
    }
    api.gives(CALLBACKS, [again, first])
    found = await account(api)
    assert isinstance(found.callbacks, tuple)
    one, other = found.callbacks
    assert isinstance(one, CallbackDelivery)
    assert (one.state, one.failure, one.automatic) == ("failed", "gave up", None)
    assert [(t.number, t.status, t.error) for t in one.tries] == [
        (1, 503, None),
        (2, None, "timed out"),
    ]
    assert (other.state, other.automatic) == ("delivered", False)


async def test_of_many_callbacks_and_tries_the_last_are_shown_and_the_rest_counted(
    api: Paths,
) -> None:
    tries = [attempt(number) for number in range(1, 31)]
    many = [
        {"created_at": f"2026-03-01T12:00:{n:02}Z", "attempts": tries}
        for n in range(12)
    ]
    api.gives(CALLBACKS, many)
    found = await account(api)
    assert isinstance(found.callbacks, tuple)
    assert [len(one.tries) for one in found.callbacks] == [20] * 10
    assert found.left_out == 12 * 30 - 10 * 20
    assert found.callbacks[-1].tries[-1].number == 30


async def test_one_that_fails_takes_nothing_from_the_other(api: Paths) -> None:
    api.says(CALLBACKS, Reply(status=500))
    found = await account(api)
    assert isinstance(found.run, Snapshot)
    assert found.callbacks == Unanswered(
        reason="server_error",
        status=500,
        detail=found.callbacks.detail
        if isinstance(found.callbacks, Unanswered)
        else "",
    )
    api.gives(CALLBACKS, [])
    api.says(RUN, Reply(status=500))
    assert (await account(api)).callbacks == ()


async def _endless(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    try:
        while True:
            await response.write(b" " * 1024)
    except ConnectionError:
        return response


async def _silent(_: web.Request) -> web.StreamResponse:
    await asyncio.get_running_loop().create_future()
    raise AssertionError


WHOLE = json.dumps(any_run("run_1")).encode()
HTML = {"Content-Type": "text/html"}


@pytest.mark.parametrize(
    "reply, words",
    [
        (
            Reply(body=WHOLE[:40]),
            "the answer broke off in the middle (truncated, 200)",
        ),
        (Reply(body=b"oops"), "the answer is not JSON (not_json, 200)"),
        (
            Reply(body=b"<html>", headers=HTML),
            (
                "a web page, or something else that is not JSON, came (wrong_content, 200)"
                " - check sources[0].api.base_url"
            ),
        ),
        (
            Reply(status=302, headers={"Location": "https://elsewhere.example.com/"}),
            (
                "it sent us elsewhere, which is not followed (redirect, 302)"
                " - check sources[0].api.base_url"
            ),
        ),
        (
            _endless,
            (
                "the answer is larger than api.response_bytes (too_large, 200)"
                " - raise sources[0].api.response_bytes"
            ),
        ),
        (_silent, "no answer in time (timeout)"),
        (
            Reply(json=any_run("run_2")),
            "the answer is about another run (wrong_run, 200)",
        ),
        (
            Reply(json=any_run("run_1", org_id="another")),
            (
                "the answer is another organisation's (other_organization, 200)"
                " - check sources[0].api.organization_id"
            ),
        ),
        (
            Reply(json={"id": "run_1"}),
            "the answer has no status (no_status, 200)",
        ),
        (
            Reply(json=[]),
            "JSON of another form than documented (unexpected_shape, 200)",
        ),
        (
            Reply(status=204),
            "a status that the API does not have (unexpected_status, 204)",
        ),
        (
            Reply(status=401),
            "it does not know the token (unauthorized, 401) - check sources[0].api.token",
        ),
        (
            Reply(status=403),
            (
                "the token may not read this (forbidden, 403)"
                " - give sources[0].api.token the scope runs:read"
            ),
        ),
        (
            Reply(status=404),
            "it knows no such run, or it is another organisation's (not_found, 404)",
        ),
        (
            Reply(status=429),
            "it is asked too often (rate_limited, 429) - lower sources[0].api.rate",
        ),
        (Reply(status=503), "a fault of its own (server_error, 503)"),
    ],
    ids=lambda one: None if isinstance(one, Reply) or callable(one) else one[:30],
)
async def test_whatever_comes_instead_of_an_answer_is_a_line(
    api: Paths, reply: Reply | Answering, words: str
) -> None:
    api.says(RUN, reply)
    limit_s = 0.3 if reply is _silent else 10
    found = await account(api, limit_s=limit_s, body_bytes_max=100_000)
    assert line(found) == words
    assert found.callback_url is None


async def test_a_certificate_that_nobody_here_trusts_is_a_line() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)

    async def answer(_: web.BaseRequest) -> web.StreamResponse:
        return Reply().response()

    runner = web.ServerRunner(web.Server(answer), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    found = await account(f"https://127.0.0.1:{runner.addresses[0][1]}")
    await runner.cleanup()
    assert line(found).startswith("its certificate or TLS handshake cannot be trusted")


async def test_a_port_where_nobody_listens_is_a_line() -> None:
    async with serving() as gone:
        url = gone.url
    assert line(await account(url)) == (
        "no connection to it could be made (unreachable) - check sources[0].api.base_url"
    )


async def test_a_defect_of_ours_is_a_line_too(api: Paths) -> None:
    """A client that is closed raises what is none of its errors."""
    client = client_of(api.url)
    await client.close()
    found = await take_account(client, KEY, organization=None, limit_s=1, now=NOW_US)
    assert found.run == Unanswered(reason="internal", detail="RuntimeError")


async def test_no_line_has_the_token(api: Paths) -> None:
    api.says(RUN, Reply(status=403, json={"code": "X", "message": f"Bearer {TOKEN}"}))
    found = await account(api)
    assert TOKEN not in f"{found!r} {line(found)}"


def test_who_was_not_asked_has_a_reason() -> None:
    found = unasked("acme", "offline", now=NOW_US)
    assert line(found) == "not asked, as you wished (offline)"
    assert found.callbacks == Unanswered(reason="offline")
