"""Letters: deliveries that have ended are looked at in the database.

Owns how a statement is asked, and the order of its values. What is asked, and what it means, is the same for
every store.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import asyncpg

from relay.core.errors import StoreBusyError
from relay.record.letters import BaseLetters, not_there
from relay.record.postgres.connection import check_readable, connect
from relay.record.statements import statements

__all__ = ["PostgresLetters"]

#: What a question may end with: a refusal, a connection that broke, or the limit on a command.
_FAULTS: Final = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    OSError,
    TimeoutError,
)
_TOLD: Final = (
    "named", "origin", "source", "outcome", "since", "until", "events", "missing", "low",
    "high",
)  # fmt: skip
#: The values of each statement, in their order.
_VALUES: Final[Mapping[str, tuple[str, ...]]] = {
    "list_dead": (
        "at", "before", "origin", "source", "outcome", "reason", "since", "until",
        "events", "limit",
    ),
    "sum_dead": (
        "origin", "source", "outcome", "reason", "since", "until", "events", "target",
    ),
    "find_span": ("since", "until"),
    "list_told": (*_TOLD, "limit"),
    "sum_told": (*_TOLD, "target"),
    "list_replays": ("number", "limit"),
    "count_replayed": ("number",),
    "find_event": ("id",),
    "find_events_of_runs": ("runs", "limit"),
    "find_event_of_delivery": ("number",),
    "find_named_runs": ("run", "batch", "id", "source"),
    "find_runs_of_ref": ("client_ref", "source", "limit", "counted"),
    "list_quarantine": ("before", "low", "high", "source", "reasons", "limit"),
    "next_quarantined": ("after", "low", "high", "source", "reasons", "limit"),
    "sum_quarantine": ("source", "reasons"),
    "read_quarantined": ("number",),
    "read_sources": (),
    "read_destinations": (),
}  # fmt: skip


class PostgresLetters(BaseLetters):
    """Looks into one database. Nothing is kept open in between."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def ask(self, name: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """See :class:`BaseLetters`."""
        sql = await asyncio.to_thread(statements, "postgres")
        given = [values[key] for key in _VALUES[name]]
        connection = await connect(self._url)
        try:
            await check_readable(connection)
            return [tuple(row) for row in await connection.fetch(sql[name], *given)]
        except (asyncpg.DataError, OverflowError, UnicodeError) as error:
            raise not_there(error) from error
        except _FAULTS as error:
            raise StoreBusyError(f"cannot read the store: {error}") from error
        finally:
            await connection.close()
