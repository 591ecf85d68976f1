"""Outgoing: deliveries are claimed, and what became of them is written.

Owns the claim (of each source one statement that picks, locks and marks), the settlement (compare the
lease and set) and the amendment (compare what was written and set).
"""

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
from relay.record.postgres.connection import Connection
from relay.record.postgres.moving import ask
from relay.record.postgres.numbers import PostgresNumbers

__all__ = ["amend", "claim", "look_ahead", "next_due", "settle"]

Sql = Mapping[str, str]


async def claim(
    connection: Connection,
    sql: Sql,
    numbers: PostgresNumbers,
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
        await _waiting(connection, sql, number),
        but={await numbers.find_source(connection, name) for name in wish.but},
        turn=lease,
    )
    while shares := claiming.round():
        for share in shares:
            rows = await connection.fetch(
                sql["claim"],
                lease,
                number,
                int(share.queue),
                share.source,
                wish.now,
                wish.ordered,
                share.count,
            )
            claiming.took(share, map(tuple, rows))
    weights = await ask(connection, sql["weigh_parcels"], claiming.leased)
    wanted, rest = claiming.divide(weights)
    await ask(connection, sql["unclaim"], rest)
    found = await ask(connection, sql["read_parcels"], wanted)
    return parcels(found, destination=destination, lease=lease)


async def settle(
    connection: Connection,
    sql: Sql,
    numbers: PostgresNumbers,
    settlements: Sequence[Settlement],
    *,
    accounts: Accounts,
    now: int,
) -> Sequence[bool]:
    """Write what became of tries whose lease still holds."""
    if len({item.parcel.number for item in settlements}) < len(settlements):
        # Twice the same delivery in one statement: which of the two counts is anybody's guess.
        alone = [
            await settle(connection, sql, numbers, [item], accounts=accounts, now=now)
            for item in settlements
        ]
        return [held for [held] in alone]
    columns = sorted(settled_columns(item, now) for item in settlements)
    written = {row[0] for row in await ask(connection, sql["settle"], columns)}
    kept = [item for item in settlements if item.parcel.number in written]
    account(kept, numbers.destinations, accounts)
    await ask(connection, sql["insert_attempt"], attempts(kept, now))
    return [item.parcel.number in written for item in settlements]


async def amend(
    connection: Connection, sql: Sql, amendments: Sequence[Amendment]
) -> None:
    """Write another word on failed tries where nobody has had the delivery since."""
    await ask(connection, sql["amend"], [amended_columns(one) for one in amendments])


async def look_ahead(
    connection: Connection,
    sql: Sql,
    numbers: PostgresNumbers,
    name: str,
    after: Ahead | None,
    *,
    now: int,
    limit: int,
) -> Sequence[Ahead]:
    """Some of what is not due yet, and that nobody has claimed."""
    destination = numbers.destinations.get(name)
    if destination is None:
        return []
    waiting = await _waiting(connection, sql, destination)
    for queue, source, due_at, number in starts(waiting, after, now):
        values = (destination, queue, source, due_at, number, limit, now)
        rows = await connection.fetch(sql["look_ahead"], *values)
        if rows:
            return [ahead(tuple(row)) for row in rows]
    return []


async def next_due(
    connection: Connection,
    sql: Sql,
    numbers: PostgresNumbers,
    destination: str,
    queue: Queue | None,
) -> int | None:
    """When the earliest unclaimed delivery is due, of one queue or any."""
    number = numbers.destinations.get(destination)
    if number is None:
        return None
    return earliest(await _waiting(connection, sql, number), queue)


async def _waiting(
    connection: Connection, sql: Sql, destination: int
) -> list[tuple[int, int, int]]:
    """Queue, source, and when the earliest of it is due."""
    rows = await connection.fetch(sql["find_waiting"], destination)
    return [(row[0], row[1], row[2]) for row in rows]
