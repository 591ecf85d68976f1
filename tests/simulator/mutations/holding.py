"""Mistakes with destinations that are held, or behind: each shows only in histories in which one is.

Owns them and nothing else.
"""

import sqlite3
from collections.abc import Callable, Mapping
from typing import Any, Final

import pytest

import relay.record.holding
import relay.record.sqlite.backlog
import relay.record.sqlite.store
import relay.record.sqlite.writer
import relay.record.statements
from relay.deliver.worker import Courier
from relay.record.sqlite.numbers import SqliteNumbers

__all__ = ["MUTATIONS"]

Patch = pytest.MonkeyPatch


def claim_ignores_a_hold(patch: Patch) -> None:
    """And whoever claims does not know of it."""
    known = relay.record.statements.statements

    def forgetful(store: str) -> Mapping[str, str]:
        return {
            n: s.replace("t.hold IS NOT NULL", "0") for n, s in known(store).items()
        }

    patch.setattr(relay.record.sqlite.store, "statements", forgetful)
    patch.setattr(Courier, "hold", lambda *_, **__: None)


def what_is_in_memory_goes_all_the_same(patch: Patch) -> None:
    def hold(self: Courier, *, held: bool) -> None:
        if held:
            return
        self._poller.look()

    patch.setattr(Courier, "hold", hold)


def filling_skips_an_event(patch: Patch) -> None:
    known = relay.record.holding.filled

    def filled(rows: Any, *more: Any, **whose: Any) -> list[tuple[object, ...]]:
        return known(rows[1:], *more, **whose)

    patch.setattr(relay.record.sqlite.backlog, "filled", filled)


def caught_up_too_early(patch: Patch) -> None:
    """After one step, whatever is left."""
    known = relay.record.sqlite.backlog.fill

    def fill(connection: sqlite3.Connection, *more: Any, **how: Any) -> bool:
        known(connection, *more, **how)
        connection.execute("UPDATE destinations SET behind_from = NULL")
        numbers: SqliteNumbers = more[1]
        numbers.look()
        return False

    patch.setattr(relay.record.sqlite.writer, "fill", fill)


#: What is wrong, and the promises of which at least one has to be seen broken.
MUTATIONS: Final[Mapping[str, tuple[Callable[[Patch], None], str]]] = {
    "claim ignores a hold": (claim_ignores_a_hold, "Pause"),
    "what is in memory goes all the same": (
        what_is_in_memory_goes_all_the_same,
        "Pause",
    ),
    "filling skips an event": (filling_skips_an_event, "P3 P7"),
    "caught up too early": (caught_up_too_early, "P3 P7"),
}
