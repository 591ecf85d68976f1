"""Runs: what a group knows of the runs that it speaks of.

Owns each run as it was stored and as the group's receipts and answers leave it, the inquiry that hangs on
it, and the columns to write afterwards. Decides nothing: what a receipt makes of a run comes from core.
Knows no database.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

import msgspec

from relay.core.callback import Reading
from relay.core.identity import Outcome, RunKey
from relay.core.inquiry import InquiryState
from relay.core.run import NOTHING, Known, Waiting
from relay.record.codes import OUTCOME_CODES, OUTCOMES

__all__ = ["Identity", "InquiryRow", "RunRow", "RunRows"]

#: Number of the source, namespace, and id as it is stored.
Identity = tuple[int, int, bytes]


class InquiryRow(msgspec.Struct, frozen=True, kw_only=True):
    """The inquiry of a run, as it stands or as it is to be written."""

    state: InquiryState
    outcome: Outcome | None
    reasons: tuple[str, ...]
    #: The receipt that opened it; 0 where none did.
    receipt: int
    opened_at: int
    due_at: int
    asks: int = 0


class RunRow:
    """A run as this group sees it: as stored, then as each of its receipts left it."""

    __slots__ = (
        "asker",
        "closed",
        "destinations",
        "first_seen",
        "inquiry",
        "is_leased",
        "is_new",
        "known",
        "last",
        "number",
        "origin",
        "seen",
        "stored",
        "stored_inquiry",
    )

    def __init__(
        self,
        number: int,
        known: Known,
        *,
        origin: str,
        first_seen: int,
        is_new: bool,
        inquiry: InquiryRow | None = None,
        asker: int | None = None,
    ) -> None:
        self.number = number
        self.known = known
        self.stored = known
        self.origin = origin
        self.first_seen = first_seen
        self.is_new = is_new
        self.inquiry = inquiry
        self.stored_inquiry = inquiry
        #: The lease of whoever asks. It is the run's: one question may follow another while it is asked.
        self.asker = asker
        self.is_leased = asker is not None
        #: Outcomes that ended without an event in this group.
        self.closed = 0
        #: Receipts by digest and verdict code.
        self.seen: dict[tuple[bytes, int], int] = {}
        #: Numbers of the destinations that an event of this run was made for.
        self.destinations: set[int] = set()
        #: What the last event was built from, where somebody needs to compare.
        self.last: Reading | None = None

    def await_truth(
        self, waiting: Waiting, before: Waiting | None, *, receipt: int, at: int
    ) -> None:
        """Keep the inquiry in step with what the run waits for now."""
        inquiry = self.inquiry
        if inquiry is None or before is None or (before.held and not waiting.held):
            # A new question: whatever was asked of this run before has had its answer, or never will.
            inquiry = InquiryRow(
                state=InquiryState.WAITING,
                outcome=waiting.outcome,
                reasons=waiting.reasons,
                receipt=receipt,
                opened_at=at,
                due_at=at,
            )
        named = waiting.outcome is not None and waiting.outcome is not inquiry.outcome
        fuller = {*waiting.reasons} < {*inquiry.reasons}
        self.inquiry = msgspec.structs.replace(
            inquiry,
            outcome=waiting.outcome,
            reasons=waiting.reasons,
            # What would be published, were there no answer, is what named the outcome, or lacks less.
            receipt=receipt if named or fuller else inquiry.receipt,
        )

    def say_again(self, at: int) -> None:
        """A callback has named an end: whatever is answered to who asked before knows nothing of it."""
        if self.inquiry is not None:
            self.inquiry = msgspec.structs.replace(self.inquiry, due_at=at)


class RunRows:
    """The runs of one group, by identity."""

    def __init__(
        self,
        keys: Iterable[RunKey],
        source: Callable[[str], int],
        also: Iterable[Identity] = (),
    ) -> None:
        """``also`` are runs that nobody speaks of, and that are needed all the same."""
        self._identities: dict[RunKey, Identity] = {}
        self._rows: dict[Identity, RunRow] = {}
        self._by_number: dict[int, RunRow] = {}
        for key in keys:
            if key not in self._identities:
                identity = source(key.source), int(key.namespace), key.stored
                self._identities[key] = identity
        self._also = [*also]

    @property
    def identities(self) -> list[Identity]:
        """Every run spoken of or needed, once."""
        if not self._also:
            return list(self._identities.values())
        return list({*self._identities.values(), *self._also})

    def know(self, rows: Iterable[Sequence[Any]]) -> None:
        """Take what is stored of them.

        Columns: the identity, then number, client_ref, outcome, revision, origin, first_seen; then of the
        inquiry, all null where there is none: state, outcome, reasons, receipt, opened_at, due_at, asks,
        lease.
        """
        for row in rows:
            restored = _restored(row[3:])
            self._rows[cast("Identity", tuple(row[:3]))] = restored
            self._by_number[restored.number] = restored

    def stored(self, key: RunKey) -> RunRow | None:
        """The run of a key, if it is known."""
        return self._rows.get(self._identities[key])

    def has(self, number: int) -> bool:
        """Whether the stored run of a number is known."""
        return number in self._by_number

    def numbered(self, number: int) -> RunRow:
        """The stored run of a number."""
        return self._by_number[number]

    @property
    def known(self) -> Iterable[RunRow]:
        """Every stored run."""
        return self._by_number.values()

    def of(
        self, key: RunKey, *, origin: str, at: int, number: Callable[[], int]
    ) -> RunRow:
        """The run of a key; one that is not stored begins now."""
        identity = self._identities[key]
        row = self._rows.get(identity)
        if row is None:
            row = RunRow(number(), NOTHING, origin=origin, first_seen=at, is_new=True)
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
            (
                *_known_columns(row.known),
                row.origin,
                row.first_seen,
                row.closed,
                row.number,
            )
            for row in self._by_number.values()
            if row.known is not row.stored or row.closed
        ]

    def inquiries(self) -> list[tuple[object, ...]]:
        """Columns of inquiries that are new or look otherwise now."""
        return [
            (
                row.number,
                key[0],
                int(inquiry.state),
                OUTCOME_CODES[inquiry.outcome] if inquiry.outcome else None,
                json.dumps(inquiry.reasons),
                inquiry.receipt,
                inquiry.opened_at,
                inquiry.due_at,
                inquiry.asks,
            )
            for key, row in self._rows.items()
            if (inquiry := row.inquiry) and inquiry is not row.stored_inquiry
        ]

    def answered(self) -> list[tuple[object, ...]]:
        """Runs that are asked for no more."""
        return [
            (row.number,)
            for row in self._by_number.values()
            if row.stored_inquiry and row.inquiry is None
        ]

    def released(self) -> list[tuple[object, ...]]:
        """Runs whose inquiry goes on, and is held by nobody now."""
        return [
            (row.number,)
            for row in self._by_number.values()
            if row.is_leased and row.asker is None and row.inquiry is not None
        ]


def _restored(columns: Sequence[Any]) -> RunRow:
    number, client_ref, outcome, revision, origin, first_seen, *asked = columns
    *asked, asker = asked
    inquiry = None if asked[0] is None else _inquiry(asked)
    waiting = (
        Waiting(
            inquiry.outcome,
            inquiry.reasons,
            held=inquiry.state is InquiryState.HELD,
        )
        if inquiry and inquiry.state in (InquiryState.WAITING, InquiryState.HELD)
        else None
    )
    known = Known(
        client_ref=client_ref,
        outcome=OUTCOMES[outcome] if outcome else None,
        revision=revision,
        waiting=waiting,
    )
    return RunRow(
        number,
        known,
        origin=origin,
        first_seen=first_seen,
        is_new=False,
        inquiry=inquiry,
        asker=asker,
    )


def _inquiry(columns: Sequence[Any]) -> InquiryRow:
    state, named, reasons, receipt, opened_at, due_at, asks = columns
    return InquiryRow(
        state=InquiryState(state),
        outcome=OUTCOMES[named] if named else None,
        reasons=tuple(json.loads(reasons)),
        receipt=receipt,
        opened_at=opened_at,
        due_at=due_at,
        asks=asks,
    )


def _known_columns(known: Known) -> tuple[str | None, int | None, int]:
    outcome = OUTCOME_CODES[known.outcome] if known.outcome else None
    return known.client_ref, outcome, known.revision
