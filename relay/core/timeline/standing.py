"""Standing: where a run stands as a whole, and in one sentence what is being waited for now.

Owns the choice among the states, by what is least settled, and the sentence. Pure: the moment of
asking is passed in, and so is what the configuration has to do with it.
"""

from collections.abc import Iterator, Sequence
from typing import assert_never

import msgspec

from relay.core.collapse import is_collapsed
from relay.core.inquiry import InquiryState
from relay.core.run import Known
from relay.core.timeline.history import EventRow, Findings, History, Plan
from relay.core.timeline.parcels import Place, RunState, behind, latest, place_of
from relay.core.timeline.questions import asked, doubt, watched
from relay.core.timeline.words import QUARANTINE, clock, joined, plain

__all__ = ["Standing", "hidden_standing", "standing"]

#: Deliveries that the sentence names one by one.
_NAMED_MAX = 3


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Where a run stands."""

    state: RunState
    #: A closed word.
    reason: str
    #: What is being waited for now, or that nothing is; one sentence.
    sentence: str
    #: Each delivery of the run's events, but those that a replay has replaced, in order.
    places: tuple[Place, ...] = ()


def standing(history: History, *, plan: Plan | None, now: int) -> Standing:
    """Say where a run stands at ``now``. Without a ``plan`` nobody knows the configuration."""
    found = _standing(history, plan, now)
    presence = None if plan is None else plan.presence
    moves = found.state in ("waiting", "pending")
    if not moves or presence is None or presence.answers:
        return found
    nobody = f"no relay answers at {presence.address}, so look whether one runs"
    return msgspec.structs.replace(found, sentence=f"{found.sentence[:-1]}; {nobody}.")


def _standing(history: History, plan: Plan | None, now: int) -> Standing:
    events = {event.number: event for event in history.events}
    pairs = [(d, events[d.event]) for d in history.deliveries if d.event in events]
    places = tuple(
        place_of(delivery, events[delivery.event], pairs, plan=plan, now=now)
        for delivery in latest(d for d, _ in pairs)
    ) + tuple(_unmade(history))
    question = history.question
    if question is None:
        return _sent(history, places, now) if history.events else _nothing(history)
    match question.state:
        case InquiryState.WAITING | InquiryState.HELD:
            held = question.state is InquiryState.HELD
            return Standing(
                state="held" if held else "waiting",
                reason=question.reasons[0] if question.reasons else "unconfirmed",
                sentence=asked(history, question, plan, now),
                places=places,
            )
        case InquiryState.WATCHED:
            return Standing(
                state="waiting",
                reason="outcome_conflict" if history.events else "no_callback",
                sentence=watched(history, question, plan, now),
                places=places,
            )
        case InquiryState.DOUBTFUL:
            found = _sent(history, places, now) if history.events else _nothing(history)
            sentence = f"{found.sentence[:-1]}; {doubt(question, now)}."
            return msgspec.structs.replace(found, sentence=sentence)
        case _:
            assert_never(question.state)


def _unmade(history: History) -> Iterator[Place]:
    """What an event was routed to that has no delivery of it yet."""
    made = {(one.event, one.destination) for one in history.deliveries}
    for event in history.events:
        for name in event.routed:
            since = history.behind.get(name)
            if (
                since is not None
                and event.number >= since
                and (event.number, name) not in made
            ):
                yield behind(event, name)


def hidden_standing(findings: Findings, now: int) -> Standing:
    """Say where something stands of which nothing is known but a callback in quarantine."""
    last = findings.quarantined[0]
    reason = last.reasons[0] if last.reasons else "unstorable"
    words = QUARANTINE.get(reason) or plain(reason)
    return Standing(
        state="quarantined",
        reason=reason,
        sentence=(
            "Nothing is waited for: the signed callback that names it, of"
            f" {clock(last.last_seen, now)}, is in quarantine, because {words}."
        ),
    )


def _nothing(history: History) -> Standing:
    """Known, and neither an event nor a question."""
    known = Known(outcome=history.outcome, revision=history.revision)
    if known.outcome is not None and is_collapsed(known):
        return Standing(
            state="collapsed",
            reason="collapsed",
            sentence=(
                f"Nothing is waited for: it ended as {known.outcome.value}, and stands back behind the"
                f" first success under client_ref {history.client_ref}; it is told of should that one have failed."
            ),
        )
    why = "its callbacks named no end" if history.receipts else "no callback has come"
    return Standing(
        state="held",
        reason="let_go",
        sentence=f"Nothing is waited for: {why}, and the API is not asked any more.",
    )


def _sent(history: History, places: tuple[Place, ...], now: int) -> Standing:
    """The least settled delivery speaks for all; where all are settled, the last of each destination."""
    event = history.events[-1]
    final = {place.destination: place for place in places}.values()
    has_it = [
        place.destination
        for place in final
        if place.state == "delivered" and place.revision == event.revision
    ]
    for state in ("pending", "held"):
        found = [place for place in places if place.state == state]
        if found:
            sentence = f"{_on_their_way(history, found)}{_rest(has_it)}."
            return Standing(
                state=found[0].state,
                reason=found[0].reason,
                sentence=sentence,
                places=places,
            )
    dead = [place for place in final if place.state == "dead"]
    if dead:
        clauses = joined([f"{place.destination}, {place.words}" for place in dead])
        return Standing(
            state="dead",
            reason=dead[0].reason,
            sentence=f"Nothing is waited for: {_named(event)} did not reach"
            f" {clauses}{_rest(has_it)}.",
            places=places,
        )
    return _settled(event, places, has_it, now)


def _settled(
    event: EventRow, places: tuple[Place, ...], has_it: Sequence[str], now: int
) -> Standing:
    if not event.routed and not places:
        return Standing(
            state="held",
            reason="unrouted",
            sentence=f"Nothing is waited for: no route takes {_named(event)}, so it goes nowhere"
            " and stays in the store.",
            places=places,
        )
    if not has_it:
        return Standing(
            state="delivered",
            reason="forgotten",
            sentence=f"Nothing is waited for: the deliveries of {_named(event)} are settled, and kept"
            " no more.",
            places=places,
        )
    last = max(
        place.settled_at or 0 for place in places if place.revision == event.revision
    )
    at_last = " the last of them" if len(has_it) > 1 else ""
    return Standing(
        state="delivered",
        reason="delivered",
        sentence=f"Nothing is waited for: {_some(has_it)}"
        f" {'have' if len(has_it) > 1 else 'has'} {_named(event)},{at_last} since {clock(last, now)}.",
        places=places,
    )


def _on_their_way(history: History, found: Sequence[Place]) -> str:
    outcomes = {event.revision: event for event in history.events}
    clauses = [
        f"{_named(outcomes[place.revision])} to {place.destination}: {place.words}"
        for place in found[:_NAMED_MAX]
    ]
    if len(found) == 1:
        verb = "is held for" if found[0].state == "held" else "is on its way to"
        place = found[0]
        name = _named(outcomes[place.revision])
        return f"{name[0].upper()}{name[1:]} {verb} {place.destination}: {place.words}"
    more = len(found) - _NAMED_MAX
    if more > 0:
        clauses.append(f"and {more} more")
    return f"{len(found)} deliveries are open: {'; '.join(clauses)}"


def _rest(has_it: Sequence[str]) -> str:
    if not has_it:
        return ""
    return f"; {_some(has_it)} {'has' if len(has_it) == 1 else 'have'} it"


def _some(names: Sequence[str]) -> str:
    """The first few of them, and how many others."""
    others = len(names) - _NAMED_MAX
    if others < 2:
        return joined(list(names))
    return joined([*names[:_NAMED_MAX], f"{others} others"])


def _named(event: EventRow) -> str:
    return f"event {event.revision} ({event.outcome.value})"
