"""Intake: a group of receipts becomes rows.

Owns what a store has to look up before a group can be judged, asking core what follows, and gathering
the rows to be written, table by table. Knows no database, and decides nothing about content itself.
"""

import json
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, Final

from relay.core.callback import Reading, Unreadable
from relay.core.event import Facts
from relay.core.identity import event_id_bytes
from relay.core.ports import Letter, Parcel, Recorded
from relay.core.receipt import Opened, Receipt
from relay.core.run import Known, Publication, Ruling, Verdict, judge
from relay.record.accounts import Accounts
from relay.record.codes import OUTCOME_CODES, VERDICT_CODES
from relay.record.numbers import Numbers
from relay.record.runs import Identity, RunRow, RunRows

__all__ = ["Intake"]

Columns = tuple[object, ...]

_FIRST: Final = VERDICT_CODES[Verdict.FIRST]
_DUPLICATE: Final = VERDICT_CODES[Verdict.DUPLICATE]


class Intake:
    """One group's receipts.

    A store asks for :attr:`identities`, :attr:`repeatable` and so on, looks them up, says what it found,
    lets every job :meth:`take` its receipts, and writes the rows.
    """

    def __init__(
        self,
        opened: Sequence[Opened],
        numbers: Numbers,
        *,
        accounts: Accounts,
        room: dict[str, int],
        lease: int,
    ) -> None:
        """``room`` is spent as leases are given."""
        self._opened = opened
        self._numbers = numbers
        self._accounts = accounts
        self._room = room
        self._lease = lease
        self._runs = RunRows(
            (item.reading.key for item in opened if isinstance(item.reading, Reading)),
            numbers.source,
        )
        self._quarantined: dict[tuple[int, bytes], int] = {}
        self._names = {number: name for name, number in numbers.destinations.items()}
        self.receipts: list[Columns] = []
        #: When an equal one was seen, and the number of the row that counts it.
        self.repeats: list[tuple[int, int]] = []
        self.events: list[Columns] = []
        self.deliveries: list[Columns] = []

    # --- what has to be looked up, in this order --------------------------------------------------

    @property
    def identities(self) -> Sequence[Identity]:
        """The runs spoken of."""
        return self._runs.identities

    def know_runs(self, rows: Iterable[Sequence[Any]]) -> None:
        """Take those that are stored; see :meth:`RunRows.know`."""
        self._runs.know(rows)

    @property
    def repeatable(self) -> Sequence[tuple[int, bytes]]:
        """Run and digest of what may have been received before, byte for byte."""
        return [
            (row.number, item.digest)
            for item in self._opened
            if isinstance(item.reading, Reading)
            and (row := self._runs.stored(item.reading.key)) is not None
        ]

    def know_receipts(self, rows: Iterable[Sequence[Any]]) -> None:
        """Take equal ones: run, digest, verdict, number."""
        for run, digest, verdict, number in rows:
            # The repeat of a first receipt is a duplicate, and is counted on the first one's row.
            code = _DUPLICATE if verdict == _FIRST else verdict
            self._runs.numbered(run).seen.setdefault((bytes(digest), code), number)

    @property
    def unreadable(self) -> Sequence[tuple[int, bytes]]:
        """Source and digest of what goes to quarantine."""
        return [
            (self._numbers.source(item.receipt.source), item.digest)
            for item in self._opened
            if isinstance(item.reading, Unreadable)
        ]

    def know_quarantined(self, rows: Iterable[Sequence[Any]]) -> None:
        """Take what is there already: source, digest, number."""
        for source, digest, number in rows:
            self._quarantined[source, bytes(digest)] = number

    @property
    def revisable(self) -> Sequence[int]:
        """Runs that have had an event and may have another one."""
        return [
            row.number
            for row in self._runs.known
            if row.stored.revision and row.stored.waiting is not None
        ]

    def know_destinations(self, rows: Iterable[Sequence[Any]]) -> None:
        """Take who had an earlier event of them: run, destination."""
        for run, destination in rows:
            self._runs.numbered(run).destinations.add(destination)

    # --- judging ----------------------------------------------------------------------------------

    def take(self, opened: Iterable[Opened]) -> Sequence[Recorded]:
        """Judge some of the group's receipts, in order."""
        return [
            self._quarantine(item, item.reading)
            if isinstance(item.reading, Unreadable)
            else self._admit(item, item.reading)
            for item in opened
        ]

    # --- what has to be written, in this order ----------------------------------------------------

    @property
    def new_runs(self) -> Sequence[Columns]:
        """See :meth:`RunRows.new`."""
        return self._runs.new()

    @property
    def changed_runs(self) -> Sequence[Columns]:
        """See :meth:`RunRows.changed`."""
        return self._runs.changed()

    @property
    def answered(self) -> Sequence[Columns]:
        """See :meth:`RunRows.answered`."""
        return self._runs.answered()

    @property
    def waiting(self) -> Sequence[Columns]:
        """See :meth:`RunRows.waiting`. A run may have its answer and be contradicted again in one group."""
        return self._runs.waiting()

    def _quarantine(self, opened: Opened, unreadable: Unreadable) -> Recorded:
        receipt = opened.receipt
        source = self._numbers.source(receipt.source)
        known = (source, opened.digest)
        number = self._quarantined.get(known)
        if number is None:
            number = self._keep(
                opened, source, None, Verdict.QUARANTINED, [unreadable.reason]
            )
        else:
            self.repeats.append((receipt.received_at, number))
        self._quarantined[known] = number
        counts = self._accounts.sources[source]
        counts["receipts"] += 1
        counts["quarantined"] += 1
        return Recorded(verdict=Verdict.QUARANTINED, reasons=(unreadable.reason,))

    def _admit(self, opened: Opened, reading: Reading) -> Recorded:
        receipt = opened.receipt
        source = self._numbers.source(receipt.source)
        row = self._runs.of(reading.key, receipt, self._new_run)
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
        if number is None:
            number = self._keep(opened, source, row.number, verdict, reasons)
        else:
            self.repeats.append((opened.receipt.received_at, number))
        row.seen[opened.digest, code] = number
        return number

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
        self.receipts.append(
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
                client_ref=row.known.client_ref,
                reading=reading,
            )
        )
        event = self._numbers.take("events")
        destinations = self._destinations(receipt, letter, row, publication)
        self.events.append(
            (
                event,
                row.number,
                publication.revision,
                event_id_bytes(reading.key, publication.outcome, publication.revision),
                OUTCOME_CODES[publication.outcome],
                int(publication.confirmed),
                receipt_number,
                letter.facts.builder,
                # Only where another callback has told it.
                None
                if row.known.client_ref == reading.client_ref
                else row.known.client_ref,
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
            routed |= {self._names[number]: number for number in row.destinations}
        row.destinations.update(routed.values())
        return routed

    def _new_run(self) -> int:
        return self._numbers.take("runs")

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
        self.deliveries.append(
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
            size=len(receipt.body),
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
