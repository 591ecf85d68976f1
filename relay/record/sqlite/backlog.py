"""Backlog: a destination falls behind, and what it is behind with becomes deliveries.

Owns the two transactions, which run between groups on the writer's thread: nobody else writes meanwhile.
Decides nothing.
"""

import sqlite3
from collections.abc import Callable, Mapping

from relay.core.errors import StoreFullError
from relay.core.notice import tell_of_backlog
from relay.record.accounts import Accounts
from relay.record.holding import bystander, count_filled, filled, is_missing
from relay.record.jobs import Telling, Told
from relay.record.sqlite.holding import tell
from relay.record.sqlite.numbers import SqliteNumbers
from relay.record.sqlite.rows import write_many

__all__ = ["fall_behind", "fill"]

Sql = Mapping[str, str]


def fall_behind(
    connection: sqlite3.Connection,
    sql: Sql,
    numbers: SqliteNumbers,
    name: str,
    *,
    telling: Telling,
    now: int,
    write: Callable[[Accounts], None],
) -> Told:
    """Make no deliveries from the next event on; the answer is whether that is news."""
    values = (numbers.next("events"), name)
    if not connection.execute(sql["fall_behind"], values).fetchall():
        return Told(answer=False)
    numbers.look()
    accounts = Accounts()
    row = connection.execute(sql["read_hold"], (name,)).fetchone()
    notice = tell_of_backlog(name, bystander(row), at=now)
    stored = tell(connection, sql, numbers, telling, notice, accounts=accounts)
    write(accounts)
    return Told(answer=True, stored_for=stored)


def fill(
    connection: sqlite3.Connection,
    sql: Sql,
    numbers: SqliteNumbers,
    name: str,
    *,
    limit: int,
    now: int,
    full: str | None,
    write: Callable[[Accounts], None],
) -> bool:
    """Make deliveries of the next ``limit`` events; gives whether there may be more. In an open transaction.

    Raises:
        StoreFullError: there are some to be made, and no room for them (``full`` says why).
    """
    row = connection.execute(sql["read_behind"], (name,)).fetchone()
    if row is None or row[1] is None:
        return False
    destination, behind_from, epoch = row
    rows = connection.execute(
        sql["look_behind"],
        {"destination": destination, "behind_from": behind_from, "limit": limit},
    ).fetchall()
    missing = sum(map(is_missing, rows))
    if missing and full is not None:
        raise StoreFullError(full)
    made = filled(
        rows,
        (numbers.take("deliveries") for _ in range(missing)),
        destination=destination,
        epoch=epoch,
        now=now,
    )
    write_many(connection, sql["insert_delivery"], made)
    more = len(rows) == limit
    after = rows[-1][0] + 1 if more else None
    connection.execute(sql["catch_up"], (after, destination))
    accounts = Accounts()
    count_filled(accounts, destination, rows)
    write(accounts)
    numbers.look()
    return more
