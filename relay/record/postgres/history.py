"""History: one run's rows, read from the database in one snapshot.

Owns which statements are asked. What the rows mean is the same for every store.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import asyncpg

from relay.core.errors import MisconfiguredError, StoreBusyError
from relay.core.timeline import Findings, FoundBy, History
from relay.record.history import (
    BOUNDS,
    COUNTED_MAX,
    LISTED_MAX,
    event_bytes,
    history,
    identity,
    quarantined,
    spellings,
)
from relay.record.postgres.connection import Connection, connect, schema_of
from relay.record.statements import migrations, statements

__all__ = ["find_in"]

#: What a question may end with: a refusal, a connection that broke, or the limit on a command.
_FAULTS: Final = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    OSError,
    TimeoutError,
)
#: Read with the bounds that they have in `BOUNDS`.
_PAST: Final = (
    "read_past_receipts",
    "read_past_asks",
    "read_past_events",
    "read_past_deliveries",
    "read_past_attempts",
)


async def find_in(url: str, text: str, source: str | None) -> Findings:
    """What the store in a database has under an id, an event's id or a ``client_ref``.

    Raises:
        MisconfiguredError: there is no store there, or it cannot be read.
        StoreBusyError: the database does not answer.
    """
    sql = await asyncio.to_thread(statements, "postgres")
    newest = len(await asyncio.to_thread(migrations, "postgres"))
    connection = await connect(url)
    try:
        known = await schema_of(connection)
        if not known:
            raise MisconfiguredError("there is no store in this database yet")
        if known < newest:
            raise MisconfiguredError(
                f"the store has schema {known}, this program reads {newest}: "
                "start the relay once, which brings it up to date"
            )
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            return await _Search(connection, sql, text, source).run()
    except _FAULTS as error:
        raise StoreBusyError(f"cannot read the store: {error}") from error
    finally:
        await connection.close()


class _Search:
    """One look at the store."""

    def __init__(
        self,
        connection: Connection,
        sql: Mapping[str, str],
        text: str,
        source: str | None,
    ) -> None:
        self._connection = connection
        self._sql = sql
        self._text = text
        self._source = source

    async def run(self) -> Findings:
        by, numbers, total = await self._find()
        hidden = await self._ask(
            "find_in_quarantine", *spellings(self._text), self._source, LISTED_MAX
        )
        return Findings(
            by=by,
            histories=tuple([await self._history(number) for number in numbers]),
            more=total - len(numbers),
            quarantined=quarantined(hidden),
        )

    async def _find(self) -> tuple[FoundBy | None, list[int], int]:
        named = identity(self._text)
        if named is not None:
            found = await self._ask("find_named_runs", *named, self._source)
            if found:
                return "id", [row[0] for row in found], len(found)
        stored_event = event_bytes(self._text)
        if stored_event is not None:
            found = await self._ask("find_run_of_event", stored_event, self._source)
            if found:
                return "event", [row[0] for row in found], len(found)
        if "\0" in self._text:
            # No text in this database has one.
            return None, [], 0
        found = await self._ask(
            "find_runs_of_ref", self._text, self._source, LISTED_MAX, COUNTED_MAX
        )
        if found:
            return "client_ref", [row[0] for row in found], found[0][1]
        return None, [], 0

    async def _history(self, number: int) -> History:
        [run] = await self._ask("read_run", number)
        past = {name: await self._ask(name, number, *BOUNDS[name]) for name in _PAST}
        last = await self._ask("read_last_events", [number])
        named = await self._ask("read_destinations")
        return history(run, past, named, last[0] if last else None)

    async def _ask(self, name: str, *values: object) -> list[tuple[Any, ...]]:
        found = await self._connection.fetch(self._sql[name], *values)
        return [tuple(row) for row in found]
