"""Which key signed, which way in, and what is answered when the fault is ours."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from relay.app.service import Service
from relay.app.system import System, SystemClock, SystemDice
from relay.record.sqlite.ledger import read_ledger_of
from relay.settings import parse
from tests.acceptance.relays import callback, sign
from tests.fakes import ScriptedCheckpoints
from tests.receive.conftest import Door, read_answer

FIRST, SECOND, COMING, HOOK = (
    f"whsec_{name}-secret" for name in ("first", "second", "coming", "hook")
)
CONFIG = f"""
data_dir: {{directory}}
public: {{{{listen: "127.0.0.1:0", stop_timeout: 2s}}}}
operator: {{{{listen: "127.0.0.1:0"}}}}
limits: {{limits}}
sources:
  - name: acme
    secrets:
      - {{{{id: first, secret: "{FIRST}", not_after: 2999-01-01T00:00:00Z}}}}
      - {{{{id: second, secret: "{SECOND}"}}}}
      - {{{{id: coming, secret: "{COMING}", not_before: 2999-01-01T00:00:00Z}}}}
    channels:
      - {{{{name: hook, scheme: runflow, secret: "{HOOK}"}}}}
destinations:
  - {{{{name: audit, kind: file, path: events.jsonl}}}}
"""


@asynccontextmanager
async def relay(
    directory: Path,
    limits: str = "{min_free_disk: 1MiB}",
    *,
    checkpoints: ScriptedCheckpoints | None = None,
) -> AsyncIterator[Door]:
    text = CONFIG.format(directory=directory, limits=limits)
    settings = await asyncio.to_thread(parse, text, {}, file="relay.yaml")
    system = System(
        clock=SystemClock(),
        dice=SystemDice(),
        checkpoints=checkpoints or ScriptedCheckpoints(),
    )
    async with Service(settings, system=system) as service:
        yield Door(service, directory)


async def test_while_keys_are_changed_either_may_have_signed(tmp_path: Path) -> None:
    async with relay(tmp_path) as door:
        for number, secret in enumerate((FIRST, SECOND)):
            body = callback(number)
            assert (await door.post(body, sign(body, secret))).status == 202
        named = await asyncio.to_thread(door.rows, "SELECT secret FROM receipts")
    assert named == [("first",), ("second",)]


@pytest.mark.parametrize(
    "secret,path",
    [
        (COMING, "/callbacks/acme"),
        (HOOK, "/callbacks/acme"),
        (FIRST, "/callbacks/acme/hook"),
    ],
    ids=["not yet", "another channel's", "the callback's at a channel"],
)
async def test_a_key_counts_in_its_time_and_at_its_place_only(
    secret: str, path: str, tmp_path: Path
) -> None:
    async with relay(tmp_path) as door:
        body = callback(1)
        assert (await door.post(body, sign(body, secret), path=path)).status == 401
        assert await door.receipts() == 0


async def test_one_run_through_two_channels_is_one_event(tmp_path: Path) -> None:
    body = callback(1)
    async with relay(tmp_path) as door:
        hook = await door.post(body, sign(body, HOOK), path="/callbacks/acme/hook")
        own = await door.post(body, sign(body, FIRST))
        events = await asyncio.to_thread(door.rows, "SELECT COUNT(*) FROM events")
    assert (hook.status, own.status, events) == (202, 200, [(1,)])


async def test_bodies_beyond_the_room_for_all_are_told_to_come_back(
    tmp_path: Path,
) -> None:
    body = callback(1)
    limits = "{min_free_disk: 1MiB, body_bytes: 1KiB, in_flight_bytes: 1KiB}"
    async with relay(tmp_path, limits) as door:
        signature = sign(body.ljust(1000), FIRST)["Runflow-Signature"]
        reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
        writer.write(
            b"POST /callbacks/acme HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
            b"Runflow-Signature: %b\r\nContent-Length: 1000\r\n\r\n"
            % signature.encode()
        )
        await reader.readuntil(b"100 Continue\r\n\r\n")
        idle = await door.post(body, sign(body, FIRST))
        writer.write(body.ljust(900))
        # What is under way comes first: whoever connects later is read later.
        crowded = await door.post(body, sign(body, FIRST))
        writer.write(b" " * 100)
        held = await read_answer(reader)
        writer.close()
        after = await door.post(body, sign(body, FIRST))
    assert held is not None
    # What is only announced keeps nobody out.
    assert (idle.status, crowded.status) == (202, 503)
    assert (held.status, after.status) == (200, 200)
    assert int(crowded.headers["retry-after"]) >= 5


async def test_a_full_store_takes_nothing_in_and_says_so(tmp_path: Path) -> None:
    async with relay(tmp_path, "{min_free_disk: 1024TiB}") as door:
        answer = await door.post(callback(1), sign(callback(1), FIRST))
        assert (answer.status, answer.body) == (503, b'{"result":"unavailable"}')
        assert list(door.service.reasons) == ["store_full"]
        assert await door.receipts() == 0


async def test_a_commit_that_takes_too_long_is_503_and_may_still_have_happened(
    tmp_path: Path,
) -> None:
    """Accepted does not imply a 2xx: the sender comes again, and nothing is counted twice."""
    checkpoints, go = ScriptedCheckpoints(), threading.Event()
    limits = "{min_free_disk: 1MiB, ack_timeout: 100ms}"
    body = callback(1)

    def stand() -> None:
        go.wait(10)

    async with relay(tmp_path, limits, checkpoints=checkpoints) as door:
        checkpoints.at("before-commit", stand)
        slow = await door.post(body, sign(body, FIRST))
        checkpoints.at("before-commit", None)
        go.set()
    # A slow disk is slower than that: another relay has more patience.
    async with relay(tmp_path) as door:
        again = await door.post(body, sign(body, FIRST))
    assert slow.status == 503
    # It may have been under way, or have waited behind the look of a courier.
    assert again.status in (200, 202)
    ledger = await asyncio.to_thread(read_ledger_of, tmp_path / "relay.db")
    assert ledger.balance().faults == ()
    counts = ledger.sources["acme"]
    assert (counts.first, counts.duplicate) == (1, again.status == 200)
