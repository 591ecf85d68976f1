"""Killed at any point, the relay loses nothing that it acknowledged, and repeats under the same id."""

import asyncio
import json
import random
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.acceptance.relays import Relay, Sink, load, open_sink, run_id
from tests.postgres.fixtures import Database

pytestmark = [pytest.mark.process, pytest.mark.timeout(90, func_only=True)]

POINTS = ["after-verify", "before-commit", "after-commit", "after-send"]
RUNS = 300


async def until(holds: Callable[[], bool], *, within_s: float = 20.0) -> None:
    """Wait until something holds; fails when it does not come to hold in time."""
    async with asyncio.timeout(within_s):
        turn = asyncio.Event()
        while not holds():
            try:
                async with asyncio.timeout(0.02):
                    await turn.wait()
            except TimeoutError:
                continue


def kill_after(relay: Relay, count: int, *, delay_s: float) -> Callable[[int], None]:
    """What a load tells how far it is: so long after so many acknowledgements the relay is killed."""
    assert relay.process is not None
    process = relay.process

    def heard(acknowledged: int) -> None:
        if acknowledged == count:
            asyncio.get_running_loop().call_later(delay_s, process.kill)

    return heard


def missing(acknowledged: set[int], sink: Sink, relay: Relay) -> set[str]:
    """Runs that were acknowledged and are not at both destinations."""
    wanted = {run_id(number) for number in acknowledged}
    in_file = {str(event["subject"]) for event in relay.file_events()}
    return (wanted - sink.runs()) | (wanted - in_file)


async def check(acknowledged: set[int], sink: Sink, relay: Relay) -> None:
    """Everything acknowledged is everywhere; repeats carry the same id and bytes; the ledger balances."""
    path = relay.directory / "events.jsonl"
    await until(path.exists)
    await until(lambda: not missing(acknowledged, sink, relay))
    # A commit may end after its sender has gone: what it accepted is delivered as well.
    async with asyncio.timeout(20):
        while any(await asyncio.to_thread(pending, relay)):
            pass
    assert await asyncio.to_thread(relay.end) == 0
    assert [n for n, bodies in sink.bodies().items() if len(bodies) != 1] == []
    assert len({json.loads(body)["subject"] for _, body in sink.got}) == len(
        sink.bodies()
    )
    assert await asyncio.to_thread(pending, relay) == [0, 0]


def pending(relay: Relay) -> list[int]:
    """What is still due, by destination; the ledger must balance whenever it is looked at."""
    destinations = relay.ledger()["destinations"]
    assert isinstance(destinations, dict)
    return [line["pending"] for line in destinations.values()]


@pytest.mark.parametrize("point", POINTS)
async def test_what_was_acknowledged_survives_a_kill_at(
    point: str, store: str, tmp_path: Path
) -> None:
    async with open_sink() as sink:
        relay = Relay(tmp_path / "relay", sink.port, store=store)
        relay.configure()
        # Commits are groups: the third one is under way while others wait.
        count = "3" if "commit" in point else "120"
        await asyncio.to_thread(relay.start, point, count)
        first = await load(relay.url, range(RUNS))
        assert relay.process is not None
        assert await asyncio.to_thread(relay.process.wait, 20) == -9
        await asyncio.to_thread(relay.start)
        again = await load(relay.url, [n for n in range(RUNS) if n not in first])
        assert len(first | again) == RUNS
        await check(first | again, sink, relay)


async def test_what_was_acknowledged_survives_kills_at_random_moments(
    store: str, tmp_path: Path
) -> None:
    dice = random.Random(11)
    acknowledged: set[int] = set()
    async with open_sink() as sink:
        relay = Relay(tmp_path / "relay", sink.port, store=store)
        relay.configure()
        for start in range(0, 4000, 1000):
            await asyncio.to_thread(relay.start)
            kill = kill_after(
                relay, dice.randrange(1, 500), delay_s=dice.uniform(0, 0.01)
            )
            acknowledged |= await load(
                relay.url, range(start, start + 1000), heard=kill
            )
            assert relay.process is not None
            assert await asyncio.to_thread(relay.process.wait, 20) == -9
        await asyncio.to_thread(relay.start)
        await check(acknowledged, sink, relay)


@pytest.mark.postgres
async def test_what_a_killed_relay_held_another_one_delivers(
    database: Database, tmp_path: Path
) -> None:
    async with open_sink() as sink:
        relays = [
            Relay(tmp_path / name, sink.port, store=database.url) for name in "ab"
        ]
        for relay in relays:
            relay.configure()
            # A file belongs to one process.
            text = relay.config.read_text().splitlines(keepends=True)
            relay.config.write_text(
                "".join(line for line in text if "audit" not in line)
            )
            await asyncio.to_thread(relay.start)
        one, other = relays
        kill = kill_after(one, 200, delay_s=0.0)
        first, second = await asyncio.gather(
            load(one.url, range(4000), heard=kill),
            load(other.url, range(4000, 4400)),
        )
        assert one.process is not None
        assert await asyncio.to_thread(one.process.wait, 20) == -9
        wanted = {run_id(number) for number in first | second}
        assert 200 <= len(first) < 4000
        assert len(second) == 400
        await until(lambda: wanted <= sink.runs())
        assert [n for n, bodies in sink.bodies().items() if len(bodies) != 1] == []
        async with asyncio.timeout(20):
            while any(await asyncio.to_thread(pending, other)):
                pass
        assert await asyncio.to_thread(other.end) == 0


async def test_a_callback_missing_at_a_sink_would_be_noticed(tmp_path: Path) -> None:
    async with open_sink() as sink:
        relay = Relay(tmp_path / "relay", sink.port)
        relay.configure()
        await asyncio.to_thread(relay.start)
        acknowledged = await load(relay.url, range(5))
        await until(lambda: len(sink.got) == 5)
        await until((relay.directory / "events.jsonl").exists)
        await until(lambda: not missing(acknowledged, sink, relay))
        stolen = json.loads(sink.got.pop()[1])["subject"]
        assert missing(acknowledged, sink, relay) == {stolen}
        await asyncio.to_thread(relay.end)


async def test_a_second_relay_on_the_same_store_is_refused(tmp_path: Path) -> None:
    async with open_sink() as sink:
        relay = Relay(tmp_path / "relay", sink.port)
        relay.configure()
        await asyncio.to_thread(relay.start)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "relay", "serve", "--config", str(relay.config),
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        _, said = await process.communicate()
        await asyncio.to_thread(relay.end)
        assert process.returncode == 2
        assert "another relay is serving this store" in said.decode()
