"""Reconciling beside receiving: what 10,000 partial runs cost the callbacks that come meanwhile.

Owns pairs of legs, interleaved: the same load on a relay that has nothing to ask, and on one that asks an
API of 20 ms for thousands of runs. The figure is the share of the acknowledgements that remains; every run
must have been asked for once, and must have its event, or the pair is void.

``python -m bench.truth --runs 10000 --rate 100``. Exit codes: 0 measured, 1 no pair counted, 2 it cannot
run here.
"""

import argparse
import asyncio
import http.client
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from bench.child import ROOT, Child, relay_serve, small_server
from bench.kinds import nowhere
from bench.legs import SOURCE
from bench.load import SECRET, is_installed, run_load
from bench.shelf import Shelf, open_shelves
from relay.app.handovers import Handovers
from relay.app.stores import build_store
from relay.app.system import System, ThreadExecutor
from relay.core.receipt import Receipt
from relay.core.route import Router
from relay.deliver.dispatch import Dispatch
from relay.observe.metrics import PrometheusMetrics
from relay.settings import Settings, parse

__all__ = ["main"]

_GROUP: Final = 500
_DRAIN_S: Final = 300.0
_NOW: Final = 1_772_366_400_000_000


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """Two legs; rates in answers a second."""

    alone: float
    beside: float
    p99_alone_ms: float
    p99_beside_ms: float
    #: Answers of the API while the load ran, and CPU of the relay for one answer then.
    asked: int
    asks_per_s: float
    faults: list[str]

    @property
    def share(self) -> float:
        """What remains of the acknowledgements."""
        return self.beside / self.alone


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print; gives the exit code."""
    options = _options(arguments)
    if not is_installed() or (os.cpu_count() or 1) < 2:
        print("bench: wrk and two cores are needed", file=sys.stderr)
        return 2
    os.sched_setaffinity(0, {options.load_core})
    (ROOT / "bench" / "results").mkdir(exist_ok=True)
    pairs = []
    for number in range(options.pairs):
        pair = _pair(options)
        pairs.append(pair)
        print(
            f"{number + 1}  alone {pair.alone:,.0f}/s  beside {pair.beside:,.0f}/s  {pair.share:.1%}"
            f"  p99 {pair.p99_alone_ms:.1f} and {pair.p99_beside_ms:.1f} ms"
            f"  {pair.asks_per_s:,.0f} asks/s{''.join(f'  VOID: {f}' for f in pair.faults)}",
            flush=True,
        )
    good = [pair for pair in pairs if not pair.faults]
    if not good:
        return 1
    share = statistics.median(pair.share for pair in good)
    print(f"median of {len(good)}: {share:.1%} of the acknowledgements remain")
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.truth", description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--rate", type=int, default=100, help="asks a second at most")
    parser.add_argument("--concurrency", type=int, default=32)
    parser.add_argument("--seconds", type=int, default=8)
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--relay-core", type=int, default=0)
    parser.add_argument("--load-core", type=int, default=1)
    return parser.parse_args(arguments)


def _pair(options: argparse.Namespace) -> Pair:
    with (
        tempfile.TemporaryDirectory(dir=ROOT / "bench" / "results") as name,
        open_shelves("sqlite") as shelves,
    ):
        folders = [Path(name, leg) for leg in ("alone", "beside")]
        for folder in folders:
            folder.mkdir()
        alone, p99_alone, _ = _leg(options, folders[0], shelves(folders[0]), runs=0)
        beside, p99_beside, found = _leg(
            options, folders[1], shelves(folders[1]), runs=options.runs
        )
    return Pair(
        alone=alone,
        beside=beside,
        p99_alone_ms=p99_alone,
        p99_beside_ms=p99_beside,
        asked=found["meanwhile"],
        asks_per_s=found["meanwhile"] / options.seconds,
        faults=_faults(options, found),
    )


def _faults(options: argparse.Namespace, found: dict[str, int]) -> list[str]:
    faults = []
    if found["refused"]:
        faults.append(f"{found['refused']} requests failed")
    if (found["calls"], found["runs"]) != (options.runs, options.runs):
        faults.append(f"{found['calls']} calls for {found['runs']} runs")
    if found["left"]:
        faults.append(f"{found['left']} runs without their event")
    return faults


def _leg(
    options: argparse.Namespace, folder: Path, shelf: Shelf, *, runs: int
) -> tuple[float, float, dict[str, int]]:
    """Rate, p99 in milliseconds, and what the API and the store say afterwards."""
    core = options.load_core
    with (
        nowhere(folder) as site,
        small_server("bench.api", core=core, log=folder / "api.log") as api,
    ):
        settings = _settings(options, folder, site.destination, shelf, api.port)
        if runs:
            asyncio.run(_fill(settings, runs))
        path = folder / "relay.yaml"
        log = folder / "relay.log"
        with relay_serve(path, core=options.relay_core, log=log) as child:
            before = _calls(api)["calls"]
            load = run_load(
                child.port,
                f"/callbacks/{SOURCE}",
                seconds=options.seconds,
                connections=64,
                core=core,
                seed=runs + 1,
            )
            meanwhile = _calls(api)["calls"] - before
            child.wait_until(lambda: _calls(api)["runs"] >= runs, limit_s=_DRAIN_S)
            child.wait_until(lambda: not _left(shelf), limit_s=20.0)
        found = {
            **_calls(api),
            "meanwhile": meanwhile,
            "left": _left(shelf),
            "refused": load.refused + load.broken,
        }
    return load.rate, load.p99_us / 1000, found


def _settings(
    options: argparse.Namespace,
    folder: Path,
    destination: dict[str, object],
    shelf: Shelf,
    port: int,
) -> Settings:
    api = {
        "base_url": f"http://127.0.0.1:{port}",
        "token": "rf_live_bench",
        "concurrency": options.concurrency,
        "rate": f"{options.rate}/s",
    }
    settings = {
        "data_dir": str(folder),
        "store": shelf.url,
        "public": {"listen": "127.0.0.1:0"},
        "operator": {"listen": "127.0.0.1:0"},
        "sources": [
            {"name": SOURCE, "secret": SECRET, "api": api, "sweep": {"enabled": False}}
        ],
        "destinations": [{"name": "measured", **destination}],
    }
    text = json.dumps(settings, indent=2)
    (folder / "relay.yaml").write_text(text, encoding="utf-8")
    return parse(text, {}, file="bench")


async def _fill(settings: Settings, runs: int) -> None:
    """So many runs that wait for the truth, recorded as the relay records them."""
    store = build_store(
        settings,
        system=System.real(),
        metrics=PrometheusMetrics(),
        handover=Handovers(Dispatch()),
        executor=ThreadExecutor,
        synchronous="FULL",
    )
    await store.open([("measured", "http")])
    committing = asyncio.get_running_loop().create_task(store.run())
    for start in range(0, runs, _GROUP):
        await store.record(
            [_partial(n) for n in range(start, min(start + _GROUP, runs))]
        )
    store.stop()
    await committing
    await store.close()


def _partial(number: int) -> Receipt:
    run = f"0197f0f0-1111-7222-8333-{number:012x}"
    return Receipt(
        source=SOURCE,
        channel="callback",
        origin="callback",
        body=json.dumps({"event": "run.completed", "run_id": run}).encode(),
        headers=(),
        secret="default",  # noqa: S106 - the id of a secret, not one
        received_at=_NOW,
        router=Router(routes=[], destinations=["measured"]),
    )


def _calls(api: Child) -> dict[str, int]:
    connection = http.client.HTTPConnection("127.0.0.1", api.port)
    try:
        connection.request("GET", "/calls")
        found: dict[str, int] = json.loads(connection.getresponse().read())
    finally:
        connection.close()
    return found


def _left(shelf: Shelf) -> int:
    [(left,)] = shelf.rows("SELECT COUNT(*) FROM inquiries")
    return int(left)


if __name__ == "__main__":
    sys.exit(main())
