"""Replicas behind a real ingress, stopped and started one by one: no sender notices, and nothing is lost."""

import asyncio
import dataclasses
import io
import json
from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial
from pathlib import Path

import aiohttp
import pytest

from tests.acceptance.relays import callback, run_id, sign
from tests.postgres.fixtures import Database
from tests.rolling.chart import Rendered, render
from tests.rolling.load import loading
from tests.rolling.scene import Hearer, Scene, hearing, staging

pytestmark = [
    pytest.mark.process,
    pytest.mark.postgres,
    pytest.mark.timeout(300, func_only=True),
]

#: Ends a load whose test does not.
MOST = 100_000
MIB = 1024**2
#: A probe that comes round sooner than the chart's own: the test is shorter for it, by as much as the delay is.
OFTEN = {"periodSeconds": 1}


@pytest.fixture
async def hearer() -> AsyncIterator[Hearer]:
    async with hearing() as one:
        yield one


Make = Callable[..., Rendered]


@pytest.fixture
def make(database: Database, hearer: Hearer, tmp_path: Path) -> Make:
    return partial(
        render, database=database.url, sink_port=hearer.port, directory=tmp_path
    )


@pytest.mark.parametrize(
    "rounds,per_second,readiness",
    [(1, 20.0, OFTEN), pytest.param(6, 100.0, {}, marks=pytest.mark.long)],
    ids=["short", "long"],
)
async def test_replicas_are_replaced_one_by_one_under_load_and_no_callback_fails(
    rounds: int,
    per_second: float,
    readiness: Mapping[str, int],
    make: Make,
    hearer: Hearer,
    tmp_path: Path,
) -> None:
    rendered = make(readiness=readiness)
    async with staging(rendered, tmp_path) as scene:
        async with loading(scene.urls, per_second=per_second, most=MOST) as load:
            codes = [await scene.upgrade() for _ in range(rounds)]
        assert load.first_failures == []
        assert load.sent < MOST
        assert load.acknowledged == set(range(load.sent))
        assert {code for each in codes for code in each} == {0}
        large = await _send_large_ones(scene, load.sent)
        await hearer.until(load.acknowledged | large)
        await _nothing_is_lost(scene, hearer, load.sent + len(large))


async def _send_large_ones(scene: Scene, number: int) -> set[int]:
    """A signed callback of 5 MiB passes each ingress, and one over the limit does not; which were sent."""
    sent = set()
    async with aiohttp.ClientSession() as session:
        for url in scene.urls:
            assert await _status(session, url, number, mib=5) == 202
            sent.add(number)
            number += 1
            assert await _status(session, url, number, mib=6) == 413
    return sent


async def _status(
    session: aiohttp.ClientSession, url: str, number: int, *, mib: int
) -> int:
    body = callback(number, output=json.dumps("x" * mib * MIB))
    # A proxy that refuses closes at once: who asks first whether to send hears why.
    async with session.post(
        url, data=io.BytesIO(body), headers=sign(body), expect100=True
    ) as answer:
        return answer.status


async def _nothing_is_lost(scene: Scene, hearer: Hearer, sent: int) -> None:
    """Every run was heard of, each time with the same bytes, and the ledger says as much."""
    assert hearer.subjects == {run_id(number) for number in range(sent)}
    assert [n for n, bodies in hearer.bodies().items() if len(bodies) != 1] == []
    ledger = await scene.ledger()
    assert ledger["sources"]["acme"]["first"] == sent
    assert ledger["destinations"]["sink"]["delivered"] == sent
    told = await asyncio.to_thread(scene.haproxy.counts)
    for name, counts in told.items():
        assert counts["stot"] > 0, name
        assert (counts["wretr"], counts["wredis"]) == (0, 0), name


async def test_without_a_drain_delay_the_same_load_fails(
    make: Make, hearer: Hearer, tmp_path: Path
) -> None:
    """What the delay is for: the ingress learns of a stop from the probe alone, and that takes its time."""
    rendered = make(readiness=OFTEN)
    environ = {**rendered.relay.environ, "RELAY__PUBLIC__DRAIN_DELAY": "0s"}
    relay = dataclasses.replace(rendered.relay, environ=environ)
    hasty = dataclasses.replace(rendered, relay=relay)
    async with staging(hasty, tmp_path) as scene:
        [pod, *_] = scene.pods
        async with loading(scene.urls, per_second=20.0, most=MOST) as load:
            pod.terminate()
            await scene.endpoints.until(pod, ready=False)
        # Each ingress says in its own way that nobody was there.
        assert {what.split()[0] for what in load.failures} == {"502", "503"}
        await hearer.until(load.acknowledged)
        assert len(hearer.subjects) == len(load.acknowledged)
