"""Resending: orders to send again are written into the database, and a step of one is taken.

Owns the order of the statements within a step, in a group's transaction: cursor and deliveries go together or
not at all. The order's row is locked while a step is taken, and so are the runs: a delivery's number is taken
under its run's lock. Nobody is waited for: what another relay has just now is left to the next step.
"""

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
    TooManyRunningError,
    batch_of,
    bounded,
    stretch,
)
from relay.core.route import Router
from relay.record.accounts import Accounts
from relay.record.jobs import Cancel, Postpone, Resend
from relay.record.postgres.connection import Connection
from relay.record.postgres.holding import write_entry
from relay.record.postgres.numbers import PostgresNumbers
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

__all__ = ["cancel", "order", "postpone", "read_running", "resend"]

Sql = Mapping[str, str]


async def order(
    connection: Connection,
    sql: Sql,
    numbers: PostgresNumbers,
    replays: Sequence[NewReplay],
    *,
    now: int,
) -> Sequence[int] | TooManyRunningError:
    """Write orders down, or say that there are too many."""
    running = await connection.fetchval(sql["count_running"])
    if running + len(replays) > RUNNING_MAX:
        # Given and not raised: those who are in the same group are not meant.
        return TooManyRunningError(running)
    found = [
        await connection.fetchval(
            sql["insert_replay"], *new_columns(one, numbers.destinations, now)
        )
        for one in replays
    ]
    await connection.execute(sql["trim_replays"], KEPT)
    for number, one in zip(found, replays, strict=True):
        await write_entry(connection, sql, entry_of(number, one, now))
    return found


async def cancel(connection: Connection, sql: Sql, job: Cancel, *, now: int) -> bool:
    """End an order that is not over."""
    if await connection.fetchval(sql["cancel_replay"], now, job.replay) is None:
        return False
    await write_entry(connection, sql, cancellation_of(job.replay, job.by, now))
    return True


async def read_running(
    connection: Connection, sql: Sql, router: Router, backlog: int
) -> tuple[int | None, bool]:
    """When a step of an order is due, and whether there is any order under way."""
    rows = await connection.fetch(sql["list_running"], router.destinations)
    return next_of(map(tuple, rows), backlog)


async def postpone(
    connection: Connection, sql: Sql, job: Postpone, *, now: int
) -> None:
    """Let the order wait whose step is due."""
    due = await _due(connection, sql, job, now)
    if due is not None:
        await connection.execute(sql["postpone_replay"], job.until, due[0])


async def _due(
    connection: Connection, sql: Sql, job: Resend | Postpone, now: int
) -> tuple[Any, ...] | None:
    values = (job.router.destinations, now, UNTRIED_MAX, job.backlog)
    found = await connection.fetchrow(sql["due_replay"], *values)
    return None if found is None else tuple(found)


async def resend(
    connection: Connection,
    sql: Sql,
    numbers: PostgresNumbers,
    job: Resend,
    *,
    accounts: Accounts,
    now: int,
) -> Resent | None:
    """Take a step of the order that has waited longest, and that no other relay is at."""
    if job.righted:
        await connection.execute(sql["right_replays"], now, now + PAUSE_MAX)
    due = await _due(connection, sql, job, now)
    if due is None:
        return None
    replay = replay_of(due)
    if not name_of(replay.target, numbers.destinations):
        # Another relay has brought it.
        await numbers.load(connection)
    if replay.selection.source is not None:
        await numbers.find_source(connection, replay.selection.source)
    reached, ends = await _reach(connection, sql, replay)
    seen = await _look(connection, sql, numbers, replay, reached)
    held = await connection.fetch(sql["hold_runs"], [one.run for one in seen])
    # Another relay may have sent some of it between the look and the lock: what counts is what stands now.
    found = await _look(connection, sql, numbers, replay, reached)
    ahead = stretch(
        replay,
        found,
        reached=reached,
        ends=ends,
        held={row[0] for row in held},
        routed=await _routed(
            connection, sql, numbers, replay, found, router=job.router
        ),
        now=now,
    )
    if ahead.made:
        await _insert(connection, sql, numbers, replay, ahead.made, now=now)
    await connection.execute(sql["advance_replay"], *advanced(replay, ahead, now))
    account(accounts, replay.target, len(ahead.made))
    return resent(replay, ahead, numbers.destinations)


async def _insert(
    connection: Connection,
    sql: Sql,
    numbers: PostgresNumbers,
    replay: Replay,
    made: Sequence[tuple[int, int]],
    *,
    now: int,
) -> None:
    count = len(made)
    [taken] = await connection.fetch(sql["take_numbers"], 0, 0, 0, count)
    await connection.execute(
        sql["insert_replayed"],
        sorted(taken[3]),
        [event for event, _ in made],
        [run for _, run in made],
        [replay.target] * count,
        [numbers.epoch(replay.target)] * count,
        [now] * count,
        [replay.number] * count,
    )


async def _reach(connection: Connection, sql: Sql, replay: Replay) -> tuple[int, bool]:
    """How far is looked ahead, and whether nothing comes after that."""
    span = (replay.cursor, replay.upto, LOOK_ROWS)
    if replay.selection.what == "dead":
        looked = await connection.fetch(sql["look_at_dead"], replay.origin, *span)
    else:
        looked = await connection.fetch(sql["look_at_told"], *span)
    [(reached, rows)] = looked
    return reached, rows < LOOK_ROWS


async def _look(
    connection: Connection,
    sql: Sql,
    numbers: PostgresNumbers,
    replay: Replay,
    reached: int,
) -> list[Candidate]:
    """What lies ahead."""
    selection = replay.selection
    is_dead = selection.what == "dead"
    chose: dict[str, Any] = chosen(selection, numbers.sources)
    found = await connection.fetch(
        sql["next_dead" if is_dead else "next_told"],
        replay.target,
        replay.number,
        replay.origin,
        replay.cursor,
        reached,
        chose["source"],
        chose["outcome"],
        *([chose["reason"]] if is_dead else []),
        chose["since"],
        chose["until"],
        chose["events"],
        *([] if is_dead else [selection.what == "missing"]),
        batch_of(replay),
    )
    return candidates(map(tuple, found))


async def _routed(
    connection: Connection,
    sql: Sql,
    numbers: PostgresNumbers,
    replay: Replay,
    found: Sequence[Candidate],
    *,
    router: Router,
) -> set[int] | None:
    """Of what the target never had, the events that routes take there; None where that is not asked."""
    if replay.selection.what != "missing":
        return None
    wanted = [one.event for one in bounded(found) if one.size is not None]
    rows = await connection.fetch(sql["read_letters"], wanted)
    return routed(
        map(tuple, rows), router, name_of(replay.target, numbers.destinations)
    )
