"""Legs: one measurement each, of the echo or of the relay, and what makes it void.

Owns the order within a leg: start pinned, warm up, load, wait until all is delivered, stop, recount.
A leg with any fault is void: its figures are kept, but count for nothing.
"""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from bench.child import Child, relay_serve, small_server
from bench.kinds import Arrivals, Kind
from bench.load import SECRET, Load, run_load
from bench.machine import Cores, cpu_seconds, peak_mib
from bench.recount import event_ids, ledger_faults, rows_of
from bench.shelf import Shelf, Shelves
from relay.core.ledger import DestinationCounts, SourceCounts

__all__ = ["SOURCE", "Bench", "Leg", "Plan", "configure"]

SOURCE: Final = "acme"
DESTINATION: Final = "measured"
#: Above it the load could not have gone faster, and the leg says nothing of the relay.
LOAD_CORE_MAX: Final = 0.9
_DRAIN_LIMIT_S: Final = 60.0
_SETTLE_S: Final = 0.3


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How every leg is run; times in seconds."""

    seconds: int
    warmup: int
    connections: int
    relay_core: int
    load_core: int
    #: Above this share of the relay's core taken by other work, a leg is void.
    others_max: float
    #: Where stores and logs go.
    directory: Path


class Leg(msgspec.Struct, kw_only=True):
    """What one leg gave. Shares are 0 to 1."""

    #: ``echo``, ``acks``, ``http`` or ``kafka``.
    kind: str
    pair: int
    #: What is compared with the echo: answers a second for echo and acks, else arrivals a second from
    #: the first POST to the last arrival.
    rate: float = 0.0
    answered_per_s: float = 0.0
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    #: CPU time of the process under test for one answer, or for one event delivered, in microseconds.
    cpu_us: float = 0.0
    #: Busy share of the two cores while the load ran, and of the relay's core without our process.
    relay_core: float = 0.0
    load_core: float = 0.0
    others: float = 0.0
    peak_mib: float = 0.0
    answered: int = 0
    made: int = 0
    #: From the first POST until the last arrival, in seconds; for acks and echo until the last answer.
    lasted_s: float = 0.0
    receipts: int = 0
    events: int = 0
    delivered: int = 0
    repeats: int = 0
    log_warnings: int = 0
    #: What bounds the rate: ``the relay's core``, ``the load's core`` or ``waiting``.
    bound_by: str = ""
    #: Why the leg is void.
    faults: list[str] = msgspec.field(default_factory=list)


class _Window(msgspec.Struct, frozen=True, kw_only=True):
    """One run of the load and how busy the machine was meanwhile."""

    load: Load
    #: Of the process under test, at the start and at the end of the load.
    cpu_before: float
    cpu_after: float
    relay_core: float
    load_core: float
    others: float


def configure(directory: Path, destination: dict[str, object], *, store: str) -> Path:
    """Write the relay's configuration (JSON is YAML); everything else is the default."""
    settings = {
        "data_dir": str(directory),
        "store": store,
        "public": {"listen": "127.0.0.1:0"},
        "operator": {"listen": "127.0.0.1:0"},
        "sources": [{"name": SOURCE, "secret": SECRET}],
        "destinations": [{"name": DESTINATION, **destination}],
    }
    path = directory / "relay.yaml"
    path.write_text(json.dumps(settings, indent=2), encoding="utf-8")
    return path


class Bench:
    """Runs legs."""

    def __init__(self, plan: Plan, shelves: Shelves) -> None:
        self._plan = plan
        self._shelves = shelves
        self._seeds: Iterator[int] = itertools.count(1)

    def echo(self, pair: int, directory: Path) -> Leg:
        """Measure the ceiling."""
        plan = self._plan
        log = directory / "echo.log"
        with small_server("bench.echo", core=plan.relay_core, log=log) as child:
            warm = self._post(child, plan.warmup)
            window = self._window(child)
            leg = self._leg("echo", pair, window, child)
        leg.faults += [*warm.faults, *window.load.faults]
        return leg

    def relay(self, name: str, kind: Kind, pair: int, directory: Path) -> Leg:
        """Measure the relay, then recount everything."""
        shelf = self._shelves(directory)
        with kind(directory) as site:
            config = configure(directory, site.destination, store=shelf.url)
            log = directory / "relay.log"
            with relay_serve(config, core=self._plan.relay_core, log=log) as child:
                leg, loads, before = self._relay_under_load(name, child, pair, shelf)
                code = child.stop()
            arrivals = site.arrivals()
        if code != 0:
            leg.faults.append(f"relay serve ended with code {code}")
        _recount(leg, loads, shelf)
        leg.faults += ledger_faults(config)
        if arrivals is not None:
            _count_arrivals(leg, loads[-1], arrivals, event_ids(shelf), before)
        _read_log(leg, child)
        return leg

    def _relay_under_load(
        self, name: str, child: Child, pair: int, shelf: Shelf
    ) -> tuple[Leg, list[Load], int]:
        """Give the leg, both runs of the load, and how many events there were before the second."""
        delivers = name != "acks"
        warm = self._post(child, self._plan.warmup)
        whole = _drain(child, shelf, delivers=delivers)
        before = _account(shelf)[0].events
        window = self._window(child)
        whole = _drain(child, shelf, delivers=delivers) and whole
        leg = self._leg(name, pair, window, child)
        events = _account(shelf)[0].events - before
        if delivers and events:
            spent = cpu_seconds(child.pid) - window.cpu_before
            leg.cpu_us = spent / events * 1e6
        if not whole:
            leg.faults.append(f"not all was delivered within {_DRAIN_LIMIT_S:g} s")
        leg.faults += [*warm.faults, *window.load.faults]
        return leg, [warm, window.load], before

    def _window(self, child: Child) -> _Window:
        plan = self._plan
        cpu_before, cores = cpu_seconds(child.pid), Cores()
        load = self._post(child, plan.seconds)
        busy, elapsed = cores.busy(plan.relay_core), cores.elapsed
        cpu_after = cpu_seconds(child.pid)
        return _Window(
            load=load,
            cpu_before=cpu_before,
            cpu_after=cpu_after,
            relay_core=busy,
            load_core=cores.busy(plan.load_core),
            others=max(0.0, busy - (cpu_after - cpu_before) / elapsed),
        )

    def _post(self, child: Child, seconds: int) -> Load:
        return run_load(
            child.port,
            f"/callbacks/{SOURCE}",
            seconds=seconds,
            connections=self._plan.connections,
            core=self._plan.load_core,
            seed=next(self._seeds),
        )

    def _leg(self, kind: str, pair: int, window: _Window, child: Child) -> Leg:
        """Give what is known before anything is recounted."""
        load = window.load
        leg = Leg(
            kind=kind,
            pair=pair,
            rate=load.rate,
            answered_per_s=load.rate,
            p50_ms=load.p50_us / 1000,
            p99_ms=load.p99_us / 1000,
            cpu_us=(window.cpu_after - window.cpu_before) / max(1, load.answered) * 1e6,
            relay_core=window.relay_core,
            load_core=window.load_core,
            others=window.others,
            peak_mib=peak_mib(child.pid),
            answered=load.answered,
            made=load.made,
            lasted_s=load.duration_us / 1e6,
        )
        leg.bound_by = _bound(leg)
        if leg.load_core > LOAD_CORE_MAX:
            leg.faults.append(f"the load's core was {leg.load_core:.0%} busy")
        if leg.others > self._plan.others_max:
            leg.faults.append(f"other work took {leg.others:.0%} of the relay's core")
        return leg


def _bound(leg: Leg) -> str:
    if leg.load_core > LOAD_CORE_MAX:
        return "the load's core"
    return "the relay's core" if leg.relay_core > LOAD_CORE_MAX else "waiting"


def _account(shelf: Shelf) -> tuple[SourceCounts, DestinationCounts]:
    """Look at the ledger's counters while the relay runs."""
    ledger = shelf.account()
    return (
        ledger.sources.get(SOURCE, SourceCounts()),
        ledger.destinations.get(DESTINATION, DestinationCounts()),
    )


def _drain(child: Child, shelf: Shelf, *, delivers: bool) -> bool:
    """Wait until nothing more is recorded and, where anything is delivered, all of it is."""
    child.pause(_SETTLE_S)
    seen = -1

    def done() -> bool:
        nonlocal seen
        source, destination = _account(shelf)
        still, seen = source.receipts == seen, source.receipts
        return still and (not delivers or destination.delivered == source.events)

    return child.wait_until(done, limit_s=_DRAIN_LIMIT_S)


def _recount(leg: Leg, loads: list[Load], shelf: Shelf) -> None:
    rows = rows_of(shelf)
    leg.receipts, leg.events, leg.delivered = rows.receipts, rows.events, rows.delivered
    leg.faults += rows.faults(loads)
    if leg.kind == "acks":
        if rows.pending != rows.events:
            leg.faults.append(f"{rows.pending} of {rows.events} deliveries are pending")
    elif rows.delivered != rows.events:
        leg.faults.append(f"{rows.delivered} of {rows.events} events are delivered")


def _count_arrivals(
    leg: Leg, load: Load, arrivals: Arrivals, expected: set[str], before: int
) -> None:
    """Compare what came with what is stored, id by id, and make the rate of it."""
    missing, unknown = len(expected - arrivals.ids), len(arrivals.ids - expected)
    if missing or unknown:
        leg.faults.append(f"{missing} events never came, {unknown} unknown ones did")
    leg.repeats = arrivals.repeats
    first = load.first_wall_us if arrivals.wall else load.first_monotonic_us
    leg.lasted_s = (arrivals.last_us - first) / 1e6
    leg.rate = (len(arrivals.ids) - before) / leg.lasted_s


def _read_log(leg: Leg, child: Child) -> None:
    """Errors make a leg void, and so does anything that is no line of the relay's."""
    for line in child.lines():
        try:
            level = json.loads(line).get("level")
        except ValueError:
            leg.faults.append(f"the relay said: {line[:200]}")
            return
        if level in ("error", "critical"):
            leg.faults.append(f"the relay logged an error: {line[:200]}")
            return
        leg.log_warnings += level == "warning"
