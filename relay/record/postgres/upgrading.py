"""Upgrading: the database's tables are brought up to date by a command, beside the relays that serve it.

Owns doing so on a connection of its own. What a step changes is in the migrations.
"""

from asyncpg import InterfaceError, PostgresError

from relay.record.postgres.connection import connect, inspect, migrate
from relay.record.postgres.dialling import not_connected

__all__ = ["upgrade"]


async def upgrade(url: str) -> tuple[int, int]:
    """Give the number of the schema before and after; 0 before where there was none.

    Raises:
        MisconfiguredError: not a database that can be trusted, or newer than this program.
        StoreBusyError: the database does not answer.
    """
    connection = await connect(url)
    try:
        await inspect(connection)
        return await migrate(connection)
    except (OSError, PostgresError, InterfaceError) as error:
        connection.terminate()
        raise not_connected(error) from error
    finally:
        await connection.close()
