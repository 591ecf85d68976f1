"""Neighbours: what one dead and one very slow destination cost a healthy one beside them.

Owns pairs of legs, interleaved: the same callbacks at the same pace, to a healthy destination alone, and to
it, one that nobody listens for and one that takes seconds for each answer. The figure is the p99 from the
callback's POST to the event's arrival at the healthy one, as a ratio. Every event must be there, every
delivery delivered, pending or dead, and the ledger balanced, or the pair is void.

``python -m bench.neighbours --events 5000 --rate 400``. Exit codes: 0 measured, 1 no pair counted, 2 it
cannot run here.
"""

import argparse
import asyncio
import hashlib
import hmac
import json
import os
import re
import socket
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

import aiohttp
import msgspec
import uvloop

from bench.child import ROOT, Child, relay_serve
from bench.load import SECRET
from bench.recount import ledger_faults

__all__ = ["main"]

SOURCE: Final = "acme"
#: Seconds that the slow destination takes for each answer.
SLOW_S: Final = 5.0
_DRAIN_S: Final = 60.0
_SUBJECT: Final = re.compile(rb'"subject":"([^"]+)"')
_LENGTH: Final = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_OK: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


class Leg(msgspec.Struct, frozen=True, kw_only=True):
    """One leg; times in milliseconds."""

    p50_ms: float
    p99_ms: float
    #: Deliveries of each destination by state: delivered, pending, dead.
    states: dict[str, tuple[int, int, int]]
    faults: list[str]


class Sink(asyncio.Protocol):
    """One connection of an endpoint that answers after ``wait_s``, and notes when each run's event came."""

    def __init__(self, arrived: dict[bytes, float], wait_s: float) -> None:
        self._arrived = arrived
        self._wait_s = wait_s
        self._buffer = b""
        self._transport: asyncio.WriteTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = transport  # type: ignore[assignment]  # uvloop's are none of asyncio's classes

    def data_received(self, data: bytes) -> None:
        """Answer every request that is now whole."""
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            length = _LENGTH.search(self._buffer, 0, end)
            size = end + 4 + (int(length[1]) if length else 0)
            if len(self._buffer) < size:
                return
            body, self._buffer = self._buffer[end:size], self._buffer[size:]
            subject = _SUBJECT.search(body)
            if subject:
                self._arrived.setdefault(subject[1], time.monotonic())
            if self._wait_s:
                loop = asyncio.get_running_loop()
                loop.call_later(self._wait_s, self._answer)
            else:
                self._answer()

    def _answer(self) -> None:
        if not self._transport.is_closing():
            self._transport.write(_OK)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print; gives the exit code."""
    options = _options(arguments)
    if (os.cpu_count() or 1) < 2:
        print("bench: two cores are needed", file=sys.stderr)
        return 2
    os.sched_setaffinity(0, {options.load_core})
    (ROOT / "bench" / "results").mkdir(exist_ok=True)
    ratios = []
    for number in range(options.pairs):
        alone, beside = (_leg(options, neighbours=n) for n in (False, True))
        ratio = beside.p99_ms / alone.p99_ms
        faults = [*alone.faults, *beside.faults]
        print(
            f"{number + 1}  alone p50 {alone.p50_ms:.1f} p99 {alone.p99_ms:.1f} ms"
            f"  beside p50 {beside.p50_ms:.1f} p99 {beside.p99_ms:.1f} ms"
            f"  {ratio:.2f}x  {_said(beside)}{''.join(f'  VOID: {f}' for f in faults)}",
            flush=True,
        )
        if not faults:
            ratios.append(ratio)
    if not ratios:
        return 1
    print(
        f"median of {len(ratios)}: the p99 beside a dead and a slow one is"
        f" {statistics.median(ratios):.2f}x the p99 alone (from {min(ratios):.2f}x"
        f" to {max(ratios):.2f}x)"
    )
    return 0


def _said(leg: Leg) -> str:
    return "  ".join(
        f"{name} {delivered}+{pending}+{dead}"
        for name, (delivered, pending, dead) in leg.states.items()
    )


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.neighbours", description=__doc__
    )
    parser.add_argument("--events", type=int, default=5000)
    parser.add_argument("--rate", type=int, default=400, help="callbacks a second")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--relay-core", type=int, default=0)
    parser.add_argument("--load-core", type=int, default=1)
    return parser.parse_args(arguments)


def _leg(options: argparse.Namespace, *, neighbours: bool) -> Leg:
    with tempfile.TemporaryDirectory(dir=ROOT / "bench" / "results") as name:
        return uvloop.run(_play(options, Path(name), neighbours=neighbours))


async def _play(options: argparse.Namespace, folder: Path, *, neighbours: bool) -> Leg:
    loop = asyncio.get_running_loop()
    arrived: dict[bytes, float] = {}
    healthy = await loop.create_server(lambda: Sink(arrived, 0.0), "127.0.0.1", 0)
    slow = await loop.create_server(lambda: Sink({}, SLOW_S), "127.0.0.1", 0)
    urls = {"healthy": _url(_port(healthy))}
    if neighbours:
        urls |= {"dead": _url(_nobody()), "slow": _url(_port(slow))}
    config = _configure(folder, urls)
    with relay_serve(
        config, core=options.relay_core, log=folder / "relay.log"
    ) as child:
        sent = await _post(child, options.events, options.rate)
        whole = await _all_there(arrived, options.events)
        code = await asyncio.to_thread(child.stop)
    healthy.close()
    slow.close()
    states = _states(folder / "relay.db")
    faults = [*ledger_faults(config), *_faults(states, options.events)]
    if not whole:
        faults.append(f"{len(arrived)} of {options.events} events came")
    if code:
        faults.append(f"relay serve ended with code {code}")
    times = sorted((arrived[run] - at) * 1000 for run, at in sent.items() if run in arrived)  # fmt: skip
    return Leg(
        p50_ms=times[len(times) // 2],
        p99_ms=times[len(times) * 99 // 100],
        states=states,
        faults=faults,
    )


async def _post(child: Child, events: int, rate: int) -> dict[bytes, float]:
    """Post so many callbacks, evenly; when each was begun."""
    loop = asyncio.get_running_loop()
    sent: dict[bytes, float] = {}
    begun = loop.time()
    url = f"http://127.0.0.1:{child.port}/callbacks/{SOURCE}"

    async def one(session: aiohttp.ClientSession, number: int) -> None:
        run = f"run_{number:06}"
        body = json.dumps(
            {
                "event": "run.completed",
                "run_id": run,
                "status": "succeeded",
                "completed_at": "2026-03-01T11:59:58Z",
                "output": {"images": [f"https://cdn.example.com/{run}.png"] * 4},
            }
        ).encode()
        signature = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        # Not the loop's time, which stands still while it turns.
        sent[run.encode()] = time.monotonic()
        async with session.post(
            url, data=body, headers={"Runflow-Signature": signature}
        ) as response:
            response.raise_for_status()

    connector = aiohttp.TCPConnector(limit=64)
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        asyncio.TaskGroup() as tasks,
    ):
        for number in range(events):
            await _until(begun + number / rate)
            tasks.create_task(one(session, number))
    return sent


async def _until(moment: float) -> None:
    loop = asyncio.get_running_loop()
    if moment > loop.time():
        with suppress(TimeoutError):
            async with asyncio.timeout_at(moment):
                await loop.create_future()


async def _all_there(arrived: dict[bytes, float], events: int) -> bool:
    loop = asyncio.get_running_loop()
    end = loop.time() + _DRAIN_S
    while len(arrived) < events and loop.time() < end:
        await _until(loop.time() + 0.05)
    return len(arrived) == events


def _configure(folder: Path, urls: dict[str, str]) -> Path:
    settings = {
        "data_dir": str(folder),
        "public": {"listen": "127.0.0.1:0"},
        "operator": {"listen": "127.0.0.1:0"},
        "sources": [{"name": SOURCE, "secret": SECRET}],
        "destinations": [
            {"name": name, "kind": "http", "url": url, "private": True, "secret": _KEY}
            for name, url in urls.items()
        ],
    }
    path = folder / "relay.yaml"
    path.write_text(json.dumps(settings, indent=2), encoding="utf-8")
    return path


_KEY: Final = "whsec_b25seS1mb3ItdGhlLWJlbmNoLW9ubHktZm9yLXRoZS1iZW5jaA=="


def _states(path: Path) -> dict[str, tuple[int, int, int]]:
    """Of each destination: delivered, pending, dead."""
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute(
            "SELECT t.name, SUM(d.state = 1), SUM(d.state = 0), SUM(d.state = 3)"
            " FROM destinations AS t JOIN deliveries AS d ON d.destination = t.number"
            " GROUP BY t.name ORDER BY t.number"
        ).fetchall()
    return {name: (one, two, three) for name, one, two, three in rows}


def _faults(states: dict[str, tuple[int, int, int]], events: int) -> list[str]:
    faults = [
        f"{name}: {sum(found)} deliveries of {events} events"
        for name, found in states.items()
        if sum(found) != events
    ]
    if states.get("healthy", (0, 0, 0))[0] != events:
        faults.append(f"the healthy one: {states.get('healthy')} are settled")
    return faults


def _port(server: asyncio.Server) -> int:
    port: int = server.sockets[0].getsockname()[1]
    return port


def _nobody() -> int:
    """A port on which nobody listens."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _url(port: int) -> str:
    return f"http://127.0.0.1:{port}/hooks"


if __name__ == "__main__":
    sys.exit(main())
