"""Outgoing: deliveries are claimed, and what became of them is written.

Owns the claim (of each source one statement that picks, locks and marks), the settlement (compare the
lease and set) and the amendment (compare what was written and set).
"""

import sqlite3
from collections.abc import Mapping, Sequence

from relay.core.delivery import Queue
from relay.core.ports import Amendment, Parcel, Settlement, Wish
from relay.core.steady import Ahead
from relay.record.accounts import Accounts
from relay.record.claiming import Claiming
from relay.record.outgoing import (
    account,
    ahead,
    amended_columns,
    attempts,
    earliest,
    parcels,
    settled_columns,
    starts,
)
from relay.record.sqlite.numbers import SqliteNumbers
from relay.record.sqlite.rows import ask_many, write_many

__all__ = ["amend", "claim", "look_ahead", "next_due", "settle"]


def claim(
    connection: sqlite3.Connection,
    sql: Mapping[str, str],
    numbers: SqliteNumbers,
    *,
    destination: str,
    wish: Wish,
    lease: int,
) -> Sequence[Parcel]:
    """Lease due deliveries, of each source its oldest, and read what their events are made of."""
    number = numbers.destinations.get(destination)
    if number is None:
        return []
    claiming = Claiming(
        wish,
        _waiting(connection, sql, number),
        but={numbers.sources.get(name) for name in wish.but},
        turn=lease,
    )
    while shares := claiming.round():
        for share in shares:
            values = {
                "lease": lease,
                "destination": number,
                "queue": int(share.queue),
                "source": share.source,
                "now": wish.now,
                "ordered": wish.ordered,
                "limit": share.count,
            }
            claiming.took(share, connection.execute(sql["claim"], values).fetchall())
    weights = ask_many(connection, sql["weigh_parcels"], claiming.leased)
    wanted, rest = claiming.divide(weights)
    connection.executemany(sql["unclaim"], rest)
    rows = ask_many(connection, sql["read_parcels"], wanted)
    return parcels(rows, destination=destination, lease=lease)


def settle(
    connection: sqlite3.Connection,
    sql: Mapping[str, str],
    numbers: SqliteNumbers,
    settlements: Sequence[Settlement],
    *,
    accounts: Accounts,
    now: int,
) -> Sequence[bool]:
    """Write what became of tries whose lease still holds."""
    if len({item.parcel.number for item in settlements}) < len(settlements):
        # Twice the same delivery in one statement: which of the two counts is anybody's guess.
        return [
            settle(connection, sql, numbers, [item], accounts=accounts, now=now)[0]
            for item in settlements
        ]
    columns = [settled_columns(item, now) for item in settlements]
    written = {number for (number,) in ask_many(connection, sql["settle"], columns)}
    kept = [item for item in settlements if item.parcel.number in written]
    account(kept, numbers.destinations, accounts)
    write_many(connection, sql["insert_attempt"], attempts(kept, now))
    return [item.parcel.number in written for item in settlements]


def amend(
    connection: sqlite3.Connection,
    sql: Mapping[str, str],
    amendments: Sequence[Amendment],
) -> None:
    """Write another word on failed tries where nobody has had the delivery since."""
    connection.executemany(sql["amend"], map(amended_columns, amendments))


def look_ahead(
    connection: sqlite3.Connection,
    sql: Mapping[str, str],
    destination: int,
    after: Ahead | None,
    *,
    now: int,
    limit: int,
) -> Sequence[Ahead]:
    """Some of what is not due yet, and that nobody has claimed."""
    waiting = _waiting(connection, sql, destination)
    for queue, source, due_at, number in starts(waiting, after, now):
        values = {
            "destination": destination,
            "queue": queue,
            "source": source,
            "due_at": due_at,
            "number": number,
            "limit": limit,
            "now": now,
        }
        rows = connection.execute(sql["look_ahead"], values).fetchall()
        if rows:
            return [ahead(row) for row in rows]
    return []


def next_due(
    connection: sqlite3.Connection,
    sql: Mapping[str, str],
    destination: int,
    queue: Queue | None,
) -> int | None:
    """When the earliest unclaimed delivery is due, of one queue or any."""
    return earliest(_waiting(connection, sql, destination), queue)


def _waiting(
    connection: sqlite3.Connection, sql: Mapping[str, str], destination: int
) -> list[tuple[int, int, int]]:
    """Queue, source, and when the earliest of it is due."""
    values = {"destination": destination}
    return connection.execute(sql["find_waiting"], values).fetchall()
