"""The ledger at size: how long the account takes to answer when a million events are stored.

Owns filling a store with rows in bulk, in the shape that the relay gives them, and timing the answer. The
account is read from counters, so that its size must not matter; counting anew looks at every row.

``python -m bench.ledger --store postgres --events 1000000``. Exit codes: 0 within the goal, 1 beyond it.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bench.child import ROOT
from bench.shelf import STORES, Shelf, open_shelves
from relay.app.handovers import Handovers
from relay.app.stores import build_store, read_ledger, recount
from relay.app.system import System, ThreadExecutor
from relay.deliver.dispatch import Dispatch
from relay.observe.metrics import PrometheusMetrics
from relay.settings import Settings, parse

__all__ = ["main"]

#: Milliseconds, at a million events.
GOAL_MS: Final = 100.0
_LOOKS: Final = 21
_BODY: Final = 700
_NOW: Final = 1_772_366_400_000_000

_CONFIG: Final = """
store: "{store}"
sources: [{{name: acme, secret: whsec_long_enough}}]
destinations: [{{name: lake, kind: file, path: a.jsonl}}, {{name: audit, kind: file, path: b.jsonl}}]
"""
# The numbers 1 to n, as each store gives them.
_SERIES: Final = {
    "sqlite": "WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {count}) ",
    "postgres": "WITH s AS (SELECT generate_series(1, {count})::bigint AS n) ",
}
_BYTES: Final = {
    "sqlite": "CAST(printf('%016d', n{plus}) AS BLOB)",
    "postgres": "convert_to(lpad((n{plus})::text, 16, '0'), 'UTF8')",
}
_BLOB: Final = {
    "sqlite": "zeroblob({size})",
    "postgres": "convert_to(repeat('x', {size}), 'UTF8')",
}
_FILL: Final = (
    (
        "INSERT INTO runs (number, source, namespace, id, revision, outcome, origin, first_seen)"
        " {series} SELECT n, 1, 1, {id}, 1, 1, 'callback', {now} + n FROM s"
    ),
    (
        "INSERT INTO receipts (number, source, run, verdict, channel, secret, digest, first_seen,"
        " last_seen, headers, body) {series} SELECT {receipt}, 1, n, 1, 'callback', 'k1', {id},"
        " {now} + n, {now} + n, NULL, {body} FROM s"
    ),
    (
        "INSERT INTO events (number, run, revision, id, outcome, confirmed, receipt, builder, routed,"
        " created_at) {series} SELECT n, n, 1, {id}, 1, 1, {receipt}, 1, '[1,2]', {now} + n FROM s"
    ),
    (
        "INSERT INTO deliveries (number, event, run, destination, generation, epoch, state, attempts,"
        " created_at, due_at, settled_at) {series} SELECT n, n, n, 1, 1, 1, 1, 1, {now}, {now}, {now}"
        " FROM s"
    ),
    (
        "INSERT INTO deliveries (number, event, run, destination, generation, epoch, state, attempts,"
        " created_at, due_at, settled_at) {series} SELECT n + {count}, n, n, 2, 1, 1,"
        " CASE WHEN n % 10 = 0 THEN 0 ELSE 1 END, 1, {now}, {now}, NULL FROM s"
    ),
)
_COUNTERS: Final = (
    "INSERT INTO sources (number, name) VALUES (1, 'acme')",
    (
        "INSERT INTO source_counters (incarnation, source, receipts, first, opened, events)"
        " VALUES (1, 1, {count}, {count}, {count}, {count})"
    ),
    (
        "INSERT INTO destination_counters (incarnation, destination, created, delivered, pending)"
        " VALUES (1, 1, {count}, {count}, 0)"
    ),
    (
        "INSERT INTO destination_counters (incarnation, destination, created, delivered, pending)"
        " VALUES (1, 2, {count}, {count} - {count} / 10, {count} / 10)"
    ),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Fill, look, print; gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.ledger", description=__doc__)
    parser.add_argument("--store", choices=STORES, default=STORES[0])
    parser.add_argument("--events", type=int, default=1_000_000)
    options = parser.parse_args(arguments)
    with (
        tempfile.TemporaryDirectory(dir=ROOT / "bench" / "results") as name,
        open_shelves(options.store) as shelves,
    ):
        shelf = shelves(Path(name))
        settings = parse(_CONFIG.format(store=shelf.url), {}, file="bench")
        asyncio.run(_make(settings))
        began = time.perf_counter()
        _fill(shelf, options.store, options.events)
        print(
            f"{options.events:,} events filled in {time.perf_counter() - began:.0f} s"
        )
        return _look(settings)


async def _make(settings: Settings) -> None:
    """An empty store, as the relay leaves it."""
    store = build_store(
        settings,
        system=System.real(),
        metrics=PrometheusMetrics(),
        handover=Handovers(Dispatch()),
        executor=ThreadExecutor,
        synchronous="FULL",
    )
    await store.open([("lake", "file"), ("audit", "file")])
    await store.close()


def _fill(shelf: Shelf, store: str, count: int) -> None:
    # A receipt's number tells its day where there are partitions.
    day = f"(({_NOW}::bigint / 1000) << 20) + n" if store == "postgres" else "n"
    words = {
        "count": count,
        "now": _NOW,
        "series": _SERIES[store].format(count=count),
        "id": _BYTES[store].format(plus=""),
        "body": _BLOB[store].format(size=_BODY),
        "receipt": day,
    }
    if store == "postgres":
        shelf.write(
            "CREATE TABLE receipts_filled PARTITION OF receipts DEFAULT",
            "ALTER TABLE receipts_filled SET (autovacuum_enabled = off)",
        )
    shelf.write(*(statement.format(**words) for statement in (*_FILL, *_COUNTERS)))


def _look(settings: Settings) -> int:
    times = []
    account = asyncio.run(read_ledger(settings))
    for _ in range(_LOOKS):
        began = time.perf_counter()
        account = asyncio.run(read_ledger(settings))
        times.append((time.perf_counter() - began) * 1000)
    began = time.perf_counter()
    counted, recounted = asyncio.run(recount(settings))
    anew = time.perf_counter() - began
    median = statistics.median(times)
    print(
        f"the account: median {median:.1f} ms, slowest {max(times):.1f} ms of {_LOOKS} looks"
    )
    print(
        f"counted anew: {anew:.1f} s, {'the same' if counted == recounted else 'NOT the same'}"
    )
    whole = account == counted == recounted and not account.balance().faults
    return 0 if whole and max(times) < GOAL_MS else 1


if __name__ == "__main__":
    sys.exit(main())
