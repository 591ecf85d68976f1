"""Collapsing as a state machine: whoever fails or succeeds in whatever order, one of many is told.

Owns a model of its own, small enough to be right: who has which ``client_ref``, and who stands back behind
whom. What a callback or an answer means to its run is core's, in the model as in the store.
"""

import asyncio
from abc import abstractmethod
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

import msgspec
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from relay.core.callback import Reading, read
from relay.core.identity import Kind, Outcome, RunKey, event_id
from relay.core.receipt import Receipt, open_receipt
from relay.core.run import NOTHING, Known, Publication, judge
from relay.core.truth import learn
from tests.record.answers import ask, lesson, told
from tests.record.collapse_said import success
from tests.record.harness import StoreHarness

__all__ = ["CollapseMachine"]

T = TypeVar("T")

RUNS = ("run_1", "run_2", "run_3", "run_4")
runs = st.sampled_from(RUNS)
refs = st.sampled_from(["order-1", "order-1", "order-2", None])
ends = st.sampled_from(["succeeded", "succeeded", "failed"])
callbacks = st.builds(lambda run, ref, end: (run, ref, end), runs, refs, ends)
truths = st.fixed_dictionaries({run: st.tuples(ends, refs) for run in RUNS})


class Model:
    """Who is told, and who stands back."""

    def __init__(self) -> None:
        self.known: dict[str, Known] = {}
        self.told: list[tuple[str, Outcome, int]] = []
        self.last: dict[str, Reading] = {}
        self.winners: dict[str, str] = {}
        #: Who stands back, longest first: run, client_ref, what it said.
        self.behind: list[tuple[str, str, Reading]] = []
        #: Runs that are asked for, in the order in which they came to be.
        self.asked: list[str] = []
        self.opened = 0
        self.closed = 0

    def hear(self, receipt: Receipt) -> None:
        """A callback comes."""
        reading = open_receipt(receipt).reading
        assert isinstance(reading, Reading)
        run = reading.key.id
        before = self.known.get(run, NOTHING)
        ruling = judge(before, reading)
        self.opened += ruling.opened
        self._enter(run, before, ruling.known, ruling.publication, reading)

    def learn(self, run: str, document: bytes) -> None:
        """The API answers."""
        reading = read(document, source="acme", require=())
        assert isinstance(reading, Reading)
        before = self.known[run]
        finding = learn(before, reading, self.last.get(run))
        self.opened += finding.opened
        self.closed += finding.closed
        self._enter(run, before, finding.known, finding.publication, reading)
        if finding.publication is None:
            self.behind = [
                (name, ref, reading if name == run else said)
                for name, ref, said in self.behind
            ]

    def _enter(
        self,
        run: str,
        before: Known,
        after: Known,
        publication: Publication | None,
        reading: Reading,
    ) -> None:
        self.known[run] = after
        if publication is not None:
            stood = [item for item in self.behind if item[0] == run]
            self.behind = [item for item in self.behind if item[0] != run]
            self.closed += len(stood)
            self._publish(run, publication, reading)
            self._let_go(run, before)
        is_asked = self.known[run].waiting is not None
        if is_asked and run not in self.asked:
            self.asked.append(run)
        elif not is_asked and run in self.asked:
            self.asked.remove(run)

    def _publish(self, run: str, publication: Publication, reading: Reading) -> None:
        ref = self.known[run].client_ref
        if (
            publication.outcome is Outcome.SUCCEEDED
            and ref is not None
            and self.winners.setdefault(ref, run) != run
            and publication.revision == 1
        ):
            self.behind.append((run, ref, reading))
            self.known[run] = msgspec.structs.replace(self.known[run], revision=0)
            return
        self._tell(run, publication.outcome, publication.revision, reading)

    def _let_go(self, run: str, before: Known) -> None:
        """Whoever is a success under its client_ref no more gives it to the next one."""
        ref, now = before.client_ref, self.known[run]
        holds = ref is not None and self.winners.get(ref) == run
        if not holds or (now.outcome is Outcome.SUCCEEDED and now.client_ref == ref):
            return
        assert ref is not None
        del self.winners[ref]
        for item in self.behind:
            if item[1] == ref:
                self.behind.remove(item)
                self.winners[ref] = item[0]
                self.known[item[0]] = msgspec.structs.replace(
                    self.known[item[0]], revision=1
                )
                self._tell(item[0], Outcome.SUCCEEDED, 1, item[2])
                return

    def _tell(self, run: str, outcome: Outcome, revision: int, said: Reading) -> None:
        self.told.append((run, outcome, revision))
        self.last[run] = said


class CollapseMachine(RuleBasedStateMachine):
    """Drives a store and the model side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.harness = self.place()
        self.model = Model()

    @abstractmethod
    def place(self) -> StoreHarness:
        """A fresh place for a store, not opened yet."""

    def run(self, job: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(job)

    @initialize()
    def open(self) -> None:
        self.run(self.harness.open())

    def teardown(self) -> None:
        # Closed whatever happens: a loop left over would fail some later test when it is collected.
        with self.runner:
            self.run(self.harness.vanish())

    @rule(said=st.lists(callbacks, min_size=1, max_size=5))
    def record(self, said: Sequence[tuple[str, str | None, str]]) -> None:
        """In one commit; each came a little later than the one before."""
        receipts = []
        for run, ref, end in said:
            at = self.harness.clock.advance(seconds=0.001)
            receipts.append(success(run, ref=ref, status=end, at=at))
        self.run(self.harness.store.record(receipts))
        for receipt in receipts:
            self.model.hear(receipt)

    @precondition(lambda self: self.model.asked)
    @rule(truth=truths)
    def answer(self, truth: dict[str, tuple[str, str | None]]) -> None:
        """Everyone who waits is asked for, and all answers come in one commit."""
        lessons = []
        for inquiry in self.run(ask(self.harness)):
            run = inquiry.key.id
            end, ref = truth[run]
            lessons.append(
                lesson(inquiry, told(end, run=run, client_ref=ref), collapses=True)
            )
        assert [it.inquiry.key.id for it in lessons] == self.model.asked
        self.run(self.harness.store.learn(lessons))
        for it in lessons:
            assert it.document is not None
            self.model.learn(it.inquiry.key.id, it.document)

    @rule()
    def die(self) -> None:
        self.run(self.harness.reopen())

    @invariant()
    def every_client_ref_is_whose_it_is(self) -> None:
        rows = self.run(
            self.harness.rows(
                "SELECT w.client_ref, r.id FROM winners AS w JOIN runs AS r ON r.number = w.run"
            )
        )
        assert {ref: bytes(run).decode() for ref, run in rows} == self.model.winners

    @invariant()
    def who_stands_back_is_known_in_order(self) -> None:
        rows = self.run(
            self.harness.rows(
                "SELECT r.id, b.client_ref FROM collapsed AS b JOIN runs AS r ON r.number = b.run"
                " ORDER BY b.opened_at, b.run"
            )
        )
        found = [(bytes(run).decode(), ref) for run, ref in rows]
        expected = [(run, ref) for run, ref, _ in self.model.behind]
        for ref in ("order-1", "order-2"):
            assert [it for it in found if it[1] == ref] == [
                it for it in expected if it[1] == ref
            ]

    @invariant()
    def every_event_is_there_once(self) -> None:
        rows = self.run(self.harness.rows("SELECT id FROM events"))
        ids = [
            event_id(RunKey("acme", Kind.RUN, run), outcome, revision).bytes
            for run, outcome, revision in self.model.told
        ]
        assert len(set(ids)) == len(ids)
        assert sorted(bytes(identifier) for (identifier,) in rows) == sorted(ids)

    @invariant()
    def the_ledger_balances(self) -> None:
        ledger = self.run(self.harness.audit())
        if not ledger.sources:
            return
        counts = ledger.sources["acme"]
        assert (counts.opened, counts.events) == (
            self.model.opened,
            len(self.model.told),
        )
        assert (counts.collapsed, counts.closed) == (
            len(self.model.behind),
            self.model.closed,
        )

    @invariant()
    def one_of_many_is_told(self) -> None:
        """Whoever stands back does so behind a success that was told."""
        for _, ref, _ in self.model.behind:
            known = self.model.known[self.model.winners[ref]]
            assert known.outcome is Outcome.SUCCEEDED
            assert known.client_ref == ref
            assert known.revision
