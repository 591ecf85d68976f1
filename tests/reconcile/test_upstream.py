"""Whatever the API answers has a word, ends no process, and makes no event unless it is believed."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator

import pytest
import trustme
from aiohttp import web
from structlog.testing import capture_logs

from relay.core.identity import Kind, RunKey
from relay.core.inquiry import Silent, Told, Unended
from relay.core.pace import HUSH_MAX_S
from relay.reconcile.upstream import ApiUpstream
from tests.runflow.upstream import TOKEN, Reply, Upstream, any_run, client_of, serving

RUN = "019a8c3e-5b10-7c44-9f21-3d5e8a7b6c01"
KEY = RunKey("acme", Kind.RUN, RUN)
ORG = "3c90c3cc-0d44-4b50-8888-8dd25736052a"


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with serving() as scripted:
        yield scripted


async def ask(
    url: str, key: RunKey = KEY, *, body_bytes_max: int = 1 << 20
) -> Told | Unended | Silent:
    async with client_of(url, body_bytes_max=body_bytes_max) as client:
        asked = ApiUpstream(client, organization=ORG, timeout_s=1.0)
        return await asked.ask(key)


async def test_how_it_ended_is_told(upstream: Upstream) -> None:
    """By exactly one question, which carries the token and the organisation."""
    upstream.gives(
        any_run(RUN.upper(), org_id=ORG, completed_at="2026-03-01T12:00:00Z")
    )
    heard = await ask(upstream.url)
    assert isinstance(heard, Told)
    assert heard.snapshot.key == KEY
    [asked] = upstream.asked
    assert asked.path == f"/v1/runs/{RUN}"
    assert asked.headers["Authorization"] == f"Bearer {TOKEN}"


async def test_a_batch_is_asked_for_as_a_batch(upstream: Upstream) -> None:
    upstream.gives({"id": "batch_1", "status_code": "partial_succeeded"})
    heard = await ask(upstream.url, RunKey("acme", Kind.BATCH, "batch_1"))
    assert isinstance(heard, Told)
    assert upstream.last.path == "/v1/batches/batch_1"


async def test_what_goes_on_is_no_end(upstream: Upstream) -> None:
    upstream.gives(any_run(RUN, status_code="running"))
    assert await ask(upstream.url) == Unended("running")


def page(body: bytes, content_type: str = "application/json") -> Reply:
    return Reply(body=body, headers={"Content-Type": content_type})


WHOLE = json.dumps(any_run(RUN)).encode()


@pytest.mark.parametrize(
    "reply,reason,of_source",
    [
        (page(WHOLE[:40]), "truncated", False),
        (page(b"<html>hello</html>", "text/html"), "wrong_content", True),
        (page(b"<html>hello</html>"), "not_json", True),
        (
            Reply(status=302, headers={"Location": "http://127.0.0.1:1/"}),
            "redirect",
            True,
        ),
        (page(WHOLE + b" " * 5000), "too_large", False),
        (
            Reply(json=any_run("019a8c3e-5b10-7c44-9f21-3d5e8a7b6c02")),
            "wrong_run",
            False,
        ),
        (Reply(json=any_run(RUN, org_id="another")), "other_organization", False),
        (Reply(json=any_run(RUN, status_code=None)), "no_status", False),
        (Reply(json=[]), "unexpected_shape", False),
        (Reply(status=404, json={"code": "RUN_NOT_FOUND"}), "not_found", False),
        (Reply(status=401, json={}), "unauthorized", True),
        (Reply(status=403, json={}), "forbidden", True),
        (Reply(status=429, json={}), "rate_limited", True),
        (Reply(status=500, json={}), "server_error", True),
        (Reply(status=503, body=b"busy"), "server_error", True),
        (Reply(status=422, json={}), "unprocessable", False),
    ],
)
async def test_every_bad_answer_has_a_word(
    upstream: Upstream, reply: Reply, reason: str, of_source: bool
) -> None:
    """And says whether it is the API's fault as a whole, or may be this run's."""
    upstream.says(reply)
    heard = await ask(upstream.url, body_bytes_max=4096)
    assert isinstance(heard, Silent)
    assert (heard.reason, heard.of_source) == (reason, of_source)
    assert len(upstream.asked) == 1
    assert TOKEN not in heard.detail


async def test_how_long_to_wait_is_heard(upstream: Upstream) -> None:
    upstream.says(Reply(status=429, json={}, headers={"Retry-After": "7"}))
    heard = await ask(upstream.url)
    assert isinstance(heard, Silent)
    assert heard.retry_after_us == 7_000_000


@pytest.mark.parametrize("years", ["3153600000", "1e308", "1e20"])
@pytest.mark.parametrize("status", [429, 503])
async def test_no_answer_silences_a_source_for_years(
    upstream: Upstream, status: int, years: str
) -> None:
    upstream.says(Reply(status=status, json={}, headers={"Retry-After": years}))
    heard = await ask(upstream.url)
    assert isinstance(heard, Silent)
    assert heard.retry_after_us == HUSH_MAX_S * 1e6


async def test_a_body_without_an_end_is_left_at_the_limit(upstream: Upstream) -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        for _ in range(100_000):
            await response.write(b" " * 65536)
        return response

    upstream.says(endless)
    heard = await ask(upstream.url)
    assert isinstance(heard, Silent)
    assert heard.reason == "too_large"


async def test_an_api_that_never_answers_is_left_in_time(upstream: Upstream) -> None:
    never = asyncio.Event()

    async def mute(_: web.Request) -> web.StreamResponse:
        await never.wait()
        return web.Response()

    upstream.says(mute)
    heard = await ask(upstream.url)
    assert heard == Silent(reason="timeout", of_source=True)
    never.set()


async def test_nobody_there_has_a_word() -> None:
    heard = await ask("http://127.0.0.1:1")
    assert isinstance(heard, Silent)
    assert (heard.reason, heard.of_source) == ("unreachable", True)


async def test_a_certificate_that_is_not_trusted_has_a_word() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)

    async def answer(_: web.BaseRequest) -> web.StreamResponse:
        return Reply().response()

    runner = web.ServerRunner(web.Server(answer), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    heard = await ask(f"https://127.0.0.1:{runner.addresses[0][1]}")
    await runner.cleanup()
    assert isinstance(heard, Silent)
    assert (heard.reason, heard.of_source) == ("tls", True)


@pytest.mark.parametrize("key", [KEY, RunKey("acme", Kind.BATCH, "batch_1")])
async def test_a_callback_is_asked_for_once_more(
    upstream: Upstream, key: RunKey
) -> None:
    upstream.says(
        Reply(status=201, json={"id": "d1"}), Reply(status=422, json={"errors": []})
    )
    async with client_of(upstream.url) as client:
        asked = ApiUpstream(client, organization=None, timeout_s=1.0)
        assert await asked.redeliver(key) is None
        refused = await asked.redeliver(key)
    assert refused is not None
    assert (refused.reason, refused.of_source) == ("unprocessable", False)
    assert upstream.last.method == "POST"
    assert upstream.last.path.endswith(f"{key.id}/callback-redeliveries")


class Broken:
    """A client with a defect in it."""

    @property
    def runs(self) -> object:
        raise RuntimeError("no")


def with_a_defect() -> ApiUpstream:
    return ApiUpstream(Broken(), organization=None, timeout_s=1.0)  # type: ignore[arg-type]  # on purpose


async def test_a_defect_of_ours_asks_nobody_in_a_circle() -> None:
    with capture_logs() as said:
        heard = await with_a_defect().ask(KEY)
    assert heard == Silent(reason="internal", of_source=True, detail="RuntimeError")
    assert [entry["event"] for entry in said] == ["upstream.crashed"]


async def test_a_defect_of_ours_is_an_answer_also_to_who_asks_for_a_redelivery() -> (
    None
):
    with capture_logs() as said:
        refused = await with_a_defect().redeliver(KEY)
    assert refused == Silent(reason="internal", of_source=True, detail="RuntimeError")
    assert [entry["event"] for entry in said] == ["upstream.crashed"]
