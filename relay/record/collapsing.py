"""Collapsing: a group's runs meet others of their ``client_ref``, and become events or stand back.

Owns what has to be looked up for it (who has which ``client_ref``, and who stands back behind whom),
asking core what follows, and the rows of it. Knows no database, and decides nothing itself. Where no
source of the group collapses and no winner of old is revised, it looks nothing up and writes nothing.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from relay.core.callback import Reading, read
from relay.core.collapse import (
    COLLAPSED,
    RELEASED,
    Course,
    claim_of,
    is_collapsed,
    release,
    stand_back,
    weigh,
)
from relay.core.identity import Kind, RunKey
from relay.core.inquiry import GiveUp, Lesson
from relay.core.notice import Notice
from relay.core.ports import Recorded
from relay.core.receipt import Opened
from relay.core.run import Known, Verdict
from relay.record.accounts import Accounts, count_waiting
from relay.record.numbers import Numbers
from relay.record.publishing import Edition, Publisher
from relay.record.runs import Identity, RunRow, RunRows

__all__ = ["Collapsing"]

Columns = tuple[object, ...]
#: Number of the source, and ``client_ref``.
Claim = tuple[int, str]


class _Behind(msgspec.Struct, frozen=True, kw_only=True):
    """A run that stands back, and what its event would be built from."""

    key: RunKey
    run: int
    #: None where it is one of the stored.
    row: RunRow | None = None
    receipt: int
    confirmed: bool
    #: None where it has been forgotten.
    reading: Reading | Notice | None
    size: int


class Collapsing:
    """One group's winners, and those who stand back behind them.

    A store asks for :meth:`claims` and :attr:`queues`, looks them up, says what it found, and makes sure
    that all of :attr:`strangers` are known (and locked) as the runs of the group are.
    """

    def __init__(
        self,
        opened: Sequence[Opened],
        lessons: Sequence[Lesson],
        runs: RunRows,
        numbers: Numbers,
        *,
        accounts: Accounts,
        publisher: Publisher,
    ) -> None:
        self._opened = opened
        self._lessons = lessons
        self._runs = runs
        self._numbers = numbers
        self._accounts = accounts
        self._publisher = publisher
        #: Who has what: as stored, and as the group leaves it.
        self._stored: dict[Claim, int] = {}
        self._winners: dict[Claim, int | None] = {}
        self._queues: defaultdict[Claim, list[_Behind]] = defaultdict(list)
        #: What answers make their runs give up, and how many do; and those runs.
        self._leaving: Counter[Claim] = Counter()
        self._leavers: set[int] = set()
        self._names: dict[int, str] = {}
        #: Columns of who stands back from now on, by run.
        self._put: dict[int, Columns] = {}
        #: Runs that stand back no more.
        self.dropped: list[Columns] = []
        #: Those that do, and say more than before: receipt, run.
        self.refreshed: list[Columns] = []
        self._released: list[Recorded] = []

    # --- what has to be looked up, after the runs -------------------------------------------------

    def claims(self) -> Sequence[Claim]:
        """Every ``client_ref`` that may be taken or given up, in a steady order. Asked for once."""
        sources = {i.receipt.source for i in self._opened if i.receipt.collapses}
        sources |= {it.inquiry.key.source for it in self._lessons if it.collapses}
        found: set[Claim] = set()
        for item in self._opened if sources else ():
            reading = item.reading
            if isinstance(reading, Reading) and reading.key.source in sources:
                found |= self._refs(reading.key, reading.client_ref)
        for lesson in self._lessons:
            if lesson.document is not None or isinstance(lesson.move, GiveUp):
                key = lesson.inquiry.key
                found |= self._refs_of(lesson, collapses=key.source in sources)
        return sorted(found)

    def know_winners(self, rows: Iterable[Sequence[Any]]) -> None:
        """Take who has them: source, client_ref, run."""
        self._stored = {(source, ref): run for source, ref, run in rows}
        self._winners = dict(self._stored)

    @property
    def queues(self) -> Sequence[tuple[int, str, int]]:
        """Where somebody may have to be released: source, client_ref, how many at most."""
        return [
            (*claim, count)
            for claim, count in sorted(self._leaving.items())
            if self._stored.get(claim) in self._leavers
        ]

    @property
    def releasable(self) -> int:
        """How many may be released at most."""
        return sum(count for *_, count in self.queues)

    def know_queues(self, rows: Iterable[Sequence[Any]]) -> None:
        """Take who stands back there, who has done so longest in front.

        Columns: source, client_ref; number, namespace and id of the run; receipt, confirmed, body.
        """
        for source, ref, run, namespace, stored, receipt, confirmed, body in rows:
            name = self._names[source]
            said = None if body is None else read(bytes(body), source=name)
            behind = _Behind(
                key=RunKey.restore(name, namespace, bytes(stored)),
                run=run,
                receipt=receipt,
                confirmed=bool(confirmed),
                reading=said if isinstance(said, Reading) else None,
                size=0 if body is None else len(body),
            )
            self._queues[source, ref].append(behind)

    @property
    def strangers(self) -> Sequence[Identity]:
        """Runs that may be released, and of which nothing is known yet."""
        return [
            (claim[0], int(behind.key.namespace), behind.key.stored)
            for claim, queue in self._queues.items()
            for behind in queue
            if not self._runs.has(behind.run)
        ]

    def _refs(self, key: RunKey, said: str | None) -> set[Claim]:
        """What a run may take: what is said of it now, or was before."""
        if key.kind is not Kind.RUN:
            return set()
        row, source = self._runs.stored(key), self._numbers.source(key.source)
        refs = {said, row.known.client_ref if row else None}
        return {(source, ref) for ref in refs if ref}

    def _refs_of(self, lesson: Lesson, *, collapses: bool) -> set[Claim]:
        """What an answer may make its run take or give up; the latter is noted."""
        key = lesson.inquiry.key
        row = self._runs.stored(key)
        had = None if row is None else claim_of(key, row.known)
        if row is None or (had is None and not collapses):
            return set()
        told = None
        if lesson.document is not None:
            told = read(lesson.document, source=key.source, require=())
        if not isinstance(told, Reading):
            return self._refs(key, None) if collapses else set()
        found = self._refs(key, told.client_ref) if collapses else set()
        ref = row.known.client_ref if told.client_ref is None else told.client_ref
        after = Known(client_ref=ref, outcome=told.outcome)
        if had is not None and claim_of(key, after) != had:
            source = self._numbers.source(key.source)
            self._names[source] = key.source
            self._leaving[source, had] += 1
            self._leavers.add(row.number)
            found.add((source, had))
        return found

    # --- what becomes of a publication ------------------------------------------------------------

    def publish(
        self, row: RunRow, edition: Edition, *, before: Known, collapses: bool
    ) -> Recorded:
        """Publish or collapse a run of which ``before`` was known; release who stood back behind it."""
        had, claim = claim_of(edition.key, before), claim_of(edition.key, row.known)
        left = None
        if had is not None and had != claim:
            left = self._left(edition.source, had, row)
        if is_collapsed(before):
            # Whatever it is now, the success that stood back is not told.
            self._end(row, edition.source)
            row.closed += 1
            self._accounts.sources[edition.source]["closed"] += 1
        recorded = self._enter(row, edition, claim if collapses else None)
        if left is not None:
            self._pass_on(left, edition)
        return recorded

    def refresh(
        self, row: RunRow, *, receipt: int, reading: Reading, size: int
    ) -> None:
        """A run stands back as before, and more is known of how it ended."""
        self.refreshed.append((receipt, row.number))
        for queue in self._queues.values():
            queue[:] = [
                msgspec.structs.replace(
                    it, receipt=receipt, reading=reading, size=size, confirmed=True
                )
                if it.run == row.number
                else it
                for it in queue
            ]

    def drain(self) -> Sequence[Recorded]:
        """What was released since this was last asked for."""
        released, self._released = self._released, []
        return released

    def _left(self, source: int, had: str, row: RunRow) -> Claim | None:
        """What a run gives up, where it is its own."""
        claim = source, had
        return claim if self._winners.get(claim) == row.number else None

    def _enter(self, row: RunRow, edition: Edition, ref: str | None) -> Recorded:
        claim = edition.source, ref or ""
        course = weigh(
            ref,
            edition.publication,
            run=row.number,
            winner=self._winners.get(claim),
        )
        match course:
            case Course.COLLAPSE:
                return self._collapse(row, edition, claim)
            case Course.WIN:
                self._winners[claim] = row.number
            case Course.PUBLISH:
                pass
        return self._publisher.publish(row, edition)

    def _collapse(self, row: RunRow, edition: Edition, claim: Claim) -> Recorded:
        row.known = stand_back(row.known)
        confirmed = edition.publication.confirmed
        self._queues[claim].append(
            _Behind(
                key=edition.key,
                run=row.number,
                row=row,
                receipt=edition.receipt,
                confirmed=confirmed,
                reading=edition.reading,
                size=edition.size,
            )
        )
        self._put[row.number] = (
            row.number, *claim, edition.receipt, int(confirmed), edition.at,
        )  # fmt: skip
        self._accounts.sources[edition.source]["collapsed"] += 1
        return Recorded(verdict=edition.verdict, key=edition.key, reasons=(COLLAPSED,))

    def _end(self, row: RunRow, source: int) -> None:
        """A run stands back no more."""
        if self._put.pop(row.number, None) is None:
            self.dropped.append((row.number,))
        self._accounts.sources[source]["collapsed"] -= 1

    def _pass_on(self, claim: Claim, edition: Edition) -> None:
        """Give a claim to who has stood back longest; to nobody where nobody has."""
        self._winners[claim] = None
        for behind in self._queues[claim]:
            row = behind.row or self._runs.numbered(behind.run)
            if is_collapsed(row.known) and row.known.client_ref == claim[1]:
                self._winners[claim] = row.number
                self._release(row, behind, edition)
                return

    def _release(self, row: RunRow, behind: _Behind, edition: Edition) -> None:
        """Tell of a run after all, with the routes of the answer that has made room for it."""
        reading, before = behind.reading, row.known
        freed = release(
            before, confirmed=behind.confirmed, is_readable=reading is not None
        )
        self._end(row, edition.source)
        row.known = freed.known
        row.closed += freed.closed
        counts = self._accounts.sources[edition.source]
        counts["closed"] += freed.closed
        count_waiting(counts, before, freed.known)
        if freed.publication is not None and reading is not None:
            released = msgspec.structs.replace(
                edition,
                key=behind.key,
                reading=reading,
                publication=freed.publication,
                receipt=behind.receipt,
                size=behind.size,
            )
            self._released.append(self._publisher.publish(row, released))
        elif freed.known.waiting is not None:
            row.await_truth(
                freed.known.waiting, before.waiting, receipt=0, at=edition.at
            )
            told = Recorded(verdict=Verdict.TOLD, key=behind.key, reasons=(RELEASED,))
            self._released.append(told)

    # --- what has to be written -------------------------------------------------------------------

    @property
    def won(self) -> Sequence[Columns]:
        """What nobody had: source, client_ref, run."""
        return [
            (*claim, run)
            for claim, run in sorted(self._winners.items())
            if run is not None and claim not in self._stored
        ]

    @property
    def passed_on(self) -> Sequence[Columns]:
        """What somebody else had: run, source, client_ref."""
        return [
            (run, *claim)
            for claim, run in sorted(self._winners.items())
            if run is not None and self._stored.get(claim, run) != run
        ]

    @property
    def freed(self) -> Sequence[Columns]:
        """What nobody has any more: source, client_ref."""
        return [
            claim
            for claim, run in sorted(self._winners.items())
            if run is None and claim in self._stored
        ]

    @property
    def collapsed(self) -> Sequence[Columns]:
        """Who stands back from now on: run, source, client_ref, receipt, confirmed, opened_at."""
        return list(self._put.values())
