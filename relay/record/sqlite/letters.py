"""Letters: deliveries that have ended are looked at in the file, whether or not a relay is serving it.

Owns how a statement is asked. What is asked, and what it means, is the same for every store.
"""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from relay.record.letters import BaseLetters, not_there
from relay.record.sqlite.connection import reading, schema_of
from relay.record.statements import check_current, statements

__all__ = ["SqliteLetters"]


class SqliteLetters(BaseLetters):
    """Looks into one file. Nothing is kept open in between."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._sql: Mapping[str, str] | None = None

    async def ask(self, name: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """See :class:`BaseLetters`."""
        return await asyncio.to_thread(self._fetch, name, values)

    def _fetch(self, name: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        given = {
            key: json.dumps(value) if isinstance(value, list | tuple) else value
            for key, value in values.items()
        }
        with reading(self._path) as connection:
            if self._sql is None:
                check_current(schema_of(connection), "sqlite")
                self._sql = statements("sqlite")
            try:
                return connection.execute(self._sql[name], given).fetchall()
            except (OverflowError, UnicodeError) as error:
                raise not_there(error) from error
