"""The store as a state machine: whatever is done to it in whatever order, it is what a dictionary is.

Owns the rules by which a store is driven, and what has to hold after each of them. An adapter subclasses
:class:`StoreMachine` and says where its store stands.
"""

import asyncio
from abc import abstractmethod
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from typing import Any, TypeVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from relay.core.delivery import Outcome as Ended
from relay.core.delivery import State
from relay.core.errors import StoreBusyError, UnstorableError
from relay.core.identity import Outcome
from relay.core.notice import HAPPENINGS
from relay.core.ports import Parcel, Recorded
from relay.core.receipt import Receipt
from relay.core.run import Verdict
from tests.record.draws import ends, outcomes, places, receipts, runs
from tests.record.harness import Died, StoreHarness, settle_as
from tests.record.model import PLACES, Model, Way
from tests.record.receipts import callback, poison
from tests.record.revising import answer

__all__ = ["StoreMachine"]

T = TypeVar("T")

#: How a run can end.
ENDS = [one for one in Outcome if one not in HAPPENINGS]


class StoreMachine(RuleBasedStateMachine):
    """Drives a store and its model side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.harness = self.place()
        self.model = Model(self.harness.keeping, self.harness.spares_newest)
        #: Parcels whose lease holds, by delivery; and those whose lease is lost.
        self.held: dict[int, Parcel] = {}
        self.lost: list[Parcel] = []
        #: Leases by delivery, and ids of events, as they were given out.
        self.leases: set[tuple[int, int]] = set()
        self.announced: list[bytes] = []

    @abstractmethod
    def place(self) -> StoreHarness:
        """A fresh place for a store, not opened yet."""

    def run(self, job: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(job)

    @initialize(first=st.lists(st.builds(callback, runs, status=ends), max_size=3))
    def open(self, first: Sequence[Receipt]) -> None:
        """Most stores of the machine have something to deliver from the start."""
        self.run(self.harness.open())
        if first:
            self.record(group=first, together=False)

    def teardown(self) -> None:
        # Closed whatever happens: a loop left over would fail some later test when it is collected.
        with self.runner:
            self.run(self.harness.vanish())

    # --- in ---------------------------------------------------------------------------------------

    @rule(group=st.lists(receipts, min_size=1, max_size=4), together=st.booleans())
    def record(self, group: Sequence[Receipt], *, together: bool) -> None:
        """In one call, or in calls that share a commit."""
        room = dict(self.harness.handover.left)
        at = self.harness.clock.now_us()
        group = [_at(receipt, at) for receipt in group]
        expected = [self.model.record(receipt, room) for receipt in group]
        if together:
            calls = [self.harness.store.record([receipt]) for receipt in group]
            answers = [answer for [answer] in self.run(self.harness.together(*calls))]
        else:
            answers = list(self.run(self.harness.store.record(group)))
        self._recorded(answers, expected)

    @rule(receipt=receipts)
    def record_beside_poison(self, receipt: Receipt) -> None:
        """Its group fails, it does not."""
        room = dict(self.harness.handover.left)
        receipt = _at(receipt, self.harness.clock.now_us())
        expected = self.model.record(receipt, room)
        store = self.harness.store
        calls = (store.record([poison("run_1")]), store.record([receipt]))
        [bad], [good] = self.run(self.harness.together(*calls))
        assert isinstance(bad, UnstorableError)
        self._recorded([good], [expected])

    def _recorded(self, answers: Sequence[object], expected: Sequence[Verdict]) -> None:
        found = [answer for answer in answers if isinstance(answer, Recorded)]
        assert [answer.verdict for answer in found] == expected
        self.announced += [a.letter.event.id.bytes for a in found if a.letter]
        parcels = [parcel for answer in found for parcel in answer.parcels]
        assert self.harness.handover.handed == parcels
        self.harness.handover.handed.clear()
        self._take(parcels)

    @rule(place=places, room=st.integers(0, 2))
    def make_room(self, place: str, room: int) -> None:
        self.harness.handover.left[place] = room

    @precondition(lambda self: self._revisable())
    @rule(data=st.data(), outcome=st.sampled_from(ENDS))
    def revise(self, data: st.DataObject, outcome: Outcome) -> None:
        """The API says how a run has ended; where that is no news, nothing happens."""
        run = data.draw(st.sampled_from(self._revisable()))
        self.harness.clock.advance(seconds=0.001)
        self.run(self.harness.revise(run, outcome, to=PLACES))
        now = self.harness.clock.now_us()
        self.model.learn(run, answer(run, outcome, at=now), now)

    def _revisable(self) -> list[str]:
        """Runs that have an event whose receipt is still there."""
        papers = self.model.received
        stories = self.model.events.values()
        return sorted({story.run for story in stories if story.paper in papers})

    # --- out --------------------------------------------------------------------------------------

    @precondition(lambda self: self.model.ways)
    @rule(limit=st.integers(1, 4))
    def claim_some(self, limit: int) -> None:
        """What stands first: most rules need somebody to hold something."""
        self.claim("lake", limit)

    @rule(place=places, limit=st.integers(1, 4))
    def ask_for_more(self, place: str, limit: int) -> None:
        self.claim(place, limit)

    def claim(self, place: str, limit: int) -> None:
        waiting = self.model.claimable(place, self.harness.clock.now_us())
        first = [way for way in waiting if not way.again]
        may = first[:limit] + [way for way in waiting if way.again][:limit]
        parcels = self.run(self.harness.claim(place, limit))
        assert {parcel.number for parcel in parcels} == {way.number for way in may}
        for way in may:
            way.held = True
        self._take(parcels)

    def _take(self, parcels: Sequence[Parcel]) -> None:
        for parcel in parcels:
            assert parcel.number not in self.held
            assert (parcel.number, parcel.lease) not in self.leases
            assert parcel.letter.event.id.bytes in self.model.events
            self.leases.add((parcel.number, parcel.lease))
            self.held[parcel.number] = parcel

    @precondition(lambda self: self.held)
    @rule(data=st.data(), outcome=outcomes)
    def settle(self, data: st.DataObject, outcome: Ended) -> None:
        """Those that are held, and among them those that are not any more."""
        numbers = data.draw(
            st.lists(st.sampled_from(sorted(self.held)), min_size=1, unique=True)
        )
        # The one that somebody held before has the better chance to be mixed up with it.
        stale = [parcel for parcel in self.lost if parcel.number in numbers][-1:]
        parcels = [self.held.pop(number) for number in numbers]
        now = self.harness.clock.now_us()
        settlements = settle_as(outcome, *stale, *parcels, now=now)
        answers = self.run(self.harness.store.settle(settlements))
        assert list(answers) == [False] * len(stale) + [True] * len(parcels)
        for settlement in settlements[len(stale) :]:
            way = self._way(settlement.parcel.number)
            way.held = False
            way.state = settlement.step.state
            way.due_at = settlement.step.due_at
            way.attempts = settlement.step.attempts
            way.again = way.again or settlement.step.reason is not None
            way.settled_at = now
        self.lost += parcels

    @precondition(lambda self: self.lost)
    @rule(data=st.data(), outcome=outcomes)
    def settle_too_late(self, data: st.DataObject, outcome: Ended) -> None:
        parcel = data.draw(st.sampled_from(self.lost))
        assert self.run(self.harness.settle(parcel, outcome=outcome)) == [False]

    @rule(seconds=st.sampled_from([0.001, 1.0, 6.0]))
    def time_passes(self, seconds: float) -> None:
        self.harness.clock.advance(seconds=seconds)

    @rule(days=st.sampled_from([1, 31, 91, 2000]))
    def days_pass(self, days: int) -> None:
        self.harness.days_pass(days)

    @precondition(lambda self: self.model.received)
    @rule(days=st.sampled_from([0, 31, 121, 2000]))
    def forget(self, days: int) -> None:
        """What nobody needs any more goes, and nothing else."""
        self.harness.days_pass(days)
        self.run(self.harness.forget())
        self.model.forget(self.harness.clock.now_us())

    @precondition(lambda self: self.model.received)
    @rule(
        steps=st.integers(1, 8),
        where=st.sampled_from(["before-commit", "after-commit"]),
    )
    def die_while_forgetting(self, steps: int, where: Any) -> None:
        """Whoever comes next goes on with it: afterwards it is as if nobody had died."""

        def die() -> None:
            raise Died

        async def forget() -> None:
            left = steps
            async for _ in self.harness.steps():
                left -= 1
                if not left:
                    self.harness.checkpoints.at(where, die)

        with suppress(Died, StoreBusyError):
            self.run(forget())
        self._lose_leases()
        self.run(self.harness.reopen())
        self.run(self.harness.forget())
        self.model.forget(self.harness.clock.now_us())

    @rule(place=places)
    def ask_what_is_due(self, place: str) -> None:
        due = [
            way.due_at
            for way in self.model.ways
            if way.destination == place and way.state is State.PENDING and not way.held
        ]
        found = self.run(self.harness.store.next_due(place))
        assert found == min(due, default=None)

    # --- life and death ---------------------------------------------------------------------------

    @precondition(lambda self: self.held)
    @rule(orderly=st.booleans())
    def another_life(self, *, orderly: bool) -> None:
        self._lose_leases()
        harness = self.harness
        self.run(harness.restart() if orderly else harness.reopen())

    @precondition(lambda self: self.model.events)
    @rule(group=st.lists(receipts, min_size=1, max_size=3))
    def die_before_the_commit(self, group: Sequence[Receipt]) -> None:
        """None of it has happened."""
        self._die("before-commit", group)

    @precondition(lambda self: self.model.events)
    @rule(group=st.lists(receipts, min_size=1, max_size=3))
    def die_after_the_commit(self, group: Sequence[Receipt]) -> None:
        """All of it has happened, though nobody was told."""
        at = self.harness.clock.now_us()
        group = [_at(receipt, at) for receipt in group]
        for receipt in group:
            self.model.record(receipt, {})
        self._die("after-commit", group)

    def _die(self, where: Any, group: Sequence[Receipt]) -> None:
        def die() -> None:
            raise Died

        self.harness.checkpoints.at(where, die)
        with pytest.raises(StoreBusyError):
            self.run(_awaited(self.harness.store.record(group)))
        self._lose_leases()
        self.run(self.harness.reopen())

    def _lose_leases(self) -> None:
        self.lost += self.held.values()
        self.held.clear()
        self.model.die()

    # --- what always holds ------------------------------------------------------------------------

    @invariant()
    def the_ledger_balances_and_agrees_with_the_rows(self) -> None:
        ledger = self.run(self.harness.audit())
        assert ledger.sources == self.model.sources()
        assert ledger.destinations == self.model.destinations()

    @invariant()
    def the_store_is_what_the_model_is(self) -> None:
        self._number_ways()
        found = self.run(self.harness.deliveries())
        expected = [
            (
                w.number,
                w.run,
                w.revision,
                w.destination,
                w.state,
                w.attempts,
                w.due_at,
                w.held,
            )
            for w in sorted(self.model.ways, key=lambda way: way.number)
        ]
        assert expected == [
            (
                d.number,
                d.run,
                d.revision,
                d.destination,
                d.state,
                d.attempts,
                d.due_at,
                d.leased,
            )
            for d in found
        ]

    @invariant()
    def every_event_is_there_once(self) -> None:
        assert len(set(self.announced)) == len(self.announced)
        rows = self.run(self.harness.rows("SELECT id FROM events"))
        found = [bytes(identifier) for (identifier,) in rows]
        assert sorted(found) == sorted(self.model.events)
        # What is forgotten is not announced a second time, however late it is repeated.
        assert self.model.told >= len(set(self.announced) | set(found))

    @invariant()
    def every_receipt_is_counted(self) -> None:
        rows = self.run(
            self.harness.rows(
                "SELECT r.id, c.body, SUM(c.count), COUNT(*) FROM receipts AS c"
                " LEFT JOIN runs AS r ON r.number = c.run GROUP BY r.id, c.body, c.verdict"
            )
        )
        assert all(kept == 1 for *_, kept in rows)
        found = sorted((run or b"", bytes(body), count) for run, body, count, _ in rows)
        assert found == sorted(
            ((run or "").encode(), body, filed.count)
            for (run, body, _), filed in self.model.received.items()
        )

    @invariant()
    def who_waits_is_known(self) -> None:
        rows = self.run(
            self.harness.rows(
                "SELECT r.id, r.revision, r.client_ref, w.run IS NOT NULL FROM runs AS r"
                " LEFT JOIN inquiries AS w ON w.run = r.number"
            )
        )
        assert {bytes(run).decode(): tuple(more) for run, *more in rows} == {
            run: (known.revision, known.client_ref, int(known.waiting is not None))
            for run, known in self.model.known.items()
        }

    def _number_ways(self) -> None:
        """Learn the numbers that the store has given; given once, they stay."""
        given = {
            (d.run, d.revision, d.destination): d.number
            for d in self.run(self.harness.deliveries())
        }
        for way in self.model.ways:
            if not way.number:
                way.number = given[way.run, way.revision, way.destination]

    def _way(self, number: int) -> Way:
        [way] = [way for way in self.model.ways if way.number == number]
        return way


def _at(receipt: Receipt, at: int) -> Receipt:
    """The same callback, received then."""
    values = {name: getattr(receipt, name) for name in receipt.__struct_fields__}
    return Receipt(**{**values, "received_at": at})


async def _awaited(job: Any) -> Any:
    return await job
