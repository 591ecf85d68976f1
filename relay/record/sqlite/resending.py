"""Resending: orders to send again are written into the file, and a step of one is taken.

Owns the order of the statements within a step. Runs inside a group's transaction, after all that the group
has written: cursor and deliveries go together or not at all.
"""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from relay.core.replay import (
    LOOK_ROWS,
    PAUSE_MAX,
    RUNNING_MAX,
    UNTRIED_MAX,
    Candidate,
    NewReplay,
    Replay,
    Resent,
    Selection,
    TooManyRunningError,
    batch_of,
    bounded,
    stretch,
)
from relay.core.route import Router
from relay.record.accounts import Accounts
from relay.record.jobs import Cancel, Postpone, Resend
from relay.record.resending import (
    KEPT,
    account,
    advanced,
    cancellation_of,
    candidates,
    chosen,
    entry_of,
    name_of,
    new_columns,
    next_of,
    replay_of,
    resent,
    routed,
)
from relay.record.sqlite.holding import write_entry
from relay.record.sqlite.numbers import SqliteNumbers
from relay.record.sqlite.rows import ask_many

__all__ = ["cancel", "order", "postpone", "read_running", "resend", "selected"]

Sql = Mapping[str, str]


def selected(selection: Selection, sources: Mapping[str, int]) -> dict[str, Any]:
    """What a selection says, as this store's statements take it."""
    values = chosen(selection, sources)
    events = values["events"]
    return values | {"events": None if events is None else json.dumps(events)}


def order(
    connection: sqlite3.Connection,
    sql: Sql,
    numbers: SqliteNumbers,
    replays: Sequence[NewReplay],
    *,
    now: int,
) -> Sequence[int] | TooManyRunningError:
    """Write orders down, or say that there are too many."""
    [(running,)] = connection.execute(sql["count_running"]).fetchall()
    if running + len(replays) > RUNNING_MAX:
        # Given and not raised: those who are in the same group are not meant.
        return TooManyRunningError(running)
    found = [
        connection.execute(
            sql["insert_replay"], new_columns(one, numbers.destinations, now)
        ).fetchall()
        for one in replays
    ]
    connection.execute(sql["trim_replays"], (KEPT,))
    ordered = [number for [(number,)] in found]
    for number, one in zip(ordered, replays, strict=True):
        write_entry(connection, sql, entry_of(number, one, now))
    return ordered


def cancel(connection: sqlite3.Connection, sql: Sql, job: Cancel, *, now: int) -> bool:
    """End an order that is not over."""
    values = (now, job.replay)
    if not connection.execute(sql["cancel_replay"], values).fetchall():
        return False
    write_entry(connection, sql, cancellation_of(job.replay, job.by, now))
    return True


def read_running(
    connection: sqlite3.Connection, sql: Sql, router: Router, backlog: int
) -> tuple[int | None, bool]:
    """When a step of an order is due, and whether there is any order under way."""
    rows = connection.execute(sql["list_running"], (_targets(router),))
    return next_of(rows.fetchall(), backlog)


def postpone(
    connection: sqlite3.Connection, sql: Sql, job: Postpone, *, now: int
) -> None:
    """Let the order wait whose step is due."""
    due = _due(connection, sql, job, now)
    if due is not None:
        connection.execute(sql["postpone_replay"], (job.until, due[0]))


def _due(
    connection: sqlite3.Connection, sql: Sql, job: Resend | Postpone, now: int
) -> tuple[Any, ...] | None:
    values = (_targets(job.router), now, UNTRIED_MAX, job.backlog)
    found: tuple[Any, ...] | None
    found = connection.execute(sql["due_replay"], values).fetchone()
    return found


def _targets(router: Router) -> str:
    return json.dumps(router.destinations)


def resend(
    connection: sqlite3.Connection,
    sql: Sql,
    numbers: SqliteNumbers,
    job: Resend,
    *,
    accounts: Accounts,
    now: int,
) -> Resent | None:
    """Take a step of the order that has waited longest."""
    if job.righted:
        connection.execute(sql["right_replays"], (now, now + PAUSE_MAX))
    due = _due(connection, sql, job, now)
    if due is None:
        return None
    replay = replay_of(due)
    found, reached, ends = _look(connection, sql, numbers, replay)
    ahead = stretch(
        replay,
        found,
        reached=reached,
        ends=ends,
        # One writer alone changes anything.
        held={one.run for one in found},
        routed=_routed(connection, sql, numbers, replay, found, router=job.router),
        now=now,
    )
    connection.executemany(
        sql["insert_replayed"],
        [
            {
                "number": numbers.take("deliveries"),
                "event": event,
                "run": run,
                "target": replay.target,
                "epoch": numbers.epoch(replay.target),
                "now": now,
                "replay": replay.number,
            }
            for event, run in ahead.made
        ],
    )
    connection.execute(sql["advance_replay"], advanced(replay, ahead, now))
    account(accounts, replay.target, len(ahead.made))
    return resent(replay, ahead, numbers.destinations)


def _look(
    connection: sqlite3.Connection, sql: Sql, numbers: SqliteNumbers, replay: Replay
) -> tuple[list[Candidate], int, bool]:
    """What lies ahead, how far that goes, and whether anything comes after it."""
    span = (replay.cursor, replay.upto, LOOK_ROWS)
    is_dead = replay.selection.what == "dead"
    if is_dead:
        looked = connection.execute(sql["look_at_dead"], (replay.origin, *span))
    else:
        looked = connection.execute(sql["look_at_told"], span)
    reached, rows = looked.fetchone()
    values: dict[str, Any] = selected(replay.selection, numbers.sources) | {
        "origin": replay.origin,
        "target": replay.target,
        "replay": replay.number,
        "after": replay.cursor,
        "upto": reached,
        "missing": replay.selection.what == "missing",
        "limit": batch_of(replay),
    }
    found = connection.execute(sql["next_dead" if is_dead else "next_told"], values)
    return candidates(found.fetchall()), reached, rows < LOOK_ROWS


def _routed(
    connection: sqlite3.Connection,
    sql: Sql,
    numbers: SqliteNumbers,
    replay: Replay,
    found: Sequence[Candidate],
    *,
    router: Router,
) -> set[int] | None:
    """Of what the target never had, the events that routes take there; None where that is not asked."""
    if replay.selection.what != "missing":
        return None
    wanted = [(one.event,) for one in bounded(found) if one.size is not None]
    rows = ask_many(connection, sql["read_letters"], wanted)
    return routed(rows, router, name_of(replay.target, numbers.destinations))
