"""Connection: how the database is reached, judged and brought to the current schema.

Owns what a server must be to be trusted with an acknowledgement, the migrations, and what a pooler in
between changes. Every statement is in a transaction or stands alone: no session holds any state, so
that a pooler may give each transaction another server process.

Sources: PostgreSQL, "Write Ahead Log" (``fsync``, ``synchronous_commit``); PgBouncer, "Feature matrix".
"""

import asyncio
import secrets
from typing import Final, TypeAlias

import asyncpg

from relay.core.errors import MisconfiguredError, StoreBusyError
from relay.record.postgres.dialling import not_connected
from relay.record.statements import check_current, migrations

__all__ = [
    "COMMAND_S",
    "Connection",
    "begin",
    "check_readable",
    "connect",
    "inspect",
    "installation",
    "limit_idling",
    "migrate",
    "read_schema",
    "schema_of",
]

# A string, as the class is generic to type checkers only.
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

#: ``Rflw``: the key of the lock under which the schema is changed.
_LOCK: Final = 0x52666C77
OLDEST: Final = 140_000
CONNECT_S: Final = 5.0
#: For any statement; a server that hangs is left, and what it did is found out later.
COMMAND_S: Final = 30.0
#: For one step of the schema, which may have to rewrite a table.
MIGRATE_S: Final = 3600.0
#: How long the server keeps a transaction in which nothing happens, in milliseconds. A relay whose machine has
#: gone says nothing any more, and others would wait for its locks until TCP gives it up, in hours.
IDLE_MS: Final = 10_000


async def connect(url: str) -> Connection:
    """Open a connection.

    Raises:
        StoreBusyError: nobody answers there now.
        MisconfiguredError: somebody answers, and this will not work.
    """
    connection = await _dial(url, cached=0)
    try:
        if await _is_pooled(connection):
            return connection
        await connection.close()
    except BaseException as error:
        connection.terminate()
        if isinstance(error, (OSError, asyncpg.PostgresError, asyncpg.InterfaceError)):
            # A pooler lets everybody in, and looks for a server afterwards.
            raise not_connected(error) from error
        raise
    return await _dial(url, cached=256)


async def _dial(url: str, *, cached: int) -> Connection:
    try:
        return await asyncpg.connect(
            url,
            timeout=CONNECT_S,
            command_timeout=COMMAND_S,
            # A pooler gives the next transaction to another process, which knows no statement of ours.
            statement_cache_size=cached,
            server_settings={"application_name": "runflow-relay"},
        )
    except (
        OSError,
        ValueError,
        asyncpg.PostgresError,
        asyncpg.InterfaceError,
    ) as error:
        raise not_connected(error) from error


async def _is_pooled(connection: Connection) -> bool:
    """Whether somebody stands between us and the process that serves us."""
    serving = await connection.fetchval("SELECT pg_backend_pid()", timeout=CONNECT_S)
    return bool(serving != connection.get_server_pid())


async def inspect(connection: Connection) -> None:
    """See whether a commit there is what an acknowledgement rests on.

    Raises:
        MisconfiguredError: it is not.
    """
    [row] = await connection.fetch(
        "SELECT current_setting('server_version_num')::int AS version,"
        " current_setting('fsync') AS fsync, current_setting('full_page_writes') AS pages,"
        " current_setting('synchronous_commit') AS commit, pg_is_in_recovery() AS standby,"
        " current_setting('transaction_read_only') AS reads"
    )
    if row["version"] < OLDEST:
        raise MisconfiguredError("the database is older than PostgreSQL 14")
    if row["standby"]:
        raise MisconfiguredError("the database is a standby: nothing can be written")
    if row["reads"] == "on":
        raise MisconfiguredError(
            "the database is read-only for us (default_transaction_read_only=on)"
        )
    for name, value in (("fsync", row["fsync"]), ("full_page_writes", row["pages"])):
        if value == "off":
            raise MisconfiguredError(
                f"the database runs with {name}=off: what it says is committed may be lost"
            )
    if row["commit"] == "off":
        raise MisconfiguredError(
            "the database runs with synchronous_commit=off: what it says is committed may be lost"
        )


def limit_idling() -> str:
    """The statement by which the server ends this transaction if nothing is heard of us for long.

    A limit of the server's own that is shorter stays. For the transaction alone, as all that a pooler knows.
    """
    name = "idle_in_transaction_session_timeout"
    return (
        f"SELECT set_config('{name}', CASE WHEN current_setting('{name}')::interval"
        f" BETWEEN '1 ms' AND '{IDLE_MS} ms' THEN current_setting('{name}') ELSE '{IDLE_MS}' END, true)"
    )


async def begin(connection: Connection, first: str = "") -> None:
    """Begin a transaction that the server ends if nothing is heard of us for long.

    ``first`` is a statement that goes along, at no cost of a round trip.
    """
    await connection.execute(f"BEGIN; {limit_idling()}; {first}")


async def migrate(connection: Connection) -> tuple[int, int]:
    """Bring the schema to the newest number that this program knows, all of it or nothing.

    Gives its number before and after; 0 before where there was none.

    Raises:
        MisconfiguredError: it was written by a newer program.
    """
    steps = await asyncio.to_thread(migrations, "postgres")
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
        current = await schema_of(connection)
        for step in steps[current:]:
            await connection.execute(step.sql, timeout=MIGRATE_S)
        await connection.execute(
            "INSERT INTO meta (key, value) VALUES ('schema', $1)"
            " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            str(len(steps)),
        )
    return current, len(steps)


async def schema_of(connection: Connection) -> int:
    """The number of the schema; 0 where there is none yet.

    Raises:
        MisconfiguredError: it was written by a newer program.
    """
    newest = len(await asyncio.to_thread(migrations, "postgres"))
    current = await _version(connection)
    if current > newest:
        raise MisconfiguredError(
            f"the store has schema {current}, this program knows up to {newest}: "
            "start the newer program"
        )
    return current


async def read_schema(url: str) -> int:
    """The number of the schema of the store in a database; 0 where there is none yet.

    Raises:
        MisconfiguredError: the database cannot be used, or was written to by a newer program.
        StoreBusyError: the database does not answer.
    """
    connection = await connect(url)
    try:
        return await schema_of(connection)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        raise StoreBusyError(
            f"cannot read the store: {type(error).__name__}"
        ) from error
    finally:
        await connection.close()


async def check_readable(connection: Connection) -> None:
    """See whether there is a store that this program can read as it is.

    Raises:
        MisconfiguredError: there is none, or it has the schema of an older or a newer program.
    """
    schema = await schema_of(connection)
    if not schema:
        raise MisconfiguredError(
            "there is no store in this database yet: `relay serve` makes it"
        )
    await asyncio.to_thread(check_current, schema, "postgres")


async def _version(connection: Connection) -> int:
    if await connection.fetchval("SELECT to_regclass('meta')") is None:
        return 0
    found = await connection.fetchval("SELECT value FROM meta WHERE key = 'schema'")
    if found is None:
        raise MisconfiguredError("the table `meta` there is somebody else's")
    return int(found)


async def installation(connection: Connection) -> str:
    """The store's own random name, given at birth."""
    await connection.execute(
        "INSERT INTO meta (key, value) VALUES ('installation', $1) ON CONFLICT DO NOTHING",
        secrets.token_hex(8),
    )
    return str(
        await connection.fetchval("SELECT value FROM meta WHERE key = 'installation'")
    )
