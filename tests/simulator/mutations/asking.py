"""Mistakes in asking what is true, and in looking for what was missed."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
import pytest

import relay.core.truth
import relay.receive.sweep
import relay.reconcile.upstream
import relay.reconcile.worker
import relay.record.learning
from relay.core.callback import Reading
from relay.core.identity import RunKey
from relay.core.inquiry import (
    GiveUp,
    Heard,
    Inquiry,
    InquiryState,
    Let,
    Sighting,
    Silent,
    next_move,
)
from relay.core.likeness import same_output
from relay.core.pace import Pace
from relay.core.run import Known, Publication
from relay.core.snapshot import Snapshot, document, read_answer
from relay.core.sweep import Listed, sighted
from relay.core.truth import Finding, learn
from relay.receive.sweep import Progress, Sweeper
from relay.record.publishing import Publisher
from relay.record.runs import RunRow, RunRows
from relay.runflow import RunflowError

__all__ = ["MUTATIONS"]

Patch = pytest.MonkeyPatch


def believes_whatever_comes(patch: Patch) -> None:
    """An answer with status 200 is about the run that was asked for."""

    def believed(body: bytes, key: RunKey, **_: object) -> object:
        said = {**json.loads(body), "id": key.id, "org_id": None}
        return read_answer(json.dumps(said).encode(), key)

    patch.setattr(relay.reconcile.upstream, "read_answer", believed)


def keeps_the_lease(patch: Patch) -> None:
    """Who is to be asked again later is still being asked, as far as the store knows."""
    patch.setattr(RunRows, "released", lambda _: [])


def counts_from_one_again(patch: Patch) -> None:
    """What is found to be otherwise is a first event, once more."""

    def learnt(known: Known, told: Reading, last: Reading | None) -> Finding:
        found = learn(known, told, last)
        publication = found.publication
        if publication is None or publication.revision == 1:
            return found
        return msgspec.structs.replace(
            found,
            known=msgspec.structs.replace(found.known, revision=1),
            publication=Publication(publication.outcome, 1, confirmed=True),
        )

    patch.setattr(relay.record.learning, "learn", learnt)


def running_is_an_end(patch: Patch) -> None:
    """What goes on will end well."""

    def ended(body: bytes, key: RunKey, **how: Any) -> object:
        return read_answer(body.replace(b'"running"', b'"succeeded"'), key, **how)

    patch.setattr(relay.reconcile.upstream, "read_answer", ended)


def moves_on_from_half_a_sweep(patch: Patch) -> None:
    """The cursor stands where the sweep would have ended, and it broke off."""
    known = Sweeper.sweep

    async def sweep(self: Sweeper, **how: Any) -> Progress:
        try:
            return await known(self, **how)
        except RunflowError:
            now = self._clock.now_us()
            await self._inquiries.watch(self.source, [], cursor=now)
            raise

    patch.setattr(Sweeper, "sweep", sweep)


def forgets_who_goes_on(patch: Patch) -> None:
    """A sweep remembers none but those that have ended."""

    def seen(source: str, run: Listed, *rest: Any, **now: Any) -> Sighting | None:
        return None if run.outcome is None else sighted(source, run, *rest, **now)

    patch.setattr(relay.receive.sweep, "sighted", seen)


def _move(patch: Patch, changed: Callable[[Inquiry, Heard, int], object]) -> None:
    """Let something else follow from some answers."""

    def moved(inquiry: Inquiry, heard: Heard, *policy: Any, now: int) -> object:
        found = changed(inquiry, heard, now)
        return next_move(inquiry, heard, *policy, now=now) if found is None else found

    patch.setattr(relay.reconcile.worker, "next_move", moved)


def gives_up_at_once(patch: Patch) -> None:
    def given_up(inquiry: Inquiry, heard: Heard, now: int) -> object:
        waits = inquiry.state is InquiryState.WAITING and isinstance(heard, Silent)
        return GiveUp(now + 3_600_000_000) if waits else None

    _move(patch, given_up)


def too_many_questions_is_an_answer(patch: Patch) -> None:
    """Who was asked for in vain is asked for no more."""

    def let(_: Inquiry, heard: Heard, __: int) -> object:
        limited = isinstance(heard, Silent) and heard.reason == "rate_limited"
        return Let() if limited else None

    _move(patch, let)


def asks_on_and_on(patch: Patch) -> None:
    """Whoever wanted to be left in peace is asked about the next run."""
    never = property(lambda _: 0.0, lambda *_: None)
    patch.setattr(Pace, "quiet_until", never, raising=False)


def keeps_what_the_callback_said(patch: Patch) -> None:
    """What was signed counts for more than what is told."""

    def told(snapshot: Snapshot, said: list[Reading], **how: bool) -> bytes:
        found = json.loads(document(snapshot, said, **how))
        words = [one.status_raw for one in said if one.outcome is not None]
        return json.dumps(
            {**found, "status_code": [*words, found["status_code"]][0]}
        ).encode()

    patch.setattr(relay.reconcile.worker, "document", told)


def watches_who_has_called(patch: Patch) -> None:
    """What a sweep has asked stays open, whoever answers it."""
    known = RunRows.answered

    def answered(self: RunRows) -> list[tuple[object, ...]]:
        watched = {
            row.number
            for row in self.known
            if row.stored_inquiry and row.stored_inquiry.state is InquiryState.WATCHED
        }
        return [found for found in known(self) if found[0] not in watched]

    patch.setattr(RunRows, "answered", answered)


def revises_for_whom_it_may_concern(patch: Patch) -> None:
    """A revision goes where its routes name, whoever believes the earlier one."""
    known = Publisher._destinations

    def destinations(self: Publisher, row: RunRow, *rest: Any) -> dict[str, int]:
        row.destinations.clear()
        return known(self, row, *rest)

    patch.setattr(Publisher, "_destinations", destinations)


def fresh_links_are_news(patch: Patch) -> None:
    def alike(told: bytes | None, last: bytes | None) -> bool:
        return same_output(told, last) and told == last

    patch.setattr(relay.core.truth, "same_output", alike)


def answered_by_nobody(patch: Patch) -> None:
    """The origin of what a sweep has found is a callback all the same."""
    known = RunRows.of

    def of(self: RunRows, key: RunKey, **how: Any) -> RunRow:
        return known(self, key, **{**how, "origin": "callback"})

    patch.setattr(RunRows, "of", of)


def closes_without_a_word(patch: Patch) -> None:
    """What was opened and denied is not counted as closed."""

    def learnt(known: Known, told: Reading, last: Reading | None) -> Finding:
        return msgspec.structs.replace(learn(known, told, last), closed=False)

    patch.setattr(relay.record.learning, "learn", learnt)


#: What is wrong, and the promises of which at least one has to be seen broken.
MUTATIONS: Final[Mapping[str, tuple[Callable[[Patch], None], str]]] = {
    "believes whatever comes": (believes_whatever_comes, "P2"),
    "keeps the lease": (keeps_the_lease, "P6"),
    "counts from one again": (counts_from_one_again, "P2 P3 P6"),
    "running is an end": (running_is_an_end, "P2"),
    "moves on from half a sweep": (moves_on_from_half_a_sweep, "P6"),
    "forgets who goes on": (forgets_who_goes_on, "P6"),
    "gives up at once": (gives_up_at_once, "P6"),
    "too many questions is an answer": (too_many_questions_is_an_answer, "P5 P7"),
    "asks on and on": (asks_on_and_on, "Retry-After"),
    "keeps what the callback said": (keeps_what_the_callback_said, "P2"),
    "watches who has called": (watches_who_has_called, "P6"),
    "revises for whom it may concern": (revises_for_whom_it_may_concern, "P3"),
    "fresh links are news": (fresh_links_are_news, "P2"),
    "answered by nobody": (answered_by_nobody, "P6"),
    "closes without a word": (closes_without_a_word, "P7"),
}
