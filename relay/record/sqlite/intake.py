"""Intake: a group of receipts becomes rows.

Owns loading what is known of the runs spoken of, asking core what follows, and writing receipts,
runs, events and deliveries with one statement per table. Decides nothing about content itself.
"""

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from relay.core.callback import Reading, Unreadable
from relay.core.event import Facts
from relay.core.identity import RunKey, event_id
from relay.core.ports import Letter, Parcel, Receipt, Recorded
from relay.core.run import NOTHING, Known, Publication, Ruling, Verdict, Waiting, judge
from relay.record.codes import OUTCOME_CODES, OUTCOMES, VERDICT_CODES
from relay.record.sqlite.accounts import Accounts
from relay.record.sqlite.numbers import Numbers

__all__ = ["Intake"]

_FIRST: Final = VERDICT_CODES[Verdict.FIRST]
_DUPLICATE: Final = VERDICT_CODES[Verdict.DUPLICATE]


class _Row:
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


class Intake:
    """One group's receipts, gathered and then written."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        sql: Mapping[str, str],
        numbers: Numbers,
        *,
        accounts: Accounts,
        room: dict[str, int],
        lease: int,
    ) -> None:
        """``room`` is spent as leases are given."""
        self._db = connection
        self._sql = sql
        self._numbers = numbers
        self._accounts = accounts
        self._room = room
        self._lease = lease
        self._rows: dict[tuple[int, int, bytes], _Row] = {}
        self._quarantined: dict[tuple[int, bytes], int] = {}
        self._receipts: list[tuple[object, ...]] = []
        self._repeats: list[tuple[int, int]] = []
        self._events: list[tuple[object, ...]] = []
        self._deliveries: list[tuple[object, ...]] = []

    def take(self, receipts: Iterable[Receipt]) -> Sequence[Recorded]:
        """Judge receipts in order; nothing is written before :meth:`write`."""
        return [
            self._quarantine(receipt, receipt.reading)
            if isinstance(receipt.reading, Unreadable)
            else self._admit(receipt, receipt.reading)
            for receipt in receipts
        ]

    def write(self) -> None:
        """Write everything gathered, one statement per table, in the open transaction."""
        for name, values in (
            ("insert_run", self._new_runs()),
            ("update_run", self._changed_runs()),
            ("insert_receipt", self._receipts),
            ("repeat_receipt", self._repeats),
            # A run may have its answer and be contradicted again within one group.
            ("drop_waiting", self._answered_runs()),
            ("put_waiting", self._waiting_runs()),
            ("insert_event", self._events),
            ("insert_delivery", self._deliveries),
        ):
            if values:
                self._db.executemany(self._sql[name], values)

    def _new_runs(self) -> list[tuple[object, ...]]:
        return [
            (row.number, *key, *_known_columns(row.known), row.origin, row.first_seen)
            for key, row in self._rows.items()
            if row.is_new
        ]

    def _changed_runs(self) -> list[tuple[object, ...]]:
        return [
            (*_known_columns(row.known), row.number)
            for row in self._rows.values()
            if not row.is_new and row.known is not row.stored
        ]

    def _waiting_runs(self) -> list[tuple[object, ...]]:
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

    def _answered_runs(self) -> list[tuple[object, ...]]:
        return [(row.number,) for row in self._rows.values() if row.answered]

    def _quarantine(self, receipt: Receipt, unreadable: Unreadable) -> Recorded:
        source = self._numbers.source(receipt.source)
        known = (source, receipt.digest)
        number = self._quarantined.get(known)
        if number is None:
            found = self._db.execute(self._sql["find_quarantined"], known).fetchone()
            number = found[0] if found else None
        if number is None:
            number = self._keep(
                receipt, source, None, Verdict.QUARANTINED, [unreadable.reason]
            )
        else:
            self._repeats.append((receipt.received_at, number))
        self._quarantined[known] = number
        counts = self._accounts.sources[source]
        counts["receipts"] += 1
        counts["quarantined"] += 1
        return Recorded(verdict=Verdict.QUARANTINED, reasons=(unreadable.reason,))

    def _admit(self, receipt: Receipt, reading: Reading) -> Recorded:
        source = self._numbers.source(receipt.source)
        row = self._row(source, reading.key, receipt)
        before = row.known
        ruling = judge(before, reading)
        row.known = ruling.known
        waiting = ruling.known.waiting
        reasons = waiting.reasons if waiting else ()
        number = self._file(receipt, source, row, ruling.verdict, reasons)
        if waiting is None:
            row.answered |= row.stored.waiting is not None
        elif before.waiting is None:
            row.asked_by = (number, receipt.received_at)
        self._count(source, ruling, before)
        if ruling.publication is None:
            return Recorded(verdict=ruling.verdict, reasons=reasons)
        return self._publish(
            receipt,
            reading,
            row,
            receipt_number=number,
            verdict=ruling.verdict,
            publication=ruling.publication,
            source=source,
        )

    def _row(self, source: int, key: RunKey, receipt: Receipt) -> _Row:
        identity = (source, int(key.namespace), key.stored)
        row = self._rows.get(identity)
        if row is not None:
            return row
        found = self._db.execute(self._sql["find_run"], identity).fetchone()
        if found is None:
            row = _Row(
                self._numbers.take("runs"),
                NOTHING,
                origin=receipt.origin,
                first_seen=receipt.received_at,
                is_new=True,
            )
        else:
            number, ref, outcome, revision, origin, first_seen, waits, named, why = (
                found
            )
            waiting = (
                Waiting(OUTCOMES[named] if named else None, tuple(json.loads(why)))
                if waits
                else None
            )
            known = Known(
                client_ref=ref,
                outcome=OUTCOMES[outcome] if outcome else None,
                revision=revision,
                waiting=waiting,
            )
            row = _Row(
                number, known, origin=origin, first_seen=first_seen, is_new=False
            )
        self._rows[identity] = row
        return row

    def _file(
        self,
        receipt: Receipt,
        source: int,
        row: _Row,
        verdict: Verdict,
        reasons: Sequence[str],
    ) -> int:
        """Keep a receipt, or count it where equal bytes with the same verdict are kept already."""
        # The repeat of a first receipt is a duplicate, and is counted on the first one's row.
        code = _DUPLICATE if verdict is Verdict.FIRST else VERDICT_CODES[verdict]
        number = row.seen.get((receipt.digest, code))
        if number is None and not row.is_new:
            number = self._find_equal(row, receipt.digest, code)
        if number is None:
            number = self._keep(receipt, source, row.number, verdict, reasons)
        else:
            self._repeats.append((receipt.received_at, number))
        row.seen[receipt.digest, code] = number
        return number

    def _find_equal(self, row: _Row, digest: bytes, code: int) -> int | None:
        found = self._db.execute(
            self._sql["find_equal_receipt"],
            (row.number, digest, code, _FIRST if code == _DUPLICATE else code),
        ).fetchone()
        return found[0] if found else None

    def _keep(
        self,
        receipt: Receipt,
        source: int,
        run: int | None,
        verdict: Verdict,
        reasons: Sequence[str],
    ) -> int:
        number = self._numbers.take("receipts")
        self._receipts.append(
            (
                number,
                source,
                run,
                VERDICT_CODES[verdict],
                json.dumps(reasons) if reasons else None,
                receipt.channel,
                receipt.secret,
                receipt.digest,
                receipt.received_at,
                receipt.received_at,
                receipt.headers,
                receipt.body,
            )
        )
        return number

    def _publish(
        self,
        receipt: Receipt,
        reading: Reading,
        row: _Row,
        *,
        receipt_number: int,
        verdict: Verdict,
        publication: Publication,
        source: int,
    ) -> Recorded:
        letter = Letter(
            Facts(
                key=reading.key,
                outcome=publication.outcome,
                revision=publication.revision,
                origin=row.origin,
                confirmed=publication.confirmed,
                received_at=row.first_seen,
                reading=reading,
            )
        )
        event = self._numbers.take("events")
        destinations = self._destinations(receipt, letter, row, publication)
        self._events.append(
            (
                event,
                row.number,
                publication.revision,
                event_id(reading.key, publication.outcome, publication.revision).bytes,
                OUTCOME_CODES[publication.outcome],
                int(publication.confirmed),
                receipt_number,
                letter.facts.builder,
                json.dumps(list(destinations.values()), separators=(",", ":")),
                receipt.received_at,
            )
        )
        counts = self._accounts.sources[source]
        counts["events"] += 1
        counts["unrouted"] += not destinations
        deliveries = {
            name: self._deliver(
                receipt, letter, row, event=event, destination=(name, number)
            )
            for name, number in destinations.items()
        }
        return Recorded(
            verdict=verdict,
            letter=letter,
            parcels=tuple(parcel for parcel in deliveries.values() if parcel),
            stored_for=tuple(name for name, parcel in deliveries.items() if not parcel),
        )

    def _destinations(
        self, receipt: Receipt, letter: Letter, row: _Row, publication: Publication
    ) -> dict[str, int]:
        """Where the event goes: what its routes name, and who had an earlier revision."""
        numbers = self._numbers.destinations
        routed = {
            name: numbers[name] for name in receipt.router.route(lambda: letter.event)
        }
        if publication.revision > 1:
            earlier = self._db.execute(self._sql["earlier_destinations"], (row.number,))
            names = {number: name for name, number in numbers.items()}
            routed |= {names[number]: number for (number,) in earlier}
        return routed

    def _deliver(
        self,
        receipt: Receipt,
        letter: Letter,
        row: _Row,
        *,
        event: int,
        destination: tuple[str, int],
    ) -> Parcel | None:
        name, destination_number = destination
        number = self._numbers.take("deliveries")
        # Only a run's first event can have no predecessor that is still open.
        leased = letter.facts.revision == 1 and self._room.get(name, 0) > 0
        if leased:
            self._room[name] -= 1
        self._deliveries.append(
            (
                number,
                event,
                row.number,
                destination_number,
                self._numbers.epoch(destination_number),
                receipt.received_at,
                receipt.received_at,
                self._lease if leased else None,
            )
        )
        counts = self._accounts.destinations[destination_number]
        counts["created"] += 1
        counts["pending"] += 1
        if not leased:
            return None
        return Parcel(
            number=number,
            lease=self._lease,
            destination=name,
            generation=1,
            attempts=0,
            created_at=receipt.received_at,
            letter=letter,
        )

    def _count(self, source: int, ruling: Ruling, before: Known) -> None:
        counts = self._accounts.sources[source]
        counts["receipts"] += 1
        counts[ruling.verdict.value] += 1
        counts["opened"] += ruling.opened
        counts["waiting"] += (ruling.known.waiting is not None) - (
            before.waiting is not None
        )


def _known_columns(known: Known) -> tuple[str | None, int | None, int]:
    outcome = OUTCOME_CODES[known.outcome] if known.outcome else None
    return known.client_ref, outcome, known.revision
