"""Whether Runflow knows the token, and where runs call back to: asked of the local Runflow."""

import pytest
import trustme

from relay.core.finding import Result
from relay.sandbox import Sandbox
from tests.app.checks.looking import Scene, create_run, only
from tests.deliver.endpoint import Endpoint, answering
from tests.deliver.tls import tls_server
from tests.places import free_port

OTHERS = "https://hooks.example.com/callbacks/acme?token=letmein"


@pytest.mark.parametrize(
    "token,more,found,remedy",
    [
        ("rf_live_another", "", "401", "create a token"),
        ("${KEY}", ", organization_id: org-other", "403", "api.organization_id"),
    ],
)
async def test_a_token_that_runflow_does_not_take(
    scene: Scene, sandbox: Sandbox, token: str, more: str, found: str, remedy: str
) -> None:
    scene.ask(sandbox, token=token, more=more)
    for check in ("api", "runs"):
        one = only(await scene.look(), check)
        assert (one.result, found in one.found) == ("failed", True)
        assert remedy in one.remedy


async def test_an_api_that_is_not_there(scene: Scene) -> None:
    scene.source += f', api: {{base_url: "http://127.0.0.1:{free_port()}", token: t}}'
    one = only(await scene.look(), "api")
    assert (one.result, "no connection" in one.found) == ("failed", True)
    assert "api.base_url" in one.remedy


async def test_an_api_that_nobody_vouches_for(scene: Scene) -> None:
    async with tls_server(trustme.CA(), "127.0.0.1") as url:
        scene.source += f', api: {{base_url: "{url}", token: t}}'
        one = only(await scene.look(), "api")
    assert (one.result, "certificate of its own" in one.remedy) == ("failed", True)


async def test_an_api_that_is_asked_too_often(scene: Scene) -> None:
    answer = b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n"
    async with Endpoint(answering(answer)) as endpoint:
        base = endpoint.url.removesuffix("/hooks")
        scene.source += f', api: {{base_url: "{base}", token: t}}'
        one = only(await scene.look(), "api")
    assert (one.result, "429" in one.found) == ("failed", True)
    assert "lower `api.rate`" in one.remedy


async def test_what_is_no_api_at_all(scene: Scene) -> None:
    page = (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\r\n<p/>"
    )
    async with Endpoint(answering(page)) as endpoint:
        base = endpoint.url.removesuffix("/hooks")
        scene.source += f', api: {{base_url: "{base}", token: t}}'
        one = only(await scene.look(), "runs")
    assert (one.result, "try again" in one.remedy) == ("failed", True)


@pytest.mark.parametrize(
    "source,why",
    [("", "`api.token` is not set"), (", api: {token: t}, enrich: never", "never")],
)
async def test_nobody_is_asked_who_may_not_be(
    scene: Scene, source: str, why: str
) -> None:
    scene.source += source
    found = await scene.look()
    for check in ("api", "runs"):
        one = only(found, check)
        assert (one.result, why in one.found) == ("skipped", True)


@pytest.mark.parametrize(
    "ours,others,result",
    [(0, 0, "unknown"), (2, 0, "ok"), (2, 1, "warning"), (0, 2, "failed")],
)
async def test_the_share_of_runs_that_call_back_here(
    scene: Scene, sandbox: Sandbox, ours: int, others: int, result: Result
) -> None:
    scene.ask(sandbox)
    for url in [f"{scene.public_url}/callbacks/acme"] * ours + [OTHERS] * others:
        await create_run(sandbox, url)
    one = only(await scene.look(), "runs")
    assert one.result == result
    if ours or others:
        assert f"{ours} of the latest {ours + others} runs" in one.found
    assert ("https://hooks.example.com/callbacks/acme" in one.found) == bool(others)
    assert "letmein" not in one.found
    assert (f"{scene.public_url}/callbacks/acme" in one.remedy) == (result != "ok")


async def test_without_a_public_url_nobody_can_tell(
    scene: Scene, sandbox: Sandbox
) -> None:
    scene.ask(sandbox)
    scene.public_url = None
    found = await scene.look()
    for check in ("runs", "callbacks"):
        one = only(found, check)
        assert (one.result, "`public.url` is not set" in one.found) == ("skipped", True)
