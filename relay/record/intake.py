"""Intake: a group of receipts, and of answers from the upstream, becomes rows.

Owns what a store has to look up before a group can be judged, asking core what follows, and gathering
the rows to be written, table by table. Knows no database, and decides nothing about content itself.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final

from relay.core.callback import Reading, Unreadable
from relay.core.inquiry import Lesson, Sighting
from relay.core.ports import Recorded
from relay.core.quarantine import GONE
from relay.core.receipt import Opened
from relay.core.run import Known, Ruling, Verdict, judge
from relay.record.accounts import Accounts, count_waiting
from relay.record.codes import VERDICT_CODES
from relay.record.collapsing import Collapsing
from relay.record.jobs import Learn, Watch
from relay.record.learning import Learner
from relay.record.numbers import Numbers
from relay.record.publishing import Edition, Publisher
from relay.record.runs import Identity, RunRow, RunRows

__all__ = ["Intake"]

Columns = tuple[object, ...]

_FIRST: Final = VERDICT_CODES[Verdict.FIRST]
_DUPLICATE: Final = VERDICT_CODES[Verdict.DUPLICATE]


class Intake:
    """One group's receipts and lessons.

    A store asks for :attr:`identities`, :attr:`repeatable` and so on, looks them up, says what it found,
    lets every job :meth:`take` its receipts or learn its lessons, and writes the rows.
    """

    def __init__(
        self,
        opened: Sequence[Opened],
        numbers: Numbers,
        *,
        lessons: Sequence[Lesson] = (),
        sighted: Sequence[Sighting] = (),
        accounts: Accounts,
        room: dict[str, int],
        lease: int,
        also: Iterable[Identity] = (),
    ) -> None:
        """``room`` is spent as leases are given; ``also`` are further runs to be looked up."""
        self._opened = opened
        self._numbers = numbers
        self._accounts = accounts
        self._runs = RunRows(
            (
                *(i.reading.key for i in opened if isinstance(i.reading, Reading)),
                *(item.inquiry.key for item in lessons),
                *(item.key for item in sighted),
            ),
            numbers.source,
            also,
        )
        self._publisher = Publisher(numbers, accounts=accounts, room=room, lease=lease)
        self.collapsing = Collapsing(
            opened,
            lessons,
            self._runs,
            numbers,
            accounts=accounts,
            publisher=self._publisher,
        )
        self.learner = Learner(
            lessons,
            self._runs,
            numbers,
            accounts=accounts,
            collapsing=self.collapsing,
        )
        #: Number, and how often it was received.
        self._quarantined: dict[tuple[int, bytes], tuple[int, int]] = {}
        self._receipts: list[Columns] = []
        #: When an equal one was seen, and the number of the row that counts it.
        self.repeats: list[tuple[int, int]] = []
        #: Run, verdict and reasons of what leaves quarantine, and its number.
        self.readmitted: list[Columns] = []

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
        """Source and digest of what goes to quarantine, or lies there and is read once more."""
        return [
            (self._numbers.source(item.receipt.source), item.digest)
            for item in self._opened
            if isinstance(item.reading, Unreadable)
            or item.receipt.quarantined_at is not None
        ]

    def know_quarantined(self, rows: Iterable[Sequence[Any]]) -> None:
        """Take what is there already: source, digest, number, count."""
        for source, digest, number, count in rows:
            self._quarantined[source, bytes(digest)] = number, count

    @property
    def revisable(self) -> Sequence[int]:
        """Runs that have had an event and may have another one."""
        return [
            row.number
            for row in self._runs.known
            if row.stored.revision and row.stored_inquiry is not None
        ]

    def know_destinations(self, rows: Iterable[Sequence[Any]]) -> None:
        """Take who had an earlier event of them: run, destination."""
        for run, destination in rows:
            self._runs.numbered(run).destinations.add(destination)

    # --- judging ----------------------------------------------------------------------------------

    def take(self, opened: Iterable[Opened]) -> Sequence[Recorded]:
        """Judge some of the group's receipts, in order."""
        return [
            self._readmit(item)
            if item.receipt.quarantined_at is not None
            else self._quarantine(item, item.reading)
            if isinstance(item.reading, Unreadable)
            else self._admit(item, item.reading)
            for item in opened
        ]

    def follow(self, job: Learn | Watch) -> object:
        """Learn some of the group's lessons, or watch what a sweep has seen."""
        if isinstance(job, Learn):
            return self.learner.take(job.lessons)
        return self.learner.see(job.sightings, None if job.dry else self._new_run)

    # --- what has to be written, in this order ----------------------------------------------------

    @property
    def new_runs(self) -> Sequence[Columns]:
        """See :meth:`RunRows.new`."""
        return self._runs.new()

    @property
    def receipts(self) -> Sequence[Columns]:
        """Callbacks, and answers that events are built from."""
        return [*self._receipts, *self.learner.documents]

    @property
    def events(self) -> Sequence[Columns]:
        """See :class:`Publisher`."""
        return self._publisher.events

    @property
    def deliveries(self) -> Sequence[Columns]:
        """See :class:`Publisher`."""
        return self._publisher.deliveries

    @property
    def changed_runs(self) -> Sequence[Columns]:
        """See :meth:`RunRows.changed`."""
        return self._runs.changed()

    @property
    def answered(self) -> Sequence[Columns]:
        """See :meth:`RunRows.answered`."""
        return self._runs.answered()

    @property
    def inquiries(self) -> Sequence[Columns]:
        """See :meth:`RunRows.inquiries`."""
        return self._runs.inquiries()

    @property
    def released(self) -> Sequence[Columns]:
        """See :meth:`RunRows.released`."""
        return self._runs.released()

    def _quarantine(self, opened: Opened, unreadable: Unreadable) -> Recorded:
        receipt = opened.receipt
        source = self._numbers.source(receipt.source)
        known = (source, opened.digest)
        number, count = self._quarantined.get(known, (None, 0))
        if number is None:
            number = self._keep(
                opened, source, None, Verdict.QUARANTINED, [unreadable.reason]
            )
        else:
            self.repeats.append((receipt.received_at, number))
        self._quarantined[known] = number, count + 1
        counts = self._accounts.sources[source]
        counts["receipts"] += 1
        counts["quarantined"] += 1
        return Recorded(verdict=Verdict.QUARANTINED, reasons=(unreadable.reason,))

    def _readmit(self, opened: Opened) -> Recorded:
        """Read once more what lies in quarantine: its row is given another verdict, or stays as it is."""
        source = self._numbers.source(opened.receipt.source)
        known = (source, opened.digest)
        if known not in self._quarantined:
            return Recorded(verdict=Verdict.QUARANTINED, reasons=(GONE,))
        if isinstance(opened.reading, Unreadable):
            reason = opened.reading.reason
            return Recorded(verdict=Verdict.QUARANTINED, reasons=(reason,))
        number, count = self._quarantined.pop(known)
        counts = self._accounts.sources[source]
        counts["receipts"] -= count
        counts["quarantined"] -= count
        return self._admit(opened, opened.reading, kept=(number, count))

    def _admit(
        self, opened: Opened, reading: Reading, kept: tuple[int, int] | None = None
    ) -> Recorded:
        """Judge a receipt; ``kept`` is its row, where it has one, and how often it was received."""
        receipt = opened.receipt
        source = self._numbers.source(receipt.source)
        row = self._runs.of(
            reading.key,
            origin=receipt.origin,
            at=receipt.heard_at,
            number=self._new_run,
        )
        before = row.known
        ruling = judge(before, reading)
        row.known = ruling.known
        if ruling.verdict is Verdict.FIRST:
            # A sweep may have come upon it before; what is told of it first are signed bytes.
            row.origin, row.first_seen = receipt.origin, receipt.heard_at
        waiting = ruling.known.waiting
        reasons = waiting.reasons if waiting else ()
        if kept is None:
            number = self._file(opened, source, row, ruling.verdict, reasons)
        else:
            number = self._move(kept[0], row, ruling.verdict, reasons)
        if waiting is not None and waiting is not before.waiting:
            row.await_truth(
                waiting, before.waiting, receipt=number, at=receipt.received_at
            )
        if waiting is not None and reading.outcome is not None:
            row.say_again(receipt.received_at)
        self._count(source, ruling, before, 1 if kept is None else kept[1])
        if ruling.publication is None:
            return Recorded(verdict=ruling.verdict, key=reading.key, reasons=reasons)
        row.inquiry = None
        edition = Edition(
            key=reading.key,
            reading=reading,
            publication=ruling.publication,
            receipt=number,
            size=len(receipt.body),
            source=source,
            router=receipt.router,
            at=receipt.received_at,
            verdict=ruling.verdict,
        )
        if not receipt.collapses:
            return self._publisher.publish(row, edition)
        return self.collapsing.publish(row, edition, before=before, collapses=True)

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

    def _move(
        self, number: int, row: RunRow, verdict: Verdict, reasons: Sequence[str]
    ) -> int:
        """What lay in quarantine is a receipt of this run from now on."""
        listed = json.dumps(reasons) if reasons else None
        self.readmitted.append((row.number, VERDICT_CODES[verdict], listed, number))
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

    def _new_run(self) -> int:
        return self._numbers.take("runs")

    def _count(self, source: int, ruling: Ruling, before: Known, times: int) -> None:
        counts = self._accounts.sources[source]
        counts["receipts"] += times
        # The repeats of a first receipt are duplicates.
        again = times - 1 if ruling.verdict is Verdict.FIRST else 0
        counts[ruling.verdict.value] += times - again
        counts["duplicate"] += again
        counts["opened"] += ruling.opened
        count_waiting(counts, before, ruling.known)
