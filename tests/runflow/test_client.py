"""The client as a thing to hold: made, shared, changed, printed and closed."""

import asyncio
import json
import subprocess
import sys
from importlib.metadata import version
from uuid import UUID

import aiohttp
import pytest
from pydantic import SecretStr

from relay.runflow import Runflow
from relay.runflow.errors import NotJsonError, StatusError
from relay.runflow.system import System
from tests.runflow.upstream import (
    TOKEN,
    Reply,
    ScriptedTime,
    Upstream,
    any_run,
    client_of,
)


async def test_every_request_says_who_asks_and_what_it_takes(
    upstream: Upstream, client: Runflow
) -> None:
    await client.runs.get("a")
    headers = upstream.last.headers
    assert headers["Authorization"] == f"Bearer {TOKEN}"
    assert headers["Accept"] == "application/json"
    assert headers["Accept-Encoding"] == "gzip"
    assert headers["User-Agent"] == f"runflow-relay-client/{version('runflow-relay')}"
    assert "X-Organization-Id" not in headers


async def test_a_user_agent_is_put_before_the_clients_own(upstream: Upstream) -> None:
    async with client_of(upstream.url, user_agent="shop/3") as client:
        await client.runs.get("a")
    assert upstream.last.headers["User-Agent"].startswith(
        "shop/3 runflow-relay-client/"
    )


async def test_an_organization_is_named_where_one_is_given(upstream: Upstream) -> None:
    one, other = UUID(int=1), "org_2"
    async with client_of(upstream.url, organization_id=one) as client:
        await client.runs.get("a")
        await client.with_options(organization_id=other).runs.get("a")
        await client.runs.get("a")
    named = [asked.headers["X-Organization-Id"] for asked in upstream.asked]
    assert named == [str(one), other, str(one)]


async def test_options_change_a_twin_that_shares_the_connections(
    upstream: Upstream, client: Runflow
) -> None:
    upstream.says(Reply(status=503), Reply(status=503), Reply())
    twin = client.with_options(retries=2)
    assert (await twin.runs.get("a")).status == "succeeded"
    await twin.close()
    await client.runs.get("a")
    await client.close()
    with pytest.raises(RuntimeError, match="closed"):
        await twin.runs.get("a")


@pytest.mark.parametrize("end", ["", "/", "/v1", "/v1/"])
async def test_an_address_may_end_as_people_write_it(
    upstream: Upstream, end: str
) -> None:
    async with client_of(upstream.url + end) as client:
        await client.runs.get("a")
    assert upstream.last.target == "/v1/runs/a"


async def test_an_address_may_hold_a_path(upstream: Upstream) -> None:
    async with client_of(f"{upstream.url}/gateway/runflow") as client:
        await client.runs.get("a")
    assert upstream.last.target == "/gateway/runflow/v1/runs/a"


@pytest.mark.parametrize(
    "address",
    [
        "",
        "api.runflow.io",
        "ftp://api.runflow.io",
        "https://",
        "https://user:pass@api.runflow.io",
        "https://api.runflow.io?x=1",
        "https://api.runflow.io#x",
    ],
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="base_url"):
        Runflow(TOKEN, base_url=address)


@pytest.mark.parametrize(
    "token", ["", "  ", "two words", "line\r\nX-Evil: 1", "schlüssel"]
)
def test_a_token_that_cannot_be_is_refused_without_being_shown(token: str) -> None:
    with pytest.raises(ValueError, match="token") as caught:
        Runflow(token)
    assert token.strip() == "" or token not in str(caught.value)


@pytest.mark.parametrize("token", [f"{TOKEN}\n", SecretStr(TOKEN)])
async def test_a_token_may_come_from_a_file_or_hidden(
    upstream: Upstream, token: str | SecretStr
) -> None:
    async with Runflow(token, base_url=upstream.url) as client:
        await client.runs.get("a")
    assert upstream.last.headers["Authorization"] == f"Bearer {TOKEN}"


def test_nothing_that_prints_holds_the_token() -> None:
    client = Runflow(TOKEN, base_url="https://api.runflow.io/v1")
    printed = f"{client!r} {client} {client.runs!r} {client._caller!r}"
    assert TOKEN not in printed
    assert repr(client) == "Runflow('https://api.runflow.io', token=***)"


async def test_the_environment_can_say_all_that_is_needed(upstream: Upstream) -> None:
    environment = {
        "RUNFLOW_TOKEN": TOKEN,
        "RUNFLOW_BASE_URL": upstream.url,
        "RUNFLOW_ORGANIZATION_ID": "org_1",
    }
    async with Runflow.from_env(environment) as client:
        await client.runs.get("a")
    assert upstream.last.headers["X-Organization-Id"] == "org_1"
    assert upstream.last.headers["Authorization"] == f"Bearer {TOKEN}"


def test_an_environment_without_a_token_is_refused() -> None:
    with pytest.raises(ValueError, match="RUNFLOW_TOKEN"):
        Runflow.from_env({})


async def test_a_session_that_was_given_is_not_closed(upstream: Upstream) -> None:
    async with aiohttp.ClientSession() as session:
        async with client_of(upstream.url, session=session) as client:
            await client.runs.get("a")
        assert not session.closed


async def test_a_session_that_was_given_keeps_its_own_ways_out_of_answers(
    upstream: Upstream,
) -> None:
    """Inflation, redirects and raising are decided here, whatever the session was made for."""
    upstream.says(Reply(status=404))
    async with aiohttp.ClientSession(raise_for_status=True) as session:
        with pytest.raises(StatusError):
            await client_of(upstream.url, session=session).runs.get("a")


async def test_closing_twice_is_closing_once_and_nothing_is_asked_after(
    client: Runflow,
) -> None:
    await client.runs.get("a")
    await client.close()
    await client.close()
    with pytest.raises(RuntimeError, match="closed"):
        await client.runs.get("a")


async def test_a_client_that_never_asked_has_nothing_to_close() -> None:
    async with Runflow(TOKEN):
        pass


async def test_one_client_serves_many_tasks_at_once(
    upstream: Upstream, client: Runflow
) -> None:
    upstream.gives(any_run())
    runs = await asyncio.gather(*(client.runs.get(f"r{n}") for n in range(200)))
    assert len(runs) == 200
    assert {asked.path for asked in upstream.asked} == {
        f"/v1/runs/r{n}" for n in range(200)
    }


async def test_proxies_of_the_environment_are_not_used(
    client: Runflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert (await client.runs.get("a")).status == "succeeded"


async def test_cookies_are_not_kept(upstream: Upstream, client: Runflow) -> None:
    upstream.says(Reply(headers={"Set-Cookie": "session=1; Path=/"}))
    await client.runs.get("a")
    await client.runs.get("a")
    assert "Cookie" not in upstream.last.headers


class TestExactBytes:
    BODY = b'{ "id":"a",  "status_code":"failed", "output":{"n":1.10} }'

    async def test_of_a_run(self, upstream: Upstream, client: Runflow) -> None:
        upstream.says(Reply(body=self.BODY, headers={"X-Custom": "1"}))
        answer = await client.runs.fetch("a")
        assert (answer.status, answer.body) == (200, self.BODY)
        assert answer.headers["x-custom"] == "1"
        assert answer.request == "GET /v1/runs/a"

    async def test_of_anything(self, upstream: Upstream, client: Runflow) -> None:
        upstream.says(Reply(body=self.BODY))
        answer = await client.request("GET", "/v1/runs/statuses", query={"limit": 5})
        assert answer.body == self.BODY
        assert upstream.last.target == "/v1/runs/statuses?limit=5"

    async def test_may_be_had_without_their_being_json(
        self, upstream: Upstream, client: Runflow
    ) -> None:
        upstream.says(Reply(body=b'{"id": oops}'))
        with pytest.raises(NotJsonError):
            await client.request("GET", "/v1/x")
        answer = await client.request("GET", "/v1/x", well_formed=False)
        assert answer.body == b'{"id": oops}'

    async def test_are_not_printed(self, upstream: Upstream, client: Runflow) -> None:
        upstream.gives(any_run(client_ref="private"))
        answer = await client.runs.fetch("a")
        assert "private" not in repr(answer)

    async def test_of_a_post_that_is_said_to_be_repeatable_are_asked_for_again(
        self, upstream: Upstream, patient: Runflow
    ) -> None:
        upstream.says(Reply(status=503), Reply())
        await patient.request("POST", "/v1/x", body=b"{}", repeatable=True)
        assert len(upstream.asked) == 2

    async def test_need_a_path(self, client: Runflow) -> None:
        with pytest.raises(ValueError, match="begins with"):
            await client.request("GET", "v1/runs")


async def test_who_the_token_belongs_to_is_kept_as_it_is_said(
    upstream: Upstream, client: Runflow
) -> None:
    upstream.gives({"id": "u", "scopes": ["runs:read"]})
    assert (await client.auth.me()).model_extra == {"id": "u", "scopes": ["runs:read"]}


async def test_the_machines_clock_sleep_and_dice_are_the_default() -> None:
    system = System()
    assert system.monotonic() <= system.monotonic()
    assert system.wall() > ScriptedTime.EPOCH_S - 10 * 365 * 86_400
    assert 0 <= system.unit() < 1
    await system.sleep(0)


def test_it_is_importable_by_itself() -> None:
    """Nothing else of the relay comes with it, nor what it does not need."""
    code = (
        "import json, sys, relay.runflow; "
        "print(json.dumps(sorted(m for m in sys.modules if m.startswith('relay'))"
        " + sorted({'aiokafka', 'structlog', 'typer', 'msgspec', 'asyncpg'} & set(sys.modules))))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    loaded = json.loads(ran.stdout)
    assert [m for m in loaded if not m.startswith("relay.runflow")] == ["relay"]
