"""What goes wrong with calls of the API: by seed and the number of the call."""

import asyncio
from typing import Any

import aiohttp
import pytest

from relay.sandbox import Faults
from relay.sandbox.weather import Mishap, weather
from tests.sandbox.caller import AUTH, MODEL, Caller, calling


async def one(call: Caller, **faults: Any) -> str:
    """The path of a finished run, with these faults from now on."""
    (made,) = await call.ended()
    call.sandbox.faults = Faults().changed(faults)
    return f"/v1/runs/{made['id']}"


def test_the_same_call_meets_the_same_weather() -> None:
    faults = Faults(api_429=0.3, api_5xx=0.3)
    one, two = (
        [
            weather(7, place, n, faults)
            for place in (1, "GET /v1/runs")
            for n in range(50)
        ]
        for _ in range(2)
    )
    assert one == two
    assert {each.mishap for each in one} == {
        Mishap.NONE,
        Mishap.TOO_MANY,
        Mishap.BROKEN,
    }


async def test_the_same_calls_get_the_same_answers_whatever_else_is_asked() -> None:
    faults = Faults(api_429=0.2, api_5xx=0.2, api_html=0.1)
    seen = []
    for others in (0, 3):
        async with calling() as call:
            first, second = await call.ended(2)
            call.sandbox.faults = faults
            statuses = []
            for _ in range(15):
                for _ in range(others):
                    await call("GET", f"/v1/runs/{second['id']}")
                answer = await call("GET", f"/v1/runs/{first['id']}")
                statuses.append((answer.status, answer.headers["Content-Type"]))
            seen.append(statuses)
    assert seen[0] == seen[1]
    assert len(set(seen[0])) > 2


def test_shares_are_as_asked_for() -> None:
    faults = Faults(api_429=0.2, api_5xx=0.1)
    met = [weather(1, 1, n, faults).mishap for n in range(2000)]
    assert met.count(Mishap.TOO_MANY) / 2000 == pytest.approx(0.2, abs=0.03)
    assert met.count(Mishap.BROKEN) / 2000 == pytest.approx(0.1, abs=0.03)


def test_every_share_of_the_api_has_its_mishap() -> None:
    shares = {
        name
        for name in Faults.__dataclass_fields__
        if name.startswith("api_") and name != "api_slow_ms"
    }
    assert shares == {each.value for each in Mishap} - {"none"}


@pytest.mark.parametrize(
    "share,status,code",
    [
        ("api_401", 401, "UNAUTHORIZED"),
        ("api_403", 403, "PERMISSION_DENIED"),
        ("api_404", 404, "RUN_NOT_FOUND"),
        ("api_429", 429, "RATE_LIMITED"),
    ],
)
async def test_a_refusal_has_the_envelope(share: str, status: int, code: str) -> None:
    async with calling() as call:
        answer = await call("GET", await one(call, **{share: 1.0}))
    assert (answer.status, answer.json["code"]) == (status, code)
    assert list(answer.json) == ["code", "message", "errors"]


async def test_a_429_says_when_to_come_again_or_does_not() -> None:
    async with calling() as call:
        path = await one(call, api_429=1.0)
        both = [(await call("GET", path)).headers for _ in range(12)]
        call.sandbox.faults = Faults(api_429=1.0, retry_after="without")
        without = [(await call("GET", path)).headers for _ in range(12)]
        call.sandbox.faults = Faults(retry_after="with")
        calm = (await call("GET", path)).headers
    assert {"Retry-After" in headers for headers in both} == {True, False}
    assert {"Retry-After" in headers for headers in without} == {False}
    assert "X-RateLimit-Remaining" in calm


async def test_a_broken_api_is_500_502_or_503_and_a_gateway_speaks_html() -> None:
    async with calling() as call:
        path = await one(call, api_5xx=1.0)
        answers = [await call("GET", path) for _ in range(20)]
    assert {answer.status for answer in answers} == {500, 502, 503}
    for answer in answers:
        html = answer.headers["Content-Type"].startswith("text/html")
        assert html is (answer.status == 502)


async def test_a_refused_creation_makes_nothing_and_the_next_number_is_not_used() -> (
    None
):
    async with calling(faults=Faults(api_5xx=0.5)) as call:
        statuses = [
            (await call("POST", MODEL, {"input": {}})).status for _ in range(20)
        ]
        known = call.sandbox.runs()
    assert 3 < len(known) < 17
    assert len(known) == statuses.count(201)
    assert [told.number for told in known] == list(range(1, len(known) + 1))


async def test_json_may_be_cut_off() -> None:
    async with calling() as call:
        answer = await call("GET", await one(call, api_truncated=1.0))
        with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
            _ = answer.json
    assert (answer.status, answer.headers["Content-Type"][:16]) == (
        200,
        "application/json",
    )


async def test_a_page_of_html_may_come_with_200() -> None:
    async with calling() as call:
        answer = await call("GET", await one(call, api_html=1.0))
    assert answer.status == 200
    assert "<!doctype html>" in answer.text


async def test_a_redirect_leads_to_no_run() -> None:
    async with calling() as call:
        answer = await call("GET", await one(call, api_redirect=1.0))
        where = await call("GET", answer.headers["Location"])
    assert (answer.status, where.status) == (302, 404)


async def test_the_connection_may_end_without_an_answer() -> None:
    async with calling() as call:
        path = await one(call, api_hangup=1.0)
        with pytest.raises(aiohttp.ClientError):
            await call("GET", path)


async def test_an_answer_may_never_end_and_holds_up_no_stop() -> None:
    async with calling() as call:
        path = await one(call, api_endless=1.0)
        async with call.session.get(call.sandbox.url + path, headers=AUTH) as response:
            assert response.status == 200
            body = await response.content.readexactly(1_000_000)
            assert body.lstrip().startswith(b"{")
            async with asyncio.timeout(5):
                await call.sandbox.stop()


async def test_another_run_or_one_of_another_organisation_may_come() -> None:
    async with calling() as call:
        path = await one(call, api_wrong_run=1.0)
        wrong = (await call("GET", path)).json
        call.sandbox.faults = Faults(api_foreign_run=1.0)
        foreign = (await call("GET", path)).json
        call.sandbox.faults = Faults()
        true = (await call("GET", path)).json
    assert wrong["id"] != true["id"] == foreign["id"]
    assert wrong["org_id"] == true["org_id"] != foreign["org_id"]
    assert {wrong["status_code"], foreign["status_code"]} == {"failed"}
    assert list(wrong) == list(foreign) == list(true)


async def test_only_reads_of_one_run_can_give_another() -> None:
    async with calling() as call:
        await one(call, api_wrong_run=1.0)
        (item,) = (await call("GET", "/v1/runs")).json["items"]
        assert item["id"] == call.sandbox.runs()[0].id


async def test_a_slow_api_takes_its_time() -> None:
    loop = asyncio.get_running_loop()
    async with calling() as call:
        path = await one(call, api_slow_ms=60)
        begun = loop.time()
        await call("GET", path)
        assert loop.time() - begun >= 0.055


async def test_health_and_the_sandboxs_own_routes_are_spared() -> None:
    async with calling() as call:
        await one(call, api_5xx=1.0)
        for path in ("/v1/health", "/v1/readiness", "/sandbox/runs", "/openapi.json"):
            assert (await call("GET", path, headers={})).status == 200
        assert (await call("GET", "/v1/auth/me")).status >= 500
