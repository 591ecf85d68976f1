"""Intake: a group of receipts becomes rows.

Owns loading what is known of the runs spoken of, asking core what follows, and writing receipts,
runs, events and deliveries with one statement per table. Decides nothing about content itself.
"""

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Final

from relay.core.callback import Reading, Unreadable
from relay.core.event import Facts
from relay.core.identity import event_id_bytes
from relay.core.ports import Letter, Parcel, Recorded
from relay.core.receipt import Opened, Receipt
from relay.core.run import Known, Publication, Ruling, Verdict, judge
from relay.record.codes import OUTCOME_CODES, VERDICT_CODES
from relay.record.sqlite.accounts import Accounts
from relay.record.sqlite.numbers import Numbers
from relay.record.sqlite.rows import write_many
from relay.record.sqlite.runs import RunRow, RunRows

__all__ = ["Intake"]

_FIRST: Final = VERDICT_CODES[Verdict.FIRST]
_DUPLICATE: Final = VERDICT_CODES[Verdict.DUPLICATE]


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
        self._runs = RunRows(connection, sql, numbers)
        self._quarantined: dict[tuple[int, bytes], int] = {}
        self._receipts: list[tuple[object, ...]] = []
        self._repeats: list[tuple[int, int]] = []
        self._events: list[tuple[object, ...]] = []
        self._deliveries: list[tuple[object, ...]] = []

    def load(self, opened: Iterable[Opened]) -> None:
        """Find out what is known of every run that these receipts speak of, at once."""
        self._runs.load(
            item.reading.key for item in opened if isinstance(item.reading, Reading)
        )

    def take(self, opened: Iterable[Opened]) -> Sequence[Recorded]:
        """Judge loaded receipts in order; nothing is written before :meth:`write`."""
        return [
            self._quarantine(item, item.reading)
            if isinstance(item.reading, Unreadable)
            else self._admit(item, item.reading)
            for item in opened
        ]

    def write(self) -> None:
        """Write everything gathered, table by table, in the open transaction."""
        db, sql, runs = self._db, self._sql, self._runs
        write_many(db, sql["insert_run"], runs.new())
        write_many(db, sql["insert_receipt"], self._receipts)
        write_many(db, sql["insert_event"], self._events)
        write_many(db, sql["insert_delivery"], self._deliveries)
        for name, rows in (
            ("update_run", runs.changed()),
            ("repeat_receipt", self._repeats),
            # A run may have its answer and be contradicted again within one group.
            ("drop_waiting", runs.answered()),
            ("put_waiting", runs.waiting()),
        ):
            if rows:
                db.executemany(sql[name], rows)

    def _quarantine(self, opened: Opened, unreadable: Unreadable) -> Recorded:
        receipt = opened.receipt
        source = self._numbers.source(receipt.source)
        known = (source, opened.digest)
        number = self._quarantined.get(known)
        if number is None:
            found = self._db.execute(self._sql["find_quarantined"], known).fetchone()
            number = found[0] if found else None
        if number is None:
            number = self._keep(
                opened, source, None, Verdict.QUARANTINED, [unreadable.reason]
            )
        else:
            self._repeats.append((receipt.received_at, number))
        self._quarantined[known] = number
        counts = self._accounts.sources[source]
        counts["receipts"] += 1
        counts["quarantined"] += 1
        return Recorded(verdict=Verdict.QUARANTINED, reasons=(unreadable.reason,))

    def _admit(self, opened: Opened, reading: Reading) -> Recorded:
        receipt = opened.receipt
        source = self._numbers.source(receipt.source)
        row = self._runs.of(reading.key, receipt)
        before = row.known
        ruling = judge(before, reading)
        row.known = ruling.known
        waiting = ruling.known.waiting
        reasons = waiting.reasons if waiting else ()
        number = self._file(opened, source, row, ruling.verdict, reasons)
        if waiting is None:
            row.answered |= row.stored.waiting is not None
        elif before.waiting is None:
            row.asked_by = (number, receipt.received_at)
        self._count(source, ruling, before)
        if ruling.publication is None:
            return Recorded(verdict=ruling.verdict, key=reading.key, reasons=reasons)
        return self._publish(
            receipt,
            reading,
            row,
            receipt_number=number,
            verdict=ruling.verdict,
            publication=ruling.publication,
            source=source,
        )

    def _file(
        self,
        opened: Opened,
        source: int,
        row: RunRow,
        verdict: Verdict,
        reasons: Sequence[str],
    ) -> int:
        """Keep a receipt, or count it where equal bytes with the same verdict are kept already."""
        # The repeat of a first receipt is a duplicate, and is counted on the first one's row.
        code = _DUPLICATE if verdict is Verdict.FIRST else VERDICT_CODES[verdict]
        number = row.seen.get((opened.digest, code))
        if number is None and not row.is_new:
            number = self._find_equal(row, opened.digest, code)
        if number is None:
            number = self._keep(opened, source, row.number, verdict, reasons)
        else:
            self._repeats.append((opened.receipt.received_at, number))
        row.seen[opened.digest, code] = number
        return number

    def _find_equal(self, row: RunRow, digest: bytes, code: int) -> int | None:
        found = self._db.execute(
            self._sql["find_equal_receipt"],
            (row.number, digest, code, _FIRST if code == _DUPLICATE else code),
        ).fetchone()
        return found[0] if found else None

    def _keep(
        self,
        opened: Opened,
        source: int,
        run: int | None,
        verdict: Verdict,
        reasons: Sequence[str],
    ) -> int:
        receipt = opened.receipt
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
                opened.digest,
                receipt.received_at,
                receipt.received_at,
                opened.headers,
                receipt.body,
            )
        )
        return number

    def _publish(
        self,
        receipt: Receipt,
        reading: Reading,
        row: RunRow,
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
                event_id_bytes(reading.key, publication.outcome, publication.revision),
                OUTCOME_CODES[publication.outcome],
                int(publication.confirmed),
                receipt_number,
                letter.facts.builder,
                _listed(tuple(destinations.values())),
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
            key=reading.key,
            letter=letter,
            parcels=tuple(parcel for parcel in deliveries.values() if parcel),
            stored_for=tuple(name for name, parcel in deliveries.items() if not parcel),
        )

    def _destinations(
        self, receipt: Receipt, letter: Letter, row: RunRow, publication: Publication
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
        row: RunRow,
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


@cache
def _listed(numbers: tuple[int, ...]) -> str:
    """A JSON list of destinations' numbers."""
    return json.dumps(numbers, separators=(",", ":"))
