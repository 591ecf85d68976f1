"""Learning: a group's answers from the upstream, and what a sweep has seen, become rows.

Owns what has to be looked up for them, asking core what follows, and what becomes of each inquiry.
Knows no database, and decides nothing about content itself.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import msgspec

from relay.core.callback import Reading, Unreadable, read
from relay.core.collapse import is_collapsed
from relay.core.errors import UnstorableError
from relay.core.identity import RunKey
from relay.core.inquiry import (
    NEVER,
    NO_CALLBACK,
    OTHER_OUTCOME,
    Ended,
    GiveUp,
    InquiryState,
    Lesson,
    Let,
    Postpone,
    Release,
    Sighting,
)
from relay.core.ports import Recorded
from relay.core.run import Known, Publication, Verdict
from relay.core.truth import give_up, learn
from relay.record.accounts import Accounts, count_waiting
from relay.record.codes import VERDICT_CODES
from relay.record.collapsing import Collapsing
from relay.record.numbers import Numbers
from relay.record.publishing import Edition
from relay.record.runs import InquiryRow, RunRow, RunRows

__all__ = ["Learner"]

Columns = tuple[object, ...]

#: The channel under which answers are kept.
API: Final = "api"
#: The origin of events that no callback told of first.
SWEEP: Final = "sweep"


class Learner:
    """One group's lessons and sightings.

    A store asks for :attr:`comparable` and :attr:`publishable`, looks them up, says what it found, and
    lets every job :meth:`take` its lessons.
    """

    def __init__(
        self,
        lessons: Sequence[Lesson],
        runs: RunRows,
        numbers: Numbers,
        *,
        accounts: Accounts,
        collapsing: Collapsing,
    ) -> None:
        self._lessons = lessons
        self._runs = runs
        self._numbers = numbers
        self._accounts = accounts
        self._collapsing = collapsing
        #: Bodies of receipts that may have to be published unconfirmed.
        self._bodies: dict[int, bytes] = {}
        self.documents: list[Columns] = []
        self.asks: list[Columns] = []

    # --- what has to be looked up, after the runs -------------------------------------------------

    @property
    def comparable(self) -> Sequence[tuple[int]]:
        """Runs whose last event an answer is compared with."""
        return [
            (row.number,)
            for row in self._spoken_of(
                lesson.document is not None for lesson in self._lessons
            )
            if row.stored.revision
        ]

    def know_last(self, rows: Iterable[Sequence[Any]]) -> None:
        """Take what those were built from: run, body."""
        keys = {
            self._runs.stored(lesson.inquiry.key): lesson.inquiry.key
            for lesson in self._lessons
        }
        for run, body in rows:
            row = self._runs.numbered(run)
            found = read(bytes(body), source=keys[row].source)
            row.last = found if isinstance(found, Reading) else None

    @property
    def publishable(self) -> Sequence[tuple[int]]:
        """Receipts that may be published as they are."""
        return [
            (row.inquiry.receipt,)
            for row in self._spoken_of(
                isinstance(lesson.move, GiveUp) for lesson in self._lessons
            )
            if row.inquiry is not None and row.inquiry.receipt
        ]

    def know_bodies(self, rows: Iterable[Sequence[Any]]) -> None:
        """Take them: number, body."""
        self._bodies |= {number: bytes(body) for number, body in rows}

    def _spoken_of(self, chosen: Iterable[bool]) -> list[RunRow]:
        """The stored runs of the lessons that are chosen, each once."""
        found = {
            row.number: row
            for lesson, is_chosen in zip(self._lessons, chosen, strict=True)
            if is_chosen and (row := self._runs.stored(lesson.inquiry.key))
        }
        return list(found.values())

    # --- learning ---------------------------------------------------------------------------------

    def take(self, lessons: Iterable[Lesson]) -> Sequence[Recorded]:
        """Learn some of the group's lessons, in order; then come the runs that they have released."""
        answers = [self._learn(lesson) for lesson in lessons]
        return [*answers, *self._collapsing.drain()]

    def see(
        self, sightings: Iterable[Sighting], number: Callable[[], int] | None
    ) -> Sequence[RunKey]:
        """Watch what a sweep has come upon, where it is news; gives what is.

        Without ``number``, which gives new runs theirs, nothing is changed.
        """
        news = []
        for sighting in sightings:
            row = self._runs.stored(sighting.key)
            if row is None or self._is_news(row, sighting):
                news.append(sighting.key)
                if number is not None:
                    self._watch(sighting, number)
        return news

    def _learn(self, lesson: Lesson) -> Recorded:
        key = lesson.inquiry.key
        nothing = Recorded(verdict=Verdict.TOLD, key=key)
        row = self._runs.stored(key)
        if row is None:
            return nothing
        self._remember(row, lesson)
        if row.asker != lesson.inquiry.lease:
            # Somebody else is asking, or nobody any more.
            return nothing
        row.asker = None
        if row.inquiry is None:
            # A callback has answered it; what another one asks next is asked anew.
            return nothing
        if lesson.asked is not None and row.inquiry.due_at > lesson.asked.at:
            # Something was said while it was asked: it is due again, and the next answer knows of that.
            return nothing
        if lesson.document is not None:
            return self._believe(row, lesson, lesson.document) or nothing
        return self._move(row, row.inquiry, lesson) or nothing

    def _move(
        self, row: RunRow, inquiry: InquiryRow, lesson: Lesson
    ) -> Recorded | None:
        """Do what was decided without an answer."""
        asked = lesson.inquiry
        if (asked.state, asked.opened_at) != (inquiry.state, inquiry.opened_at):
            # It was decided on a question that is no more: the new one is due.
            return None
        if isinstance(lesson.move, GiveUp):
            return self._give_up(row, lesson, lesson.move.due_at)
        row.inquiry = _moved(inquiry, lesson.move, at=lesson.at)
        return None

    def _remember(self, row: RunRow, lesson: Lesson) -> None:
        asked = lesson.asked
        if asked is not None:
            self.asks.append(
                (
                    row.number,
                    asked.at,
                    asked.duration_us,
                    asked.answer,
                    asked.status,
                    asked.detail.replace("\0", "\\0"),
                )
            )

    def _believe(self, row: RunRow, lesson: Lesson, document: bytes) -> Recorded | None:
        key = lesson.inquiry.key
        told = read(document, source=key.source, require=())
        if isinstance(told, Unreadable):
            # Made by a regression of ours: it must cost nobody else the commit.
            raise UnstorableError(f"a document is unreadable: {told.reason}")
        before = row.known
        finding = learn(before, told, row.last)
        row.known, row.inquiry = finding.known, None
        row.closed += finding.closed
        counts = self._accounts.sources[self._numbers.source(key.source)]
        counts["opened"] += finding.opened
        counts["closed"] += finding.closed
        count_waiting(counts, before, finding.known)
        if finding.publication is None:
            if is_collapsed(before):
                self._collapsing.refresh(
                    row,
                    receipt=self._keep(row, lesson, document),
                    reading=told,
                    size=len(document),
                )
            return None
        kept = (self._keep(row, lesson, document), len(document))
        return self._publish(row, lesson, told, (before, finding.publication), kept)

    def _give_up(self, row: RunRow, lesson: Lesson, due_at: int) -> Recorded | None:
        before, inquiry = row.known, row.inquiry
        if inquiry is None:
            return None
        end = give_up(before, lesson.on_unconfirmed)
        body = self._bodies.get(inquiry.receipt)
        said = None if body is None else read(body, source=lesson.inquiry.key.source)
        if end.publication is not None and not isinstance(said, Reading):
            # What would be published is gone, or was never there: a sweep found it.
            end = give_up(before, "hold")
        row.known = end.known
        counts = self._accounts.sources[self._numbers.source(lesson.inquiry.key.source)]
        count_waiting(counts, before, end.known)
        state = InquiryState.DOUBTFUL if end.publication else InquiryState.HELD
        row.inquiry = (
            msgspec.structs.replace(inquiry, state=state, due_at=due_at, asks=0)
            if end.in_doubt
            else None
        )
        if end.publication is None or not isinstance(said, Reading) or body is None:
            return None
        kept = (inquiry.receipt, len(body))
        return self._publish(row, lesson, said, (before, end.publication), kept)

    def _publish(
        self,
        row: RunRow,
        lesson: Lesson,
        reading: Reading,
        news: tuple[Known, Publication],
        kept: tuple[int, int],
    ) -> Recorded:
        """``news``: what was known, and what follows. ``kept``: the row it is built from, and its bytes."""
        key = lesson.inquiry.key
        before, publication = news
        receipt, size = kept
        return self._collapsing.publish(
            row,
            Edition(
                key=key,
                reading=reading,
                publication=publication,
                receipt=receipt,
                size=size,
                source=self._numbers.source(key.source),
                router=lesson.router,
                at=lesson.at,
                verdict=Verdict.TOLD,
            ),
            before=before,
            collapses=lesson.collapses,
        )

    def _keep(self, row: RunRow, lesson: Lesson, document: bytes) -> int:
        number = self._numbers.take("receipts")
        self.documents.append(
            (
                number,
                self._numbers.source(lesson.inquiry.key.source),
                row.number,
                VERDICT_CODES[Verdict.TOLD],
                None,
                API,
                "",
                hashlib.sha256(document).digest()[:16],
                lesson.at,
                lesson.at,
                None,
                document,
            )
        )
        return number

    def _is_news(self, row: RunRow, sighting: Sighting) -> bool:
        inquiry = row.inquiry
        if inquiry is not None:
            # It is asked for, unless it has been left to a person.
            return inquiry.due_at >= NEVER and sighting.outcome is not None
        return row.known.outcome is None or sighting.outcome not in (
            None,
            row.known.outcome,
        )

    def _watch(self, sighting: Sighting, number: Callable[[], int]) -> None:
        row = self._runs.of(sighting.key, origin=SWEEP, at=sighting.at, number=number)
        if row.inquiry is not None:
            row.inquiry = msgspec.structs.replace(row.inquiry, due_at=sighting.due_at)
            return
        row.inquiry = InquiryRow(
            state=InquiryState.WATCHED,
            outcome=sighting.outcome,
            reasons=(NO_CALLBACK if row.known.outcome is None else OTHER_OUTCOME,),
            receipt=0,
            opened_at=sighting.at,
            due_at=sighting.due_at,
        )


def _moved(
    inquiry: InquiryRow, move: Postpone | Ended | Let | Release, *, at: int
) -> InquiryRow | None:
    """The inquiry as an ask without an answer leaves it; None where it is at its end."""
    match move:
        case Postpone(due_at=due_at, counts=counts):
            return msgspec.structs.replace(
                inquiry, due_at=due_at, asks=inquiry.asks + counts
            )
        case Ended(outcome=outcome, due_at=due_at):
            # Its callback, and its end, have all the time again that a run is watched.
            return msgspec.structs.replace(
                inquiry, outcome=outcome, due_at=due_at, asks=0, opened_at=at
            )
        case Let():
            if inquiry.state is InquiryState.HELD:
                return msgspec.structs.replace(inquiry, due_at=NEVER)
            return None
        case Release():
            return inquiry
