"""The bench: how fast the relay is on this machine, as a share of the least that aiohttp can do.

Owns the command line and the order of legs: echo, relay, echo, relay, one pair for each kind in turn,
round after round. ``docs/performance.md`` says what is measured and how to read it.

``python -m bench.run --only acks --pairs 3 --seconds 4``. Exit codes: 0 measured, 1 every pair of some
kind was void, 2 it cannot run here.
"""

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

from rich.console import Console

from bench.child import ROOT, ChildError
from bench.kinds import GOALS, Kind, open_kinds
from bench.legs import Bench, Leg, Plan
from bench.load import LoadError, is_installed
from bench.machine import describe, disk_of
from bench.report import Pair, results, show, write
from bench.shelf import STORES, open_shelves
from relay.sandbox.kafka import KafkaUnavailableError

__all__ = ["main", "missing"]

_RESULTS: Final = ROOT / "bench" / "results"
DONE, VOID, IMPOSSIBLE = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, show, write; gives the exit code."""
    options = _options(arguments)
    lack = missing(options.relay_core, options.load_core, options.directory)
    if lack is not None:
        print(f"bench: {lack}", file=sys.stderr)
        return IMPOSSIBLE
    # Ourselves, and every process that is not put elsewhere.
    os.sched_setaffinity(0, {options.load_core})
    console = Console(width=None if sys.stdout.isatty() else 200)
    options.directory.mkdir(parents=True, exist_ok=True)
    machine = describe(options.directory)
    with tempfile.TemporaryDirectory(dir=options.directory, prefix="run-") as name:
        plan = Plan(
            seconds=options.seconds,
            warmup=options.warmup,
            connections=options.connections,
            relay_core=options.relay_core,
            load_core=options.load_core,
            others_max=options.others,
            directory=Path(name),
        )
        try:
            with (
                open_kinds(options.only, load_core=options.load_core) as kinds,
                open_shelves(options.store) as shelves,
            ):
                bench = Bench(plan, shelves)
                pairs = _measure(console, bench, plan, kinds, wanted=options.pairs)
        except KafkaUnavailableError as error:
            print(f"bench: {error}", file=sys.stderr)
            return IMPOSSIBLE
    found = results(pairs)
    show(console, machine, found)
    settings: dict[str, object] = {
        "store": options.store,
        "pairs": options.pairs,
        "seconds": plan.seconds,
        "warmup": plan.warmup,
        "connections": plan.connections,
        "others": plan.others_max,
    }
    path = write(_RESULTS, machine, found, pairs, settings=settings)
    console.print(f"every leg: {path.relative_to(ROOT)}")
    return DONE if all(result.counted for result in found) else VOID


def missing(relay_core: int, load_core: int, directory: Path) -> str | None:
    """What this machine lacks, and how to come by it."""
    if sys.platform != "linux":
        return "needs Linux: processes are pinned to cores"
    if not is_installed():
        return "needs wrk: apt-get install wrk"
    if shutil.which("taskset") is None:
        return "needs taskset: apt-get install util-linux"
    allowed = os.sched_getaffinity(0)
    if relay_core == load_core or not {relay_core, load_core} <= allowed:
        return f"needs two cores, of {sorted(allowed)}: --relay-core and --load-core"
    there = next(path for path in (directory, *directory.parents) if path.exists())
    if disk_of(there) in ("tmpfs", "ramfs"):
        return f"needs a real disk, {directory} is in memory: --directory"
    return None


def _measure(
    console: Console,
    bench: Bench,
    plan: Plan,
    kinds: dict[str, Kind],
    *,
    wanted: int,
) -> list[Pair]:
    """Go round until each kind has the pairs that are wanted, or twice as many have been tried."""
    pairs: list[Pair] = []
    for number in range(1, 2 * wanted + 1):
        for name, kind in kinds.items():
            counted = sum(pair.counts for pair in pairs if pair.relay.kind == name)
            if counted == wanted:
                continue
            directory = plan.directory / f"{number}-{name}"
            directory.mkdir()
            pairs.append(_pair(bench, name, kind, number, directory))
            shutil.rmtree(directory)
            _say(console, pairs[-1])
    return pairs


def _pair(bench: Bench, name: str, kind: Kind, number: int, directory: Path) -> Pair:
    """Measure one pair; what breaks makes its leg void."""
    legs = []
    for leg_name, measure in (
        ("echo", partial(bench.echo, number, directory)),
        (name, partial(bench.relay, name, kind, number, directory)),
    ):
        try:
            legs.append(measure())
        except (ChildError, LoadError, OSError, KafkaUnavailableError) as error:
            fault = f"{type(error).__name__}: {error}"
            legs.append(Leg(kind=leg_name, pair=number, faults=[fault]))
    return Pair(echo=legs[0], relay=legs[1])


def _say(console: Console, pair: Pair) -> None:
    echo, leg = pair.echo, pair.relay
    verdict = f"[bold]{pair.share:.1%}[/]" if pair.counts else "[bold red]void[/]"
    line = f"{leg.pair:>3} {leg.kind:<6} "
    if echo.rate and leg.rate:
        line += (
            f"echo {echo.rate:>7,.0f}/s  relay {leg.rate:>7,.0f}/s  {verdict}"
            f" ({pair.share_by_cpu:.1%} by CPU)  p99 {leg.p99_ms:.1f} ms"
            f"  CPU {leg.cpu_us:.0f} us  bound by {leg.bound_by}"
        )
    else:
        line += verdict
    console.print(line, highlight=False)
    for it in (echo, leg):
        _say_faults(console, it)


def _say_faults(console: Console, leg: Leg) -> None:
    for fault in leg.faults:
        console.print(f"      {leg.kind}: {fault}", markup=False, soft_wrap=True)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.run", description=__doc__)
    add = parser.add_argument
    add("--only", nargs="+", choices=list(GOALS), default=list(GOALS))
    add(
        "--pairs",
        type=int,
        default=7,
        help="that count, of each kind; a void one is tried again",
    )
    add(
        "--store",
        choices=STORES,
        default=STORES[0],
        help="a server is on the load's core",
    )
    add("--seconds", type=int, default=4, help="of load in each leg")
    add("--warmup", type=int, default=1, help="seconds before it that are not counted")
    add("--connections", type=int, default=64, help="kept alive, one request on each")
    add("--relay-core", type=int, default=0, help="for the relay, and for the echo")
    add("--load-core", type=int, default=1, help="for load, sinks and broker")
    add("--others", type=float, default=0.1, help="most that other work may take of it")
    add("--directory", type=Path, default=_RESULTS, help="on the disk to be measured")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
