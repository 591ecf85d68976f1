"""A database that goes away under a working relay: nothing acknowledged is lost, and nobody is blamed."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import aiohttp
import asyncpg
import pytest

from relay.app.service import stop_budget_s
from relay.settings import parse
from tests.acceptance.relays import Relay, Sink, callback, load, open_sink, run_id, sign
from tests.postgres.fixtures import Database

pytestmark = [
    pytest.mark.process,
    pytest.mark.postgres,
    pytest.mark.timeout(90, func_only=True),
]


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not holds():
            await asyncio.wait(
                [asyncio.get_running_loop().create_future()], timeout=0.02
            )


async def _answers(relay: Relay, number: int) -> tuple[int, str | None]:
    """Status and Retry-After of a callback."""
    body = callback(number)
    async with (
        aiohttp.ClientSession() as session,
        session.post(relay.url, data=body, headers=sign(body)) as answer,
    ):
        return answer.status, answer.headers.get("Retry-After")


async def _everything_is_delivered(
    relay: Relay, sink: Sink, acknowledged: set[int]
) -> None:
    wanted = {run_id(number) for number in acknowledged}
    await _until(lambda: wanted <= sink.runs())
    async with asyncio.timeout(30):
        while True:
            destinations = (await asyncio.to_thread(relay.ledger))["destinations"]
            assert isinstance(destinations, dict)
            if not any(line["pending"] for line in destinations.values()):
                break
    assert await asyncio.to_thread(relay.end) == 0
    assert {len(bodies) for bodies in sink.bodies().values()} == {1}


async def _disturb(relay: Relay, *blows: Callable[[], object]) -> set[int]:
    """Send callbacks while the database has its troubles; which were acknowledged."""
    acknowledged: set[int] = set()
    for turn, blow in enumerate(blows):
        start = turn * 10_000
        under_way = asyncio.Event()

        def heard(count: int, under_way: asyncio.Event = under_way) -> None:
            if count == 100:
                under_way.set()

        async with asyncio.TaskGroup() as tasks:
            loading = tasks.create_task(
                load(relay.url, range(start, start + 1500), heard=heard)
            )
            await under_way.wait()
            await asyncio.to_thread(blow)
        acknowledged |= loading.result()
        async with asyncio.timeout(20):
            while (await _answers(relay, start + 9000))[0] == 503:
                pass
        acknowledged.add(start + 9000)
    return acknowledged


async def test_under_load_servers_die_and_sessions_are_ended_and_nothing_is_lost(
    database: Database, tmp_path: Path
) -> None:
    server = database.server

    def die() -> None:
        server.kill()
        server.start()

    def restart() -> None:
        server.stop()
        server.start()

    def end_sessions() -> None:
        asyncio.run(_end_sessions(database))

    async with open_sink() as sink:
        relay = Relay(tmp_path / "relay", sink.port, store=database.url)
        relay.configure()
        await asyncio.to_thread(relay.start)
        blows = (die, end_sessions, restart, end_sessions)
        acknowledged = await _disturb(relay, *blows)
        await _everything_is_delivered(relay, sink, acknowledged)


async def _end_sessions(database: Database) -> None:
    admin = await asyncpg.connect(database.server.administrator_url("postgres"))
    try:
        for _ in range(20):
            await admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'runflow-relay'"
            )
    finally:
        await admin.close()


async def test_while_it_is_away_callbacks_come_again_and_readiness_says_so(
    database: Database, tmp_path: Path
) -> None:
    async with open_sink() as sink:
        relay = Relay(tmp_path / "relay", sink.port, store=database.url)
        relay.configure()
        await asyncio.to_thread(relay.start)
        await asyncio.to_thread(database.server.kill)
        for number in range(5):
            status, after = await _answers(relay, number)
            assert status == 503
            assert after is not None
            assert int(after) > 0
        assert not await asyncio.to_thread(relay._is_ready)
        await asyncio.to_thread(database.server.start)
        acknowledged: set[int] = set()
        async with asyncio.timeout(20):
            while len(acknowledged) < 5:
                acknowledged |= await load(relay.url, range(5))
        assert await asyncio.to_thread(relay._is_ready)
        await _everything_is_delivered(relay, sink, acknowledged)


async def test_a_stop_without_a_database_ends_in_time_and_the_next_start_delivers(
    database: Database, tmp_path: Path
) -> None:
    async with open_sink() as sink:
        relay = Relay(tmp_path / "relay", sink.port, store=database.url)
        relay.configure()
        await asyncio.to_thread(relay.start)
        loading = asyncio.gather(load(relay.url, range(3000)))
        await _until(lambda: len(sink.got) > 50)
        await asyncio.to_thread(database.server.kill)
        [acknowledged] = await loading
        began = time.monotonic()
        assert await asyncio.to_thread(relay.end) == 0
        settings = await asyncio.to_thread(
            parse, relay.config.read_text(), {}, file="relay.yaml"
        )
        assert time.monotonic() - began < stop_budget_s(settings)
        await asyncio.to_thread(database.server.start)
        await asyncio.to_thread(relay.start)
        await _everything_is_delivered(relay, sink, acknowledged)
