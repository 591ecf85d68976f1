"""Entries: what happened to a run, line by line in the order of time.

Owns making one entry of each row, and their order. Runflow's own times are by its clocks and the relay's
by the relay's; what stands first at equal times is what comes first on the path.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, Literal

import msgspec

from relay.core.delivery import State
from relay.core.identity import Kind
from relay.core.run import Verdict
from relay.core.timeline.account import run_moments
from relay.core.timeline.history import (
    Account,
    Attempt,
    CallbackDelivery,
    CallbackTry,
    Delivery,
    EventRow,
    History,
    PastAsk,
    ReceiptRow,
    Unanswered,
)
from relay.core.timeline.words import (
    QUARANTINE,
    REASONS,
    VERDICTS,
    answer_words,
    failure_words,
    joined,
    length,
    plain,
)

__all__ = ["Entry", "EntryKind", "Fact", "entries"]

#: ``runflow`` is what the API says now; ``sent`` Runflow's tries to deliver its callback; ``callback``
#: what arrived here; ``asked`` an ask of the relay; the rest are events and their deliveries.
EntryKind = Literal[
    "runflow",
    "sent",
    "callback",
    "asked",
    "event",
    "replay",
    "failed",
    "delivered",
    "dead",
]
Fact = str | int | bool | None

_ORDER: Final[Mapping[EntryKind, int]] = {
    "runflow": 0,
    "sent": 1,
    "callback": 2,
    "asked": 3,
    "event": 4,
    "replay": 5,
    "failed": 6,
    "dead": 7,
    "delivered": 7,
}


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happened. ``at`` is wall microseconds."""

    at: int
    kind: EntryKind
    #: For a person.
    words: str
    #: The same for a program; which facts an entry has depends on its kind.
    facts: Mapping[str, Fact] = {}


def entries(
    history: History | None,
    account: Account | None,
    hidden: Iterable[ReceiptRow] = (),
    *,
    excerpts: bool = False,
) -> list[Entry]:
    """Everything that happened, in order. ``hidden`` are callbacks in quarantine that name the run.

    With ``excerpts`` the beginnings of what destinations answered are among the words.
    """
    found = [*_upstream(account)]
    for receipt in hidden:
        found += _received(receipt)
    if history is not None:
        is_own = history.key.kind is Kind.DESTINATION
        # Nobody has sent what the relay tells of itself: it stands there as the event alone.
        for receipt in () if is_own else history.receipts:
            found += _received(receipt)
        found += [_asked(ask) for ask in history.asks]
        found += [_made(event, is_own=is_own) for event in history.events]
        found += _delivering(history, excerpts=excerpts)
    return sorted(found, key=lambda entry: (entry.at, _ORDER[entry.kind]))


# --- Runflow's side -----------------------------------------------------------------------------------


def _upstream(account: Account | None) -> Iterator[Entry]:
    if account is None:
        return
    for moment in run_moments(account):
        yield Entry(at=moment.at, kind="runflow", words=moment.words)
    if isinstance(account.callbacks, Unanswered):
        return
    for delivery in account.callbacks:
        for one in delivery.tries:
            at = one.at if one.at is not None else delivery.created_at
            if at is not None:
                yield _sent(delivery, one, at)


def _sent(delivery: CallbackDelivery, one: CallbackTry, at: int) -> Entry:
    of = f" of {delivery.tries_max}" if delivery.tries_max else ""
    what = "redelivery" if delivery.automatic is False else "callback"
    number = f", try {one.number}{of}" if one.number is not None else ""
    said = f"answered {one.status}" if one.status else "no answer"
    error = "" if one.error is None else f" ({plain(one.error, 80)})"
    took = "" if one.duration_ms is None else f", {length(one.duration_ms * 1000)}"
    return Entry(
        at=at,
        kind="sent",
        words=f"Runflow sent its {what}{number}: {said}{error}{took}",
        facts={
            "try": one.number,
            "status": one.status,
            "error": None if one.error is None else plain(one.error),
        },
    )


def _received(receipt: ReceiptRow) -> Iterator[Entry]:
    is_hidden = receipt.verdict is Verdict.QUARANTINED
    table = QUARANTINE if is_hidden else REASONS
    reasons = [table.get(one) or plain(one) for one in receipt.reasons]
    why = ""
    if reasons:
        why = f": {joined(reasons)}" if is_hidden else f"; waits: {joined(reasons)}"
    size = "not kept any more" if receipt.size is None else f"{receipt.size:,} B"
    digest = receipt.digest.hex()
    channel = "" if receipt.channel == "callback" else f", channel {receipt.channel}"
    facts: dict[str, Fact] = {
        "verdict": receipt.verdict.value,
        "reasons": ",".join(receipt.reasons),
        "channel": receipt.channel,
        "secret": receipt.secret,
        "sha256": digest,
        "bytes": receipt.size,
        "count": receipt.count,
    }
    yield Entry(
        at=receipt.first_seen,
        kind="callback",
        words=f"{VERDICTS[receipt.verdict]}{why} ({size}, sha256 {digest[:8]}, secret"
        f" {plain(receipt.secret, 40)}{channel})",
        facts=facts,
    )
    if receipt.count > 1:
        again = receipt.count - 1
        times = "once more" if again == 1 else f"{again} more times, now for the last"
        yield Entry(
            at=receipt.last_seen,
            kind="callback",
            words=f"the same bytes {times} (sha256 {digest[:8]})",
            facts={**facts, "repeated": True},
        )


# --- the relay's own ----------------------------------------------------------------------------------


def _asked(ask: PastAsk) -> Entry:
    said = answer_words(ask.answer)
    if ask.answer in ("told", "unended") and ask.detail:
        said = f'it says "{plain(ask.detail, 40)}"'
    elif ask.status:
        said = f"{said} ({ask.status})"
    return Entry(
        at=ask.at,
        kind="asked",
        words=f"the API: {said}, {length(ask.duration_us)}",
        facts={
            "answer": ask.answer,
            "status": ask.status,
            "duration_us": ask.duration_us,
            "detail": plain(ask.detail, 500),
        },
    )


def _made(event: EventRow, *, is_own: bool) -> Entry:
    whose = "from the API's answer" if event.from_api else "from the callback"
    if is_own:
        whose = "told by the relay itself"
    doubt = "" if event.confirmed else ", unconfirmed"
    to = joined(list(event.routed)) if event.routed else "nobody, no route takes it"
    return Entry(
        at=event.created_at,
        kind="event",
        words=f"event {event.revision}: {event.outcome.value}{doubt}, {whose}, for {to} (id {event.id})",
        facts={
            "event_id": event.id,
            "revision": event.revision,
            "outcome": event.outcome.value,
            "confirmed": event.confirmed,
            "from": "relay" if is_own else "api" if event.from_api else "callback",
        },
    )


def _delivering(history: History, *, excerpts: bool) -> Iterator[Entry]:
    events = {event.number: event for event in history.events}
    tries: dict[int, list[Attempt]] = {}
    for attempt in history.attempts:
        tries.setdefault(attempt.delivery, []).append(attempt)
    for delivery in history.deliveries:
        event = events.get(delivery.event)
        if event is None:
            continue
        made = tries.get(delivery.number, [])
        final = _final(delivery, made)
        for attempt in made:
            if attempt is not final:
                yield _failed(delivery, event, attempt, excerpts=excerpts)
        if delivery.replay is not None:
            yield _sent_again(delivery, event)
        if delivery.settled_at is not None:
            yield _settled(delivery, event, delivery.settled_at, final)


def _sent_again(delivery: Delivery, event: EventRow) -> Entry:
    """Also for the first time, where a destination never had the event."""
    again = "again " if delivery.generation > 1 else ""
    whose = (
        f", ordered by {plain(delivery.ordered_by, 120)}" if delivery.ordered_by else ""
    )
    return Entry(
        at=delivery.created_at,
        kind="replay",
        words=f"event {event.revision} {again}to {delivery.destination}"
        f" (replay {delivery.replay}{whose})",
        facts={
            **_facts(delivery, event),
            "replay": delivery.replay,
            "ordered_by": delivery.ordered_by,
        },
    )


def _final(delivery: Delivery, made: Sequence[Attempt]) -> Attempt | None:
    """The try that a dead delivery died of: one line says both."""
    is_dead = delivery.state is State.DEAD
    return made[-1] if made and is_dead and made[-1].reason == delivery.reason else None


def _failed(
    delivery: Delivery, event: EventRow, attempt: Attempt, *, excerpts: bool
) -> Entry:
    said = ""
    if excerpts and attempt.excerpt:
        text = attempt.excerpt.decode(errors="backslashreplace")
        said = f'; it said "{plain(text, 500)}"'
    return Entry(
        at=attempt.at,
        kind="failed",
        words=f"event {event.revision} to {delivery.destination}: {failure_words(attempt.reason)}"
        f"{_detail(attempt)}, {length(attempt.duration_us)}{said}",
        facts={
            **_facts(delivery, event),
            "reason": attempt.reason,
            "status": attempt.status,
            "detail": plain(attempt.detail, 500),
            "duration_us": attempt.duration_us,
        },
    )


def _detail(attempt: Attempt | None) -> str:
    return f" ({plain(attempt.detail, 120)})" if attempt and attempt.detail else ""


def _settled(
    delivery: Delivery, event: EventRow, at: int, final: Attempt | None
) -> Entry:
    facts = {**_facts(delivery, event), "status": delivery.status}
    if delivery.state is State.DELIVERED:
        status = f", answered {delivery.status}" if delivery.status else ""
        tries = f", try {delivery.failures + 1}" if delivery.failures else ""
        return Entry(
            at=at,
            kind="delivered",
            words=f"event {event.revision} to {delivery.destination}{tries}{status}",
            facts=facts,
        )
    reason = "discarded" if delivery.state is State.DISCARDED else delivery.reason
    return Entry(
        at=at,
        kind="dead",
        words=f"event {event.revision} to {delivery.destination}: {failure_words(reason)}"
        f"{_detail(final)}",
        facts={
            **facts,
            "reason": reason,
            "detail": plain(final.detail, 500) if final else None,
        },
    )


def _facts(delivery: Delivery, event: EventRow) -> dict[str, Fact]:
    return {
        "event_id": event.id,
        "revision": event.revision,
        "destination": delivery.destination,
        "generation": delivery.generation,
    }
