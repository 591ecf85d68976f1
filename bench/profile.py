"""Profile: where the relay's time goes while it acknowledges.

Owns one acks leg under cProfile and printing it, thread by thread. The profiler makes every call
dearer, small ones most: read the order, not the amounts, and measure a change with ``bench.run``.

By wall clock (the default) a function also pays for what it waits for: the disk, and the other thread,
which shares the core and the interpreter's lock. ``--clock cpu`` leaves waiting out, but reading that
clock costs half a microsecond a call, so that small functions seem far too dear. What is high by both
is worth a look.

``python -m bench.profile``
"""

import argparse
import os
import pstats
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

from rich.console import Console
from rich.table import Table

from bench.child import ROOT, relay_serve
from bench.kinds import nowhere
from bench.legs import SOURCE, configure
from bench.load import Load, run_load
from bench.recount import rows_of
from bench.run import DONE, IMPOSSIBLE, VOID, missing
from bench.shelf import Shelf

__all__ = ["main"]

_DIRECTORY: Final = ROOT / "bench" / "results" / "profile"
_CONNECTIONS: Final = 64
_RELAY_CORE, _LOAD_CORE = 0, 1

#: File, line and name of a function -> calls, all calls, own time, time with what it called, callers.
Function = tuple[str, int, str]
Times = tuple[int, int, float, float, object]

#: A thread without work waits in it.
_IDLE: Final[Function] = ("~", 0, "<method 'get' of '_queue.SimpleQueue' objects>")


def main(arguments: Sequence[str] | None = None) -> int:
    """Profile and print; gives the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.profile", description=__doc__
    )
    parser.add_argument("--seconds", type=int, default=8, help="of load")
    parser.add_argument("--top", type=int, default=25, help="functions in each table")
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall")
    options = parser.parse_args(arguments)
    os.environ["BENCH_PROFILE_CLOCK"] = options.clock
    lack = missing(_RELAY_CORE, _LOAD_CORE, _DIRECTORY)
    if lack is not None:
        print(f"profile: {lack}", file=sys.stderr)
        return IMPOSSIBLE
    os.sched_setaffinity(0, {_LOAD_CORE})
    shutil.rmtree(_DIRECTORY, ignore_errors=True)
    _DIRECTORY.mkdir(parents=True)
    load = _profiled_leg(_DIRECTORY, options.seconds)
    faults = [*load.faults, *rows_of(_shelf()).faults([load])]
    _print(_DIRECTORY, load, options.top)
    for fault in faults:
        print(f"void: {fault}", file=sys.stderr)
    return VOID if faults else DONE


def _profiled_leg(directory: Path, seconds: int) -> Load:
    os.environ["BENCH_PROFILE"] = str(directory)
    with nowhere(directory) as site:
        config = configure(directory, site.destination, store=_shelf().url)
        log = directory / "relay.log"
        launcher = ("-m", "bench.profiled")
        with relay_serve(config, core=_RELAY_CORE, log=log, launcher=launcher) as child:
            load = run_load(
                child.port,
                f"/callbacks/{SOURCE}",
                seconds=seconds,
                connections=_CONNECTIONS,
                core=_LOAD_CORE,
                seed=1,
            )
            child.stop()
    return load


def _shelf() -> Shelf:
    return Shelf(f"sqlite:///{_DIRECTORY / 'relay.db'}")


def _print(directory: Path, load: Load, top: int) -> None:
    console = Console(width=None if sys.stdout.isatty() else 120)
    console.print(
        f"{load.answered:,} callbacks acknowledged under the profiler, {load.rate:,.0f}/s. "
        "Times are microseconds for one callback."
    )
    for path in sorted(directory.glob("*.prof")):
        # `stats` is what pstats read from the file.
        times: dict[Function, Times] = vars(pstats.Stats(str(path)))["stats"]
        times.pop(_IDLE, None)
        total = sum(own for _, _, own, _, _ in times.values())
        if total < 0.01 * load.duration_us / 1e6:
            continue
        each = 1e6 / load.answered
        console.print(
            f"\n[bold]thread {path.stem}[/]: {total * each:.1f} us a callback"
        )
        own = _table(times, "by own time", order=0, each=each, top=top)
        whole = _table(
            times, "by time with what it called", order=1, each=each, top=top
        )
        console.print(own, whole)


def _table(
    times: dict[Function, Times],
    title: str,
    *,
    order: Literal[0, 1],
    each: float,
    top: int,
) -> Table:
    table = Table(title=title)
    for head in ("own us", "with called us", "calls"):
        table.add_column(head, justify="right")
    table.add_column("function", no_wrap=True)
    lines = [
        (own, whole, calls, function)
        for function, (_, calls, own, whole, _) in times.items()
    ]
    lines.sort(key=lambda line: line[order], reverse=True)
    for own, whole, calls, function in lines[:top]:
        table.add_row(
            f"{own * each:.2f}",
            f"{whole * each:.2f}",
            f"{calls * each / 1e6:.2f}",
            _name(function),
        )
    return table


def _name(function: Function) -> str:
    file, line, name = function
    if file in ("~", ""):
        return name
    path = Path(file)
    short = path.relative_to(ROOT) if path.is_relative_to(ROOT / "relay") else None
    return f"{short or '/'.join(path.parts[-2:])}:{line} {name}"


if __name__ == "__main__":
    sys.exit(main())
