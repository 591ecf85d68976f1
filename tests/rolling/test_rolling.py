"""Replicas behind a real ingress, stopped and started one by one: no sender notices, and nothing is lost."""

import asyncio
import dataclasses
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from ruamel.yaml import YAML

from tests.acceptance.relays import callback, run_id, sign
from tests.postgres.fixtures import Database
from tests.rolling.load import loading
from tests.rolling.manifests import PodPlan, plan_pod
from tests.rolling.proxies import Limits
from tests.rolling.scene import Hearer, Scene, hearing, staging

pytestmark = [
    pytest.mark.process,
    pytest.mark.postgres,
    pytest.mark.timeout(120, func_only=True),
]

PER_SECOND = 30.0
#: Ends a load whose test does not.
MOST = 20_000
MIB = 1024**2
LIMITS = Limits(body_bytes=6 * MIB)


@pytest.fixture
async def hearer() -> AsyncIterator[Hearer]:
    async with hearing() as one:
        yield one


@pytest.fixture
def plan(database: Database, hearer: Hearer) -> PodPlan:
    text = (Path(__file__).parent / "by_hand.yaml").read_text()
    text = text.replace("SINK_PORT", str(hearer.port)).replace(
        "DATABASE_URL", database.url
    )
    return plan_pod(list(YAML(typ="safe").load_all(text)), entrypoint=["relay"])


async def test_replicas_are_replaced_one_by_one_under_load_and_no_callback_fails(
    plan: PodPlan, hearer: Hearer, tmp_path: Path
) -> None:
    async with staging(plan, LIMITS, tmp_path) as scene:
        async with loading(scene.urls, per_second=PER_SECOND, most=MOST) as load:
            codes = [await scene.roll(pod) for pod in scene.pods]
        assert load.first_failures == []
        assert load.acknowledged == set(range(load.sent))
        assert codes == [0] * plan.replicas
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
    plan: PodPlan, hearer: Hearer, tmp_path: Path
) -> None:
    """What the delay is for: the ingress learns of a stop from the probe alone, and that takes its time."""
    environ = {**plan.environ, "RELAY__PUBLIC__DRAIN_DELAY": "0s"}
    hasty = dataclasses.replace(plan, environ=environ)
    async with staging(hasty, LIMITS, tmp_path) as scene:
        [pod, *_] = scene.pods
        async with loading(scene.urls, per_second=PER_SECOND, most=MOST) as load:
            pod.terminate()
            await scene.endpoints.until(pod, ready=False)
        # Each ingress says in its own way that nobody was there.
        assert {what.split()[0] for what in load.failures} == {"502", "503"}
        await hearer.until(load.acknowledged)
        assert len(hearer.subjects) == len(load.acknowledged)
