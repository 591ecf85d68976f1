"""The shared store in a database of its own, for the law and for the state machine."""

import asyncio
import queue
import re
import threading
from collections.abc import Coroutine
from dataclasses import replace
from itertools import count
from typing import Any, TypeVar

import asyncpg

from relay.core.ledger import Ledger
from relay.core.timeline import Findings
from relay.record.grouped import Limits
from relay.record.postgres.connection import Connection
from relay.record.postgres.history import find_in
from relay.record.postgres.ledger import read_ledger_of, recount_of
from relay.record.postgres.letters import PostgresLetters
from relay.record.postgres.store import PostgresStore
from tests.record.harness import StoreHarness

__all__ = ["PostgresHarness"]

T = TypeVar("T")


class PostgresHarness(StoreHarness):
    """A database. A process that dies leaves its connections to be closed, and its leases to expire."""

    def __init__(self, url: str, *, looking: str | None = None) -> None:
        """``looking`` is the way of those who look behind the store's back."""
        super().__init__()
        self.url = url
        self._look = _Look(looking or url)
        self._looking = _Looker()

    def make(self) -> PostgresStore:
        return PostgresStore(
            self.url,
            clock=self.clock,
            checkpoints=self.checkpoints,
            metrics=self.metrics,
            handover=self.handover,
            limits=Limits(
                group_size=self.bounds.group_size,
                waiting=self.bounds.waiting,
                ack_timeout_s=self.bounds.ack_timeout_s,
                refusals_kept=self.bounds.refusals_kept,
                keeping=self.keeping,
            ),
            router=lambda: self.router,
        )

    async def abandon(self) -> None:
        assert isinstance(self.store, PostgresStore)
        thread, self.store._thread = self.store._thread, None
        if thread is not None:
            await thread.run(_die(self.store))
            thread.close()
        # As if ten seconds had gone by: nobody beats for it any more.
        await self.execute(
            "UPDATE incarnations SET expires_at = now() - interval '1 second' WHERE number = ?",
            self.store.incarnation,
        )

    async def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        return await asyncio.to_thread(
            self._looking.run, self._look.fetch(_numbered(sql), values)
        )

    async def execute(self, sql: str, *values: object) -> None:
        await self.rows(sql, *values)

    async def next_number(self, table: str) -> int:
        [(number,)] = await self.rows("SELECT nextval(?::regclass)", f"{table}_numbers")
        return int(number)

    def committed(self, table: str) -> int:
        sql = f"SELECT COUNT(*) FROM {table}"  # noqa: S608 - a test's own word
        [(found,)] = self._looking.run(self._look.fetch(sql, ()))
        return int(found)

    async def ledger(self) -> Ledger:
        return await asyncio.to_thread(self._looking.run, read_ledger_of(self.url))

    async def recount(self) -> Ledger:
        _, recounted = await asyncio.to_thread(self._looking.run, recount_of(self.url))
        return recounted

    async def find(self, text: str, source: str | None) -> Findings:
        return await asyncio.to_thread(
            self._looking.run, find_in(self.url, text, source)
        )

    def leave_full(self, *, full: bool = True) -> None:
        assert isinstance(self.store, PostgresStore)
        # Somebody may be looking at the size just now, and compares what he finds with this.
        room = 0 if full else 1 << 40
        self.store._limits = replace(self.store._limits, store_bytes=room)
        self.store._full = "a limit is reached" if full else None

    def letters(self) -> PostgresLetters:
        return PostgresLetters(self.url)

    async def vanish(self) -> None:
        self.checkpoints.clear()
        await self.finish_running()
        await self.store.close()
        await asyncio.to_thread(self._looking.run, self._look.close())
        self._looking.close()


async def _die(store: PostgresStore) -> None:
    """End as a killed process does: connections break off, and nothing is said."""
    if store._leases is not None and store._leases._beating is not None:
        store._leases._beating.cancel()
        store._leases._beating = None
    for holder in (store._leases, store._writer, store._forgetting):
        if holder is not None and holder._connection is not None:
            holder._connection.terminate()
            holder._connection = None


class _Look:
    """A connection for looking behind the store's back, made again when it broke off."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: Connection | None = None

    async def fetch(
        self, sql: str, values: tuple[object, ...]
    ) -> list[tuple[Any, ...]]:
        if self._connection is None or self._connection.is_closed():
            self._connection = await asyncpg.connect(self._url, statement_cache_size=0)
        try:
            found = await self._connection.fetch(sql, *values)
        except (asyncpg.PostgresConnectionError, asyncpg.InterfaceError, OSError):
            self._connection.terminate()
            self._connection = await asyncpg.connect(self._url, statement_cache_size=0)
            found = await self._connection.fetch(sql, *values)
        return [tuple(row) for row in found]

    async def close(self) -> None:
        if self._connection is not None:
            self._connection.terminate()


def _numbered(sql: str) -> str:
    """The law writes its looks with question marks."""
    numbers = count(1)
    return re.sub(r"\?", lambda _: f"${next(numbers)}", sql)


class _Looker:
    """Runs coroutines on a thread of its own, for whoever has no loop to run them on."""

    def __init__(self) -> None:
        self._asked: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        answer: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._asked.put((work, answer))
        result, error = answer.get()
        if error is not None:
            raise error
        found: T = result
        return found

    def close(self) -> None:
        self._asked.put(None)

    def _serve(self) -> None:
        with asyncio.Runner() as runner:
            while (asked := self._asked.get()) is not None:
                work, answer = asked
                try:
                    answer.put((runner.run(work), None))
                except Exception as error:  # noqa: BLE001 - it is the asker's
                    answer.put((None, error))
