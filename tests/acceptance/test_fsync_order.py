"""No 2xx before the callback is on disk, as the operating system saw it."""

import asyncio
from pathlib import Path

import pytest

from tests.acceptance.relays import Relay, callback, run_id, sign
from tests.acceptance.syscalls import STRACE, premature_answers, read_log

pytestmark = [pytest.mark.process, pytest.mark.timeout(90, func_only=True)]

CONNECTIONS = 6
EACH = 8


async def _talk(relay: Relay, numbers: range) -> tuple[int, list[str]]:
    """Send callbacks over one connection, each after the answer to the one before."""
    reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
    port: int = writer.get_extra_info("sockname")[1]
    for number in numbers:
        body = callback(number)
        head = "".join(f"{name}: {value}\r\n" for name, value in sign(body).items())
        request = f"POST /callbacks/acme HTTP/1.1\r\nHost: x\r\n{head}"
        request += f"Content-Length: {len(body)}\r\n\r\n"
        writer.write(request.encode() + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 202")
        await reader.readexactly(
            int(answer.split(b"Content-Length: ")[1].split(b"\r")[0])
        )
    writer.close()
    await writer.wait_closed()
    return port, [run_id(number) for number in numbers]


async def _premature(directory: Path, *arguments: str) -> list[tuple[str, str]]:
    seen = directory / "strace.log"
    relay = Relay(
        directory / "relay", sink_port=9, wrapper=(*STRACE, "-o", str(seen), "--")
    )
    relay.configure()
    await asyncio.to_thread(relay.start, *arguments)
    spans = [range(n * EACH, (n + 1) * EACH) for n in range(CONNECTIONS)]
    sent = await asyncio.gather(*(_talk(relay, span) for span in spans))
    await asyncio.to_thread(relay.end)
    lines = (await asyncio.to_thread(seen.read_text, errors="replace")).splitlines()
    return list(premature_answers(read_log(lines), dict(sent)))


async def test_every_2xx_comes_after_a_sync_that_began_after_its_commit(
    tmp_path: Path,
) -> None:
    assert await _premature(tmp_path / "full") == []


async def test_with_less_than_full_synchronous_the_same_check_fails(
    tmp_path: Path,
) -> None:
    found = await _premature(tmp_path / "normal", "--synchronous=NORMAL")
    assert [run for run, why in found if why == "answered before its sync"]
