"""Per run, events arrive in order: over HTTP and Kafka, whatever fails, is tried again, or dies (P4)."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from relay.core.ports import Sender
from tests.deliver.endpoint import OK, Connection, Endpoint, Request
from tests.deliver.histories import Doubtful, in_order, play
from tests.deliver.kafka_sending import Senders, options_for
from tests.deliver.posting import said, sender_to
from tests.kafka_fixtures import Kafka, read_topic


class Sink:
    """An HTTP endpoint that fails as a seed says, and remembers what it was sent."""

    def __init__(self, dice: Random) -> None:
        #: Run and revision of all that has come, and of what was not refused.
        self.arrivals: list[tuple[str, int]] = []
        self.accepted: list[tuple[str, int]] = []
        self.is_calm = False
        self._dice = dice

    def calm(self) -> None:
        self.is_calm = True

    async def answer(self, request: Request, connection: Connection) -> None:
        event = json.loads(request.body)
        self.arrivals.append((event["subject"], event["revision"]))
        came = self.arrivals[-1]
        fate = "ok" if self.is_calm else self._dice.choice(("ok", "ok", "no", "bad", "reset"))  # fmt: skip
        if fate == "ok":
            self.accepted.append(came)
        if fate == "reset":
            connection.reset()
            return
        # Answers of many at once come in any order.
        for _ in range(self._dice.randrange(4)):
            await asyncio.wait([asyncio.get_running_loop().create_future()], timeout=0)
        await connection.say({"ok": OK, "no": said(400), "bad": said(503)}[fate])


@asynccontextmanager
async def an_endpoint(seed: int) -> AsyncIterator[tuple[Sink, Endpoint]]:
    sink = Sink(Random(~seed))
    async with Endpoint(sink.answer) as endpoint:
        yield sink, endpoint


async def _over_http(folder: Path, seed: int, *, ordered: bool = True) -> Sink:
    async with an_endpoint(seed) as (sink, endpoint):
        await play(
            folder,
            seed,
            lambda: sender_to(endpoint.url, concurrency=64),
            calm=sink.calm,
            ordered=ordered,
        )
    return sink


@pytest.mark.timeout(120)
@pytest.mark.usefixtures("said")
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 1 << 30))
def test_an_endpoint_has_each_run_s_events_in_order(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    """With 64 tries at once, refusals, resets, retries and restarts."""
    sink = asyncio.run(_over_http(tmp_path_factory.mktemp("http"), seed))
    assert in_order(sink.arrivals)
    assert in_order(sink.accepted)


@pytest.mark.usefixtures("said")
def test_without_order_the_same_histories_have_events_out_of_order(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """So the property above is one that can be lost."""
    sinks = (
        asyncio.run(_over_http(tmp_path_factory.mktemp("loose"), seed, ordered=False))
        for seed in range(30)
    )
    assert any(not in_order(sink.accepted) for sink in sinks)


@pytest.mark.kafka
@pytest.mark.timeout(90)
@pytest.mark.usefixtures("said")
async def test_a_topic_has_each_run_s_events_in_order(
    tmp_path: Path, kafka: Kafka, topic: str, senders: Senders
) -> None:
    """With acknowledgements that are lost, retries and restarts."""
    dice = Random(1)
    made: list[Doubtful] = []

    def sender() -> Sender:
        made.append(Doubtful(senders(options_for(kafka, topic)), dice))
        return made[-1]

    def calm() -> None:
        made[-1].is_calm = True

    await play(tmp_path, 1, sender, calm=calm, steps=120, kills=False)
    records = await read_topic(kafka, topic)
    came = [
        ((record.key or b"").decode(), int(dict(record.headers)["ce_revision"]))
        for record in records
    ]
    assert len(came) > len(set(came)) > 20
    assert in_order(came)
