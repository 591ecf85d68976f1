"""The sandbox as a whole: starting, stopping, and what it says to people."""

import asyncio
import json
import re
from datetime import UTC, datetime

import aiohttp
import pytest

from relay.sandbox import Sandbox, run

MODEL = "/v1/models/runflow/tag-removal/runs"
NOON = datetime(2026, 5, 6, 12, 0, tzinfo=UTC)


async def test_a_stopped_sandbox_frees_its_port_and_stops_twice() -> None:
    first = Sandbox()
    await first.start()
    port = int(first.url.rpartition(":")[2])
    await first.stop()
    await first.stop()
    async with Sandbox(port=port) as second:
        assert second.url == first.url


async def test_a_request_that_is_half_sent_does_not_hold_up_a_stop() -> None:
    made = Sandbox()
    await made.start()
    port = int(made.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"POST {MODEL} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {made.token}\r\n"
    writer.write(f"{head}Expect: 100-continue\r\nContent-Length: 9\r\n\r\n".encode())
    await reader.readuntil(b"100 Continue")
    async with asyncio.timeout(3.0):
        await made.stop()
    writer.close()
    await writer.wait_closed()


async def test_a_port_that_is_taken_is_an_oserror_and_leaves_nothing_open() -> None:
    async with Sandbox() as first:
        second = Sandbox(port=int(first.url.rpartition(":")[2]))
        with pytest.raises(OSError, match="address"):
            await second.start()
        await second.stop()


async def test_before_the_start_there_is_no_url_and_a_stop_is_nothing() -> None:
    sandbox = Sandbox()
    await sandbox.stop()
    with pytest.raises(RuntimeError):
        _ = sandbox.url


async def test_a_sandbox_is_started_once() -> None:
    async with Sandbox() as sandbox:
        with pytest.raises(RuntimeError):
            await sandbox.start()


@pytest.mark.parametrize("run_seconds", [(-1.0, 0.0), (2.0, 1.0)], ids=str)
def test_a_range_that_is_none_is_refused(run_seconds: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="run_seconds"):
        Sandbox(run_seconds=run_seconds)


def test_no_room_for_callbacks_is_refused() -> None:
    with pytest.raises(ValueError, match="concurrency"):
        Sandbox(concurrency=0)


def test_an_empty_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="secret"):
        Sandbox(secret="")


async def test_run_says_how_to_use_it_and_ends_when_told() -> None:
    sandbox = Sandbox(secret="whsec_abc", token="rf_live_x")
    lines: list[str] = []
    announced = asyncio.Event()

    def announce(line: str) -> None:
        lines.append(line)
        announced.set()

    async with asyncio.TaskGroup() as group:
        group.create_task(run(sandbox, announce=announce))
        await announced.wait()
        text = "\n".join(lines)
        sandbox.over.set()
    assert sandbox.url in text
    assert "whsec_abc" in text
    assert "Authorization: Bearer rf_live_x" in text
    body = re.search(r"-d '(.*)'", text)
    assert body
    assert {"input", "client_ref", "callback_url"} == set(json.loads(body[1]))


async def test_a_defect_ends_the_sandbox_and_is_raised_by_its_stop() -> None:
    moments = [NOON]  # one for the creation of the run, none for its start

    sandbox = Sandbox(run_seconds=(0.0, 0.0), now=moments.pop)
    await sandbox.start()
    async with aiohttp.ClientSession() as session:
        await session.post(
            sandbox.url + MODEL,
            json={"input": {}},
            headers={"Authorization": f"Bearer {sandbox.token}"},
        )
        await sandbox.over.wait()
    await sandbox.settled()
    with pytest.raises(ExceptionGroup) as raised:
        await sandbox.stop()
    assert raised.group_contains(IndexError)
