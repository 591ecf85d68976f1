"""The book of refusals: bounded, summed up, and never a place where bytes end."""

import asyncio
import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from structlog.testing import capture_logs

from relay.core.errors import StoreFullError
from relay.core.ports import Refusal
from relay.receive import refusals
from relay.receive.refusals import RefusalBook

BODY = b'{"token": "very secret"}'


@pytest.fixture(autouse=True)
def said() -> Iterator[list[Any]]:
    with capture_logs() as lines:
        yield lines


class Shelf:
    """Where refusals are written; does first what a test wants."""

    def __init__(self, before: Callable[[], None] = lambda: None) -> None:
        self.written: list[Refusal] = []
        self._before = before

    async def refuse(self, refusals: Sequence[Refusal], /) -> None:
        self._before()
        self.written += refusals


def _add(book: RefusalBook, *, peer: str = "203.0.113.9", now: int = 1) -> None:
    book.add(
        source="acme",
        channel="callback",
        reason="bad_signature",
        peer=peer,
        body=BODY,
        now=now,
    )


async def test_what_is_alike_is_one_line_with_the_first_and_last_time() -> None:
    shelf = Shelf()
    book = RefusalBook(shelf, lines_max=10)
    for now in (5, 6, 9):
        _add(book, now=now)
    await book.flush()
    [line] = shelf.written
    assert (line.count, line.first_seen, line.last_seen) == (3, 5, 9)
    assert (line.size, line.digest) == (len(BODY), hashlib.sha256(BODY).digest()[:16])


async def test_more_peers_than_lines_are_summed_up_as_others() -> None:
    shelf = Shelf()
    book = RefusalBook(shelf, lines_max=3)
    for number in range(50):
        _add(book, peer=f"203.0.113.{number}")
    await book.flush()
    assert len(shelf.written) == 4
    assert (shelf.written[-1].peer, shelf.written[-1].count) == ("others", 47)


async def test_neither_log_nor_record_holds_what_was_sent(said: list[Any]) -> None:
    shelf = Shelf()
    book = RefusalBook(shelf, lines_max=3)
    _add(book)
    await book.flush()
    assert "secret" not in f"{said}{shelf.written}"


async def test_a_store_that_cannot_take_them_stops_nothing(said: list[Any]) -> None:
    def full() -> None:
        raise StoreFullError("limits.store_bytes is reached")

    book = RefusalBook(Shelf(full), lines_max=3)
    _add(book)
    await book.flush()
    assert [line["event"] for line in said] == [
        "callbacks.refused",
        "refusals.unwritten",
    ]


@pytest.mark.parametrize("when", ["before it runs", "while it runs"])
async def test_stopping_writes_what_is_left(when: str) -> None:
    shelf = Shelf()
    book = RefusalBook(shelf, lines_max=3)
    _add(book)
    if when == "before it runs":
        book.stop()
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(book.run())
        await asyncio.wait([running], timeout=0)
        book.stop()
    assert [line.count for line in shelf.written] == [1]


async def test_what_comes_during_the_last_flush_but_one_is_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(refusals, "FLUSH_S", 0.01)

    def late() -> None:
        if not shelf.written:
            _add(book, peer="late")
            book.stop()

    shelf = Shelf(late)
    book = RefusalBook(shelf, lines_max=3)
    _add(book)
    async with asyncio.timeout(10):
        await book.run()
    assert [line.peer for line in shelf.written] == ["203.0.113.9", "late"]
