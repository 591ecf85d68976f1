"""History: one run's rows, read from the file whether or not a relay is serving it.

Owns which statements are asked, in one snapshot. What the rows mean is the same for every store.
"""

import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from relay.core.errors import MisconfiguredError
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
from relay.record.sqlite.connection import reading, schema_of
from relay.record.statements import migrations, statements

__all__ = ["find_in"]

#: Read with the bounds that they have in `BOUNDS`.
_PAST: Final = (
    "read_past_receipts",
    "read_past_asks",
    "read_past_events",
    "read_past_deliveries",
    "read_past_attempts",
)


def find_in(path: Path, text: str, source: str | None) -> Findings:
    """What the store in a file has under an id, an event's id or a ``client_ref``.

    Raises:
        MisconfiguredError: there is no store there, or it cannot be read.
    """
    with reading(path) as connection:
        known, newest = schema_of(connection), len(migrations("sqlite"))
        if known < newest:
            raise MisconfiguredError(
                f"the store has schema {known}, this program reads {newest}: "
                "start the relay once, which brings it up to date"
            )
        return _Search(connection, text, source).run()


class _Search:
    """One look at the store."""

    def __init__(
        self, connection: sqlite3.Connection, text: str, source: str | None
    ) -> None:
        self._connection = connection
        self._sql = statements("sqlite")
        self._text = text
        self._source = source

    def run(self) -> Findings:
        by, numbers, total = self._find()
        as_given, lower, upper = spellings(self._text)
        hidden = self._ask(
            "find_in_quarantine",
            as_given=as_given,
            lower=lower,
            upper=upper,
            limit=LISTED_MAX,
        )
        return Findings(
            by=by,
            histories=tuple(self._history(number) for number in numbers),
            more=total - len(numbers),
            quarantined=quarantined(hidden),
        )

    def _find(self) -> tuple[FoundBy | None, list[int], int]:
        named = identity(self._text)
        if named is not None:
            run, batch, stored = named
            found = self._ask("find_named_runs", run=run, batch=batch, id=stored)
            if found:
                return "id", [row[0] for row in found], len(found)
        stored_event = event_bytes(self._text)
        if stored_event is not None:
            found = self._ask("find_run_of_event", id=stored_event)
            if found:
                return "event", [row[0] for row in found], len(found)
        found = self._ask(
            "find_runs_of_ref",
            client_ref=self._text,
            limit=LISTED_MAX,
            counted=COUNTED_MAX,
        )
        if found:
            return "client_ref", [row[0] for row in found], found[0][1]
        return None, [], 0

    def _history(self, number: int) -> History:
        [run] = self._ask("read_run", run=number)
        past: Mapping[str, list[tuple[Any, ...]]] = {
            name: self._ask(
                name, run=number, first=BOUNDS[name][0], last=BOUNDS[name][1]
            )
            for name in _PAST
        }
        last = self._connection.execute(self._sql["read_last_events"], (number,))
        return history(run, past, self._ask("read_destinations"), last.fetchone())

    def _ask(self, name: str, **values: object) -> list[tuple[Any, ...]]:
        given = {"source": self._source, **values}
        return self._connection.execute(self._sql[name], given).fetchall()
