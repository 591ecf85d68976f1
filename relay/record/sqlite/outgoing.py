"""Outgoing: deliveries are claimed, and what became of them is written.

Owns the claim (one statement that picks, locks and marks) and the settlement (compare the lease and
set).
"""

import sqlite3
from collections.abc import Mapping, Sequence

from relay.core.ports import Parcel, Settlement
from relay.record.accounts import Accounts
from relay.record.outgoing import (
    account,
    attempts,
    fitting,
    parcels,
    settled_columns,
)
from relay.record.sqlite.numbers import SqliteNumbers
from relay.record.sqlite.rows import ask_many, write_many

__all__ = ["claim", "settle"]


def claim(
    connection: sqlite3.Connection,
    sql: Mapping[str, str],
    numbers: SqliteNumbers,
    *,
    destination: str,
    limit: int,
    size: int,
    now: int,
    lease: int,
) -> Sequence[Parcel]:
    """Lease due deliveries, oldest first, and read what their events are made of."""
    number = numbers.destinations.get(destination)
    # SQLite takes a negative limit for none at all.
    if number is None or limit < 1:
        return []
    claimed = connection.execute(
        sql["claim"],
        {"lease": lease, "destination": number, "now": now, "limit": limit},
    ).fetchall()
    taken = fitting(ask_many(connection, sql["weigh_parcels"], claimed), size)
    rest = [(delivery,) for (delivery,) in claimed if delivery not in taken]
    connection.executemany(sql["unclaim"], rest)
    wanted = [(delivery,) for delivery in sorted(taken)]
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
