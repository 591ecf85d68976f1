"""Shelf: where one leg's relay keeps everything, and looking at it from outside.

Owns the store's URL for each leg, a PostgreSQL where that is asked for, and reading rows and the account by
statements that both kinds of store understand. Must not know what is measured.
"""

import asyncio
import itertools
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

import asyncpg

from relay.app.stores import read_ledger
from relay.core.ledger import Ledger
from relay.settings import Place
from relay.settings.store import StoreForm
from tests.postgres.local_postgres import LocalPostgres

__all__ = ["STORES", "Shelf", "Shelves", "open_shelves"]

STORES: Final = ("sqlite", "postgres")
#: As a small production server would have it; everything that makes a commit durable stays on.
_SERVER: Final = {
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
}


class Shelf:
    """One store, seen from outside."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._place = Place(store=StoreForm().read(url))

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """What a statement finds."""
        if self._place.store.file is None:
            return asyncio.run(_fetch(self.url, sql))
        path = self._place.store_path
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            return connection.execute(sql).fetchall()

    def write(self, *statements: str) -> None:
        """Change rows in one transaction, while nothing serves the store."""
        if self._place.store.file is None:
            asyncio.run(_execute(self.url, statements))
            return
        with closing(sqlite3.connect(self._place.store_path)) as connection, connection:
            for statement in statements:
                connection.execute(statement)

    def account(self) -> Ledger:
        """The ledger's counters."""
        return asyncio.run(read_ledger(self._place))


#: Gives each leg, by its directory, a fresh store.
Shelves = Callable[[Path], Shelf]


@contextmanager
def open_shelves(kind: str) -> Iterator[Shelves]:
    """Get ready what several legs share. A server runs on the cores that are ours."""
    if kind == "sqlite":
        yield lambda directory: Shelf(f"sqlite:///{directory / 'relay.db'}")
        return
    numbers = itertools.count()
    with LocalPostgres(settings=_SERVER) as server:

        def fresh(_: Path) -> Shelf:
            name = f"leg_{next(numbers)}"
            asyncio.run(server.create_database(name))
            return Shelf(server.url(name))

        yield fresh


async def _execute(url: str, statements: tuple[str, ...]) -> None:
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            for statement in statements:
                await connection.execute(statement)
    finally:
        await connection.close()


async def _fetch(url: str, sql: str) -> list[tuple[Any, ...]]:
    connection = await asyncpg.connect(url)
    try:
        return [tuple(row) for row in await connection.fetch(sql)]
    finally:
        await connection.close()
