"""Replaying beside receiving: what 10,000 dead letters sent again cost the events that come meanwhile.

Owns pairs of legs, interleaved: the same callbacks at a steady pace on a relay that has 10,000 dead letters
and leaves them alone, and on one that `relay replay` has send them again, with its bar drawn. The figure is
the p99 of the time from the moment a callback was due to be sent to its event's arrival at the endpoint, live
events alone; each leg is void unless every event arrived, every letter is delivered once, and the ledger
balances.

``python -m bench.replay --dead 10000 --rate 500 --live 200``. Exit codes: 0 measured, 1 no pair counted or
the goal was missed, 2 it cannot run here.
"""

import argparse
import asyncio
import hashlib
import hmac
import json
import os
import pty
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import aiohttp
import msgspec
import uvloop

from bench.child import ROOT, relay_serve
from bench.legs import SOURCE
from bench.load import SECRET
from bench.recount import ledger_faults
from bench.shelf import Shelf, open_shelves
from bench.sink import Arrivals, Connection
from relay.app.handovers import Handovers
from relay.app.stores import build_store
from relay.app.system import System, ThreadExecutor
from relay.core.courier import settlement
from relay.core.delivery import Policy, Refused
from relay.core.identity import Kind, Outcome, RunKey, event_id_text
from relay.core.ports import Wish
from relay.core.receipt import Receipt
from relay.core.route import Router
from relay.deliver.dispatch import Dispatch
from relay.observe.metrics import PrometheusMetrics
from relay.settings import Settings, parse

__all__ = ["main"]

_GROUP: Final = 200
_WARM_S: Final = 2.0
_DRAIN_S: Final = 30.0
_KEY: Final = "whsec_YmVuY2gtcmVwbGF5LWtleS0zMi1ieXRlcy1sb25n"
#: What the goal allows: live p99 with a replay, as a multiple of live p99 without.
GOAL: Final = 2.0


class Leg(msgspec.Struct, frozen=True, kw_only=True):
    """One relay, with a replay or without. Milliseconds."""

    p50: float
    p99: float
    live: int
    #: Letters that arrived while live events were measured, and the seconds that took.
    replayed: int
    took_s: float
    faults: list[str]


class _Times(Arrivals):
    """When each id came first, by the loop's clock."""

    def __init__(self) -> None:
        super().__init__()
        self.at: dict[str, float] = {}

    def add(self, identifier: bytes) -> None:
        """See `Arrivals`."""
        self.at.setdefault(identifier.decode(), time.monotonic())
        super().add(identifier)


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
        alone, beside = _leg(options, replays=False), _leg(options, replays=True)
        faults = [*alone.faults, *beside.faults]
        print(
            f"{number + 1}  live p50/p99 alone {alone.p50:.1f}/{alone.p99:.1f} ms"
            f"  beside {beside.p50:.1f}/{beside.p99:.1f} ms  {beside.p99 / alone.p99:.2f}x"
            f"  {beside.live:,} live, {beside.replayed:,} sent again in {beside.took_s:.1f} s"
            f"{''.join(f'  VOID: {fault}' for fault in faults)}",
            flush=True,
        )
        if not faults:
            ratios.append(beside.p99 / alone.p99)
    if not ratios:
        return 1
    ratio = statistics.median(ratios)
    print(f"median of {len(ratios)}: {ratio:.2f}x (goal: within {GOAL:g}x)")
    return 0 if ratio <= GOAL else 1


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.replay", description=__doc__)
    parser.add_argument("--dead", type=int, default=10_000)
    parser.add_argument("--rate", type=int, default=500, help="of the replay, a second")
    parser.add_argument("--live", type=int, default=200, help="callbacks a second")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--relay-core", type=int, default=0)
    parser.add_argument("--load-core", type=int, default=1)
    parser.add_argument("--store", choices=["sqlite", "postgres"], default="sqlite")
    return parser.parse_args(arguments)


def _leg(options: argparse.Namespace, *, replays: bool) -> Leg:
    with (
        tempfile.TemporaryDirectory(dir=ROOT / "bench" / "results") as name,
        open_shelves(options.store) as shelves,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        folder = Path(name)
        shelf = shelves(folder)
        return runner.run(_measure(options, folder, shelf, replays=replays))


async def _measure(
    options: argparse.Namespace, folder: Path, shelf: Shelf, *, replays: bool
) -> Leg:
    loop = asyncio.get_running_loop()
    times = _Times()
    server = await loop.create_server(lambda: Connection(times), "127.0.0.1", 0)
    config = folder / "relay.yaml"
    settings = _settings(folder, shelf, server.sockets[0].getsockname()[1])
    await _bury(settings, options.dead)
    serving = relay_serve(config, core=options.relay_core, log=folder / "relay.log")
    child = await asyncio.to_thread(serving.__enter__)
    try:
        seconds = options.dead / options.rate + 1
        live = loop.create_task(
            _live(child.port, options.live, _WARM_S + seconds, first=options.dead)
        )
        await asyncio.wait([live], timeout=_WARM_S)
        begun = time.monotonic()
        bar = await asyncio.to_thread(_replay, config, options) if replays else b""
        took_s = time.monotonic() - begun
        due = await live
        await _arrived(times, due)
    finally:
        await asyncio.to_thread(serving.__exit__, None, None, None)
        server.close()
    waits = sorted(
        1000 * (times.at[name] - at)
        for name, at in due.items()
        if name in times.at and at >= begun
    )
    faults = _faults(config, shelf, options, due, times, replays=replays, bar=bar)
    return Leg(
        p50=waits[len(waits) // 2],
        p99=waits[int(len(waits) * 0.99)],
        live=len(waits),
        replayed=len(times.at.keys() - due.keys()),
        took_s=took_s,
        faults=faults,
    )


def _settings(folder: Path, shelf: Shelf, port: int) -> Settings:
    destination = {
        "name": "measured",
        "kind": "http",
        "url": f"http://127.0.0.1:{port}/events",
        "private": True,
        "secret": _KEY,
    }
    settings = {
        "data_dir": str(folder),
        "store": shelf.url,
        "public": {"listen": "127.0.0.1:0"},
        "operator": {"listen": "127.0.0.1:0"},
        "sources": [{"name": SOURCE, "secret": SECRET}],
        "destinations": [destination],
    }
    text = json.dumps(settings, indent=2)
    (folder / "relay.yaml").write_text(text, encoding="utf-8")
    return parse(text, {}, file="bench")


# --- dead letters ---------------------------------------------------------------------------------


async def _bury(settings: Settings, count: int) -> None:
    """So many dead letters, made as the relay makes them."""
    system = System.real()
    store = build_store(
        settings,
        system=system,
        metrics=PrometheusMetrics(),
        handover=Handovers(Dispatch()),
        executor=ThreadExecutor,
        synchronous="OFF",
    )
    await store.open([("measured", "http")])
    committing = asyncio.get_running_loop().create_task(store.run())
    now = system.clock.now_us()
    for start in range(0, count, _GROUP):
        numbers = range(start, min(start + _GROUP, count))
        await store.record([_receipt(number, now) for number in numbers])
        parcels = await store.claim(
            "measured", Wish(first=_GROUP, size=1 << 40, now=now)
        )
        refused = Refused(reason="status_410", status=410)
        await store.settle(
            [
                settlement(
                    parcel, refused, policy=Policy(), gate_open=False, now_us=now
                )
                for parcel in parcels
            ]
        )
    store.stop()
    await committing
    await store.close()


def _receipt(number: int, now: int) -> Receipt:
    return Receipt(
        source=SOURCE,
        channel="callback",
        origin="callback",
        body=_body(number),
        headers=(),
        secret="default",  # noqa: S106 - the id of a secret, not one
        received_at=now,
        router=Router(routes=[], destinations=["measured"]),
    )


def _run(number: int) -> str:
    return f"0197f0f0-1111-7222-8333-{number:012x}"


def _body(number: int) -> bytes:
    return json.dumps(
        {
            "event": "run.completed",
            "run_id": _run(number),
            "status": "succeeded",
            "completed_at": "2026-03-01T12:00:00.000000+00:00",
            "output": {"images": [{"url": f"https://files.example.com/{number}.png"}]},
        }
    ).encode()


# --- live events ----------------------------------------------------------------------------------


async def _live(
    port: int, rate: int, seconds: float, *, first: int
) -> dict[str, float]:
    """Post callbacks at a steady pace, whatever the answers take; when each was due, by its event's id."""
    loop, due, tasks = asyncio.get_running_loop(), dict[str, float](), set()
    url = f"http://127.0.0.1:{port}/callbacks/{SOURCE}"
    begun, at = loop.time(), time.monotonic()
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=64)
    ) as session:
        for place in range(int(rate * seconds)):
            moment = place / rate
            wait = begun + moment - loop.time()
            if wait > 0:
                await asyncio.wait([loop.create_future()], timeout=wait)
            key = RunKey.of(SOURCE, Kind.RUN, _run(first + place))
            due[event_id_text(key, Outcome.SUCCEEDED, 1)] = at + moment
            task = loop.create_task(_post(session, url, _body(first + place)))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        await asyncio.gather(*tasks)
    return due


async def _post(session: aiohttp.ClientSession, url: str, body: bytes) -> None:
    mac = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    async with session.post(url, data=body, headers={"Runflow-Signature": mac}) as got:
        await got.read()


async def _arrived(times: _Times, due: dict[str, float]) -> None:
    loop = asyncio.get_running_loop()
    until = loop.time() + _DRAIN_S
    while not times.at.keys() >= due.keys() and loop.time() < until:
        await asyncio.wait([loop.create_future()], timeout=0.1)


# --- the replay -----------------------------------------------------------------------------------


def _replay(config: Path, options: argparse.Namespace) -> bytes:
    """What an operator types, at a terminal; gives what was drawn there."""
    ours, theirs = pty.openpty()
    seen: list[bytes] = []
    reader = threading.Thread(target=_drain, args=(ours, seen), daemon=True)
    reader.start()
    # It shares a core with whoever sends and hears the live events, and is not what is measured.
    command = ["nice", "-n", "15", sys.executable, "-m", "relay", "replay", "--yes"]
    command += ["--rate", str(options.rate), "--config", str(config)]
    with (config.parent / "replay.out").open("wb") as out:
        subprocess.run(command, cwd=ROOT, stdout=out, stderr=theirs, check=False)
    os.close(theirs)
    reader.join(5.0)
    return b"".join(seen)


def _drain(ours: int, seen: list[bytes]) -> None:
    try:
        while data := os.read(ours, 65536):
            seen.append(data)
    except OSError:
        # The other end is closed.
        return


def _faults(
    config: Path,
    shelf: Shelf,
    options: argparse.Namespace,
    due: dict[str, float],
    times: _Times,
    *,
    replays: bool,
    bar: bytes,
) -> list[str]:
    faults = ledger_faults(config)
    missing = len(due.keys() - times.at.keys())
    if missing:
        faults.append(f"{missing} live events did not arrive")
    [(made,)] = shelf.rows("SELECT COUNT(*) FROM deliveries WHERE generation = 2")
    [(done,)] = shelf.rows(
        "SELECT COUNT(*) FROM deliveries WHERE generation = 2 AND state = 1"
    )
    wanted = options.dead if replays else 0
    if (made, done) != (wanted, wanted):
        faults.append(f"{done} of {made} sent again were delivered, of {wanted}")
    if times.repeats:
        faults.append(f"{times.repeats} arrived twice")
    if replays and b"made" not in bar:
        faults.append("no bar was drawn")
    return faults


if __name__ == "__main__":
    sys.exit(main())
