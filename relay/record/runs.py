"""Runs: what a group knows of the runs that its receipts speak of.

Owns each run as it was stored and as the group's receipts leave it, and the columns to write afterwards.
Decides nothing: what a receipt makes of a run comes from core. Knows no database.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

from relay.core.identity import RunKey
from relay.core.receipt import Receipt
from relay.core.run import NOTHING, Known, Waiting
from relay.record.codes import OUTCOME_CODES, OUTCOMES

__all__ = ["Identity", "RunRow", "RunRows"]

#: Number of the source, namespace, and id as it is stored.
Identity = tuple[int, int, bytes]


class RunRow:
    """A run as this group sees it: as stored, then as each of its receipts left it."""

    __slots__ = (
        "answered",
        "asked_by",
        "destinations",
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
        #: Receipts by digest and verdict code.
        self.seen: dict[tuple[bytes, int], int] = {}
        #: Numbers of the destinations that an event of this run was made for.
        self.destinations: set[int] = set()


class RunRows:
    """The runs of one group, by identity."""

    def __init__(self, keys: Iterable[RunKey], source: Callable[[str], int]) -> None:
        self._identities: dict[RunKey, Identity] = {}
        self._rows: dict[Identity, RunRow] = {}
        self._by_number: dict[int, RunRow] = {}
        for key in keys:
            if key not in self._identities:
                identity = source(key.source), int(key.namespace), key.stored
                self._identities[key] = identity

    @property
    def identities(self) -> list[Identity]:
        """Every run spoken of, once."""
        return list(self._identities.values())

    def know(self, rows: Iterable[Sequence[Any]]) -> None:
        """Take what is stored of them.

        Columns: the identity, then number, client_ref, outcome, revision, origin, first_seen, whether
        it waits, the outcome waited for, and why.
        """
        for row in rows:
            restored = _restored(row[3:])
            self._rows[cast("Identity", tuple(row[:3]))] = restored
            self._by_number[restored.number] = restored

    def stored(self, key: RunKey) -> RunRow | None:
        """The run of a key, if it is known."""
        return self._rows.get(self._identities[key])

    def numbered(self, number: int) -> RunRow:
        """The stored run of a number."""
        return self._by_number[number]

    @property
    def known(self) -> Iterable[RunRow]:
        """Every stored run."""
        return self._by_number.values()

    def of(self, key: RunKey, receipt: Receipt, number: Callable[[], int]) -> RunRow:
        """The run of a key; one that is not stored begins with this receipt."""
        identity = self._identities[key]
        row = self._rows.get(identity)
        if row is None:
            row = RunRow(
                number(),
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
            for row in self._by_number.values()
            if row.known is not row.stored
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
        return [(row.number,) for row in self._by_number.values() if row.answered]


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
