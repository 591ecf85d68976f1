"""Ledger: the counters in the database, and the recount that must agree with them.

Owns reading the account, and counting the rows again by another way, both in one snapshot.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

import asyncpg

from relay.core.credential import KeyUse
from relay.core.errors import StoreBusyError
from relay.core.holding import Condition
from relay.core.ledger import (
    DESTINATION_COUNTERS,
    SOURCE_COUNTERS,
    DestinationCounts,
    Ledger,
    SourceCounts,
)
from relay.record.accounts import FOLDS
from relay.record.postgres.connection import (
    COMMAND_S,
    Connection,
    check_readable,
    connect,
)
from relay.record.postgres.holding import read_conditions
from relay.record.statements import statements

__all__ = [
    "fold",
    "is_empty",
    "read_conditions_of",
    "read_ledger_of",
    "read_uses_of",
    "recount_of",
]

_COUNTED: Final = ("ledger_sources", "ledger_destinations")
_RECOUNTED: Final = ("recount_sources", "recount_destinations")
#: ``Rflz``: the key of the lock under which counters are added up.
_FOLD: Final = 0x52666C7A
#: What a database does to who reads it; a limit of time is an OSError.
_UNREADABLE: Final = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError)
#: Counting anew looks at every row, and may take as long as there are many; seconds.
RECOUNT_S: Final = 3600.0


async def fold(connection: Connection, sql: Mapping[str, str]) -> None:
    """Add up the counters of starts that are over: they are as many as names and relays, not as starts."""
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _FOLD)
        for take, add in FOLDS:
            over = await connection.fetch(sql[take])
            await connection.executemany(sql[add], [(0, *row) for row in over])


async def is_empty(url: str) -> bool:
    """Whether there is nothing yet where a store would be made, be it of a relay or of somebody else.

    Raises:
        MisconfiguredError: the database cannot be used.
        StoreBusyError: the database does not answer.
    """
    connection = await connect(url)
    try:
        found = await connection.fetchval(
            "SELECT count(*) FROM pg_class JOIN pg_namespace AS n ON n.oid = relnamespace"
            " WHERE n.nspname = current_schema()"
        )
        return bool(found == 0)
    except _UNREADABLE as error:
        raise _unreadable(connection, error) from error
    finally:
        await connection.close()


async def read_ledger_of(url: str) -> Ledger:
    """The account as the counters have it.

    Raises:
        MisconfiguredError: there is no store there, or not one of this program's schema.
        StoreBusyError: the database does not answer.
    """
    return (await _snapshot(url, _COUNTED))[0]


async def recount_of(url: str) -> tuple[Ledger, Ledger]:
    """The account as the counters have it and as the rows have it, both at the same moment.

    Raises:
        MisconfiguredError: there is no store there, or not one of this program's schema.
        StoreBusyError: the database does not answer.
    """
    counted, recounted = await _snapshot(url, _COUNTED, _RECOUNTED)
    return counted, recounted


async def read_conditions_of(url: str) -> Sequence[Condition]:
    """How the destinations of a store stand.

    Raises:
        MisconfiguredError: there is no store there, or not one of this program's schema.
        StoreBusyError: the database does not answer.
    """
    connection = await connect(url)
    try:
        await check_readable(connection)
        sql = await asyncio.to_thread(statements, "postgres")
        return await read_conditions(connection, sql)
    except _UNREADABLE as error:
        raise _unreadable(connection, error) from error
    finally:
        await connection.close()


async def read_uses_of(url: str) -> Sequence[KeyUse]:
    """What each secret has signed, of the callbacks that the store keeps.

    Raises:
        MisconfiguredError: there is no store there, or not one of this program's schema.
        StoreBusyError: the database does not answer.
    """
    connection = await connect(url)
    try:
        await check_readable(connection)
        sql = await asyncio.to_thread(statements, "postgres")
        rows = await connection.fetch(sql["key_uses"], timeout=RECOUNT_S)
        return [KeyUse(*row) for row in rows]
    except _UNREADABLE as error:
        raise _unreadable(connection, error) from error
    finally:
        await connection.close()


async def _snapshot(url: str, *ways: tuple[str, str]) -> list[Ledger]:
    connection = await connect(url)
    try:
        await check_readable(connection)
        sql = await asyncio.to_thread(statements, "postgres")
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            await connection.execute(sql["lock_for_counting"])
            return [await _read(connection, sql, way) for way in ways]
    except _UNREADABLE as error:
        raise _unreadable(connection, error) from error
    finally:
        await connection.close()


def _unreadable(connection: Connection, error: Exception) -> StoreBusyError:
    if isinstance(error, asyncpg.PostgresError):
        return StoreBusyError(f"cannot read the store: {error}")
    # The way to it is broken: whoever says goodbye would wait once more.
    connection.terminate()
    return StoreBusyError(f"cannot read the store: {type(error).__name__}")


async def _read(
    connection: Connection, sql: Mapping[str, str], way: tuple[str, str]
) -> Ledger:
    limit_s = RECOUNT_S if way is _RECOUNTED else COMMAND_S
    sources, destinations = [
        await connection.fetch(sql[name], timeout=limit_s) for name in way
    ]
    return Ledger(
        sources={
            name: SourceCounts(**dict(zip(SOURCE_COUNTERS, counts, strict=True)))
            for name, *counts in map(tuple, sources)
        },
        destinations={
            name: DestinationCounts(
                **dict(zip(DESTINATION_COUNTERS, counts, strict=True))
            )
            for name, *counts in map(tuple, destinations)
        },
    )
