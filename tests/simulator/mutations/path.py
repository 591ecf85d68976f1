"""Mistakes on the path itself: answers, identities, leases, order, counts."""

import asyncio
import hashlib
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec
import pytest

import relay.deliver.polling
import relay.deliver.verdict
import relay.record.grouping
import relay.record.intake
import relay.record.sqlite.connection
import relay.record.sqlite.outgoing
import relay.record.sqlite.store
from relay.core.callback import Reading
from relay.core.delivery import Delivered, Queue
from relay.core.event import Event
from relay.core.ports import Letter, Parcel, Recorded, Wish
from relay.core.receipt import Receipt
from relay.core.run import Known, Publication, Ruling, Verdict, judge
from relay.deliver.worker import Courier
from relay.record.accounts import Accounts
from relay.record.claiming import Claiming
from relay.record.grouped import GroupedStore
from relay.record.jobs import Record
from relay.record.outgoing import parcels
from relay.record.sqlite.store import SqliteStore
from relay.record.sqlite.writer import Writer
from relay.record.statements import statements

__all__ = ["MUTATIONS"]

Patch = pytest.MonkeyPatch


def _sql(patch: Patch, name: str, old: str, new: str) -> None:
    """Let one statement be another."""

    def changed(store: str) -> Mapping[str, str]:
        found = dict(statements(store))
        assert old in found[name], f"{name} has changed"
        found[name] = found[name].replace(old, new)
        return found

    patch.setattr(relay.record.sqlite.store, "statements", changed)


def answer_before_commit(patch: Patch) -> None:
    async def record(
        self: GroupedStore, receipts: Sequence[Receipt], /
    ) -> Sequence[Recorded]:
        self._grouper.submit(Record(receipts)).add_done_callback(_look_away)
        return [Recorded(verdict=Verdict.FIRST)]

    patch.setattr(GroupedStore, "record", record)


def duplicate_answered_from_memory(patch: Patch) -> None:
    """As if what was heard of a moment ago were on disk already."""
    memory: dict[GroupedStore, set[bytes]] = {}
    known = GroupedStore.record

    async def record(self: GroupedStore, receipts: Sequence[Receipt], /) -> Any:
        seen = memory.setdefault(self, set())
        digest = hashlib.sha256(receipts[0].body).digest()
        if digest in seen:
            return [Recorded(verdict=Verdict.DUPLICATE)]
        seen.add(digest)
        return await known(self, receipts)

    patch.setattr(GroupedStore, "record", record)


def settle_without_token(patch: Patch) -> None:
    _sql(patch, "settle", "AND deliveries.lease = done.lease", "")


def claim_out_of_order(patch: Patch) -> None:
    _sql(patch, "claim", "AND earlier.number < d.number", "AND FALSE")


def claim_what_is_held(patch: Patch) -> None:
    _sql(patch, "claim", "AND d.lease IS NULL AND", "AND")


def forget_an_expired_lease(patch: Patch) -> None:
    _sql(patch, "void_leases", "lease IS NOT NULL", "FALSE")


def rebuild_from_the_latest_callback(patch: Patch) -> None:
    _sql(
        patch,
        "read_parcels",
        "JOIN receipts AS c ON c.number = e.receipt",
        "JOIN receipts AS c ON c.number = (SELECT MAX(number) FROM receipts WHERE run = e.run)",
    )


def no_duplicates(patch: Patch) -> None:
    """Every whole callback of a run that has ended is news."""

    def judged(known: Known, reading: Reading) -> Ruling:
        ruling = judge(known, reading)
        outcome = known.outcome
        if (
            ruling.verdict is not Verdict.DUPLICATE
            or ruling.publication is not None
            or outcome is None
            or reading.problems
        ):
            return ruling
        revision = known.revision + 1
        return Ruling(
            verdict=Verdict.DUPLICATE,
            known=msgspec.structs.replace(ruling.known, revision=revision),
            publication=Publication(outcome, revision, confirmed=True),
            opened=True,
        )

    patch.setattr(relay.record.intake, "judge", judged)


def two_generations_open(patch: Patch) -> None:
    """What a dead process held is opened again, beside the one that is open still."""
    known = SqliteStore._prepare

    def prepare(self: SqliteStore, destinations: Sequence[tuple[str, str]]) -> None:
        known(self, destinations)
        assert self._connection is not None
        assert self._writer is not None
        self._connection.execute(
            "INSERT INTO deliveries (event, run, destination, generation, epoch, state, created_at,"
            " due_at) SELECT event, run, destination, generation + 1, epoch, 0, created_at, due_at"
            " FROM deliveries WHERE state = 0 AND generation = 1"
        )
        self._writer._numbers.reload()

    patch.setattr(SqliteStore, "_prepare", prepare)


def lost_wake_up(patch: Patch) -> None:
    """Who stands behind an earlier event is told by nobody, and the poll does not come either."""
    patch.setattr(Courier, "_written", lambda _: None)
    patch.setattr(relay.deliver.polling, "POLL_S", 1e6)


def fresh_behind_what_has_failed(patch: Patch) -> None:
    """One line for all: whoever comes first, and what fails is due again at once."""
    known = Claiming.__init__

    def begin(
        self: Claiming, wish: Wish, waiting: Sequence[Any], **options: Any
    ) -> None:
        failed = [row for row in waiting if row[0] == Queue.AGAIN and row[2] <= wish.now]  # fmt: skip
        known(self, wish, failed or waiting, **options)

    patch.setattr(Claiming, "__init__", begin)


def counters_outside_the_commit(patch: Patch) -> None:
    later: list[Accounts] = []
    known, write = Writer._attempt, Writer._write_counters

    def attempt(self: Writer, *arguments: Any) -> Any:
        answers = known(self, *arguments)
        while later:
            write(self, later.pop())
        return answers

    def keep(_: Writer, accounts: Accounts) -> None:
        later.append(accounts)

    patch.setattr(Writer, "_write_counters", keep)
    patch.setattr(Writer, "_attempt", attempt)


class _Renamed(Letter):
    """A letter whose event is called otherwise."""

    __slots__ = ()

    @property
    def event(self) -> Event:
        event = super().event
        name = str(uuid.uuid5(uuid.NAMESPACE_URL, str(event.id)))
        return Event(attributes={**event.attributes, "id": name}, data=event.data)


def retry_with_a_new_id(patch: Patch) -> None:
    def renamed(*arguments: Any, **options: Any) -> list[Parcel]:
        return [
            msgspec.structs.replace(parcel, letter=_Renamed(parcel.letter.facts))
            if parcel.attempts
            else parcel
            for parcel in parcels(*arguments, **options)
        ]

    patch.setattr(relay.record.sqlite.outgoing, "parcels", renamed)


def delivered_before_it_is_sent(patch: Patch) -> None:
    known = Courier._try

    async def attempt(self: Courier, found: Sequence[Parcel]) -> Any:
        self._settle(found, [Delivered() for _ in found])
        return await known(self, found)

    patch.setattr(Courier, "_try", attempt)


def handed_to_nobody(patch: Patch) -> None:
    """What a commit leases is taken by a courier that has just seen its destination fail."""
    known = Courier.hand

    def hand(self: Courier, parcel: Parcel) -> None:
        if not self.gate.open:
            known(self, parcel)

    patch.setattr(Courier, "hand", hand)


def unclaimed_by_a_crash(patch: Patch) -> None:
    """A courier that starts again forgets what it was trying."""
    known = Courier.run

    async def run(self: Courier) -> None:
        self._trying.clear()
        await known(self)

    patch.setattr(Courier, "run", run)


#: What is wrong, and the promises of which at least one has to be seen broken.
MUTATIONS: Final[Mapping[str, tuple[Callable[[Patch], None], str]]] = {
    "answer before commit": (answer_before_commit, "P1"),
    "duplicate answered from memory": (duplicate_answered_from_memory, "P1"),
    "settle without token": (settle_without_token, "P3 P4 P7"),
    "no duplicates": (no_duplicates, "P2"),
    "forget an expired lease": (forget_an_expired_lease, "P3 P4"),
    "claim out of order": (claim_out_of_order, "P4"),
    "fresh behind what has failed": (fresh_behind_what_has_failed, "P4"),
    "claim what is held": (claim_what_is_held, "P3 P4 P7"),
    "two generations open": (two_generations_open, "P3 P7"),
    "lost wake-up": (lost_wake_up, "P3 P4"),
    "counters outside the commit": (counters_outside_the_commit, "P7"),
    "retry with a new id": (retry_with_a_new_id, "P5"),
    "rebuilt from the latest callback": (rebuild_from_the_latest_callback, "P2"),
    "delivered before it is sent": (delivered_before_it_is_sent, "P3"),
    "handed to nobody": (handed_to_nobody, "P3 P4"),
    "a crash forgets what was tried": (unclaimed_by_a_crash, "P3 P4"),
}


def _look_away(answer: "asyncio.Future[object]") -> None:
    if not answer.cancelled():
        answer.exception()
