"""Runs: what a group knows of the runs that its receipts speak of.

Owns loading them in one go, keeping each as the group's receipts leave it, and the columns to write
afterwards. Decides nothing: what a receipt makes of a run comes from core.
"""

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from relay.core.identity import RunKey
from relay.core.receipt import Receipt
from relay.core.run import NOTHING, Known, Waiting
from relay.record.codes import OUTCOME_CODES, OUTCOMES
from relay.record.sqlite.numbers import Numbers
from relay.record.sqlite.rows import ask_many

__all__ = ["RunRow", "RunRows"]

Identity = tuple[int, int, bytes]


class RunRow:
    """A run as this group sees it: as stored, then as each of its receipts left it."""

    __slots__ = (
        "answered",
        "asked_by",
        "first_seen",
        "is_new",
        "known",
        "number",
        "origin",
        "seen",
        "stored",
    )

    def __init__(
        self, number: int, known: Known, *, origin: str, first_seen: int, is_new: bool
    ) -> None:
        self.number = number
        self.known = known
        self.stored = known
        self.origin = origin
        self.first_seen = first_seen
        self.is_new = is_new
        #: Whether what the run was stored as waiting for has come.
        self.answered = False
        #: The receipt that opened what the run waits for, and when it came.
        self.asked_by = (0, 0)
        #: Receipts of this group by digest and verdict code.
        self.seen: dict[tuple[bytes, int], int] = {}


class RunRows:
    """The runs of one group, by identity."""

    def __init__(
        self, connection: sqlite3.Connection, sql: Mapping[str, str], numbers: Numbers
    ) -> None:
        self._db = connection
        self._sql = sql
        self._numbers = numbers
        self._identities: dict[RunKey, Identity] = {}
        self._rows: dict[Identity, RunRow] = {}

    def load(self, keys: Iterable[RunKey]) -> None:
        """Read what is stored of these runs."""
        for key in keys:
            if key not in self._identities:
                source = self._numbers.source(key.source)
                self._identities[key] = source, int(key.namespace), key.stored
        wanted = list(self._identities.values())
        for row in ask_many(self._db, self._sql["find_runs"], wanted):
            identity = cast("Identity", row[:3])
            self._rows[identity] = _restored(row[3:])

    def of(self, key: RunKey, receipt: Receipt) -> RunRow:
        """The run of a loaded key; one that is not stored begins with this receipt."""
        identity = self._identities[key]
        row = self._rows.get(identity)
        if row is None:
            row = RunRow(
                self._numbers.take("runs"),
                NOTHING,
                origin=receipt.origin,
                first_seen=receipt.received_at,
                is_new=True,
            )
            self._rows[identity] = row
        return row

    def new(self) -> list[tuple[object, ...]]:
        """Columns of runs that were not known before."""
        return [
            (row.number, *key, *_known_columns(row.known), row.origin, row.first_seen)
            for key, row in self._rows.items()
            if row.is_new
        ]

    def changed(self) -> list[tuple[object, ...]]:
        """Columns of known runs that look otherwise now."""
        return [
            (*_known_columns(row.known), row.number)
            for row in self._rows.values()
            if not row.is_new and row.known is not row.stored
        ]

    def waiting(self) -> list[tuple[object, ...]]:
        """Columns of runs that now wait for the truth."""
        return [
            (
                row.number,
                OUTCOME_CODES[waiting.outcome] if waiting.outcome else None,
                json.dumps(waiting.reasons),
                *row.asked_by,
            )
            for row in self._rows.values()
            if (waiting := row.known.waiting) and waiting is not row.stored.waiting
        ]

    def answered(self) -> list[tuple[object, ...]]:
        """Runs that waited and have their answer."""
        return [(row.number,) for row in self._rows.values() if row.answered]


def _restored(columns: Sequence[Any]) -> RunRow:
    number, client_ref, outcome, revision, origin, first_seen, *waits = columns
    is_waiting, named, reasons = waits
    waiting = (
        Waiting(OUTCOMES[named] if named else None, tuple(json.loads(reasons)))
        if is_waiting
        else None
    )
    known = Known(
        client_ref=client_ref,
        outcome=OUTCOMES[outcome] if outcome else None,
        revision=revision,
        waiting=waiting,
    )
    return RunRow(number, known, origin=origin, first_seen=first_seen, is_new=False)


def _known_columns(known: Known) -> tuple[str | None, int | None, int]:
    outcome = OUTCOME_CODES[known.outcome] if known.outcome else None
    return known.client_ref, outcome, known.revision
