"""A signed question whether the relay is there: answered, and otherwise nothing."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import aiohttp
import msgspec
import pytest

from relay.app.service import Service
from relay.app.stores import read_ledger
from relay.core.ledger import SourceCounts
from relay.core.probe import is_proof, probe_body
from relay.core.signature import RunflowKey
from relay.settings import parse
from tests.acceptance.relays import SECRET, sign
from tests.app.relaying import CONFIG

NONCE = bytes(16)
KEY = RunflowKey(SECRET)


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    text = CONFIG.format(
        directory=tmp_path, store="sqlite:///relay.db", secret=SECRET, file="audit"
    ).replace("limits: {", "limits: {unverified_per_minute: 2, ")
    settings = await asyncio.to_thread(parse, text, {}, file="relay.yaml")
    async with Service(settings) as made:
        yield made


async def _post(
    service: Service, body: bytes, headers: Mapping[str, str]
) -> tuple[int, bytes]:
    url = f"http://127.0.0.1:{service.public.port}/callbacks/acme"
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, data=body, headers=headers) as answer,
    ):
        return answer.status, await answer.read()


async def _counts(service: Service) -> SourceCounts:
    # What a source's row says, or would say: it stands there from the first callback on.
    ledger = await read_ledger(service._settings)
    return ledger.sources.get("acme", SourceCounts())


async def test_it_is_answered_with_a_proof_and_leaves_no_trace_in_the_ledger(
    service: Service,
) -> None:
    body = probe_body(NONCE)
    status, text = await _post(service, body, sign(body))
    said = msgspec.json.decode(text)
    assert (status, said["result"], said["peer"]) == (200, "checked", "127.0.0.1")
    where = {"nonce": NONCE.hex(), "source": "acme", "channel": "callback"}
    assert is_proof(said["proof"], KEY, **where)
    assert await _counts(service) == SourceCounts()
    assert b'outcome="checked",source="acme"} 1.0' in service.metrics.exposition()


async def test_one_that_was_overheard_and_comes_again_gets_the_same_and_no_more(
    service: Service,
) -> None:
    body = probe_body(NONCE)
    answers = {await _post(service, body, sign(body)) for _ in range(3)}
    assert len(answers) == 1
    assert await _counts(service) == SourceCounts()


async def test_without_the_secret_it_is_refused_and_limited_like_everything_else(
    service: Service,
) -> None:
    body = probe_body(NONCE)
    unsigned: Mapping[str, str] = {}
    forged = sign(body, "whsec_somebody-elses")
    statuses = [
        (await _post(service, body, headers))[0]
        for headers in (unsigned, forged, unsigned, forged)
    ]
    assert statuses == [401, 401, 429, 429]
    # Nor does one that is signed make room for those that are not.
    assert (await _post(service, body, sign(body)))[0] == 200
    assert (await _post(service, body, unsigned))[0] == 429
    measured = service.metrics.exposition()
    assert b'outcome="refused",source="acme"} 2.0' in measured
    assert b'outcome="unsigned",source="acme"} 3.0' in measured


@pytest.mark.parametrize(
    "more",
    [b',"event":"run.completed","run_id":"r-1"}', b',"relay_check":{}}', b"}\n"],
)
async def test_a_body_that_says_more_is_a_callback_and_is_kept(
    service: Service, more: bytes
) -> None:
    body = probe_body(NONCE)[:-1] + more
    status, text = await _post(service, body, sign(body))
    assert (status, text) == (202, b'{"result":"accepted"}')
    assert (await _counts(service)).receipts == 1
