"""Document: the whole explanation of a run, for a terminal to draw and for programs to read.

Owns what belongs to it, and its JSON. The JSON's form is stable: keys are added, never renamed or taken
away; every key is always there. Times in it are UTC with six digits; ``docs/explain.md`` has an example.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from relay.core.moment import text_of
from relay.core.snapshot import Snapshot, Unfinished
from relay.core.timeline.account import (
    Difference,
    account_words,
    callback_words,
    differences,
)
from relay.core.timeline.entries import Entry, entries
from relay.core.timeline.history import (
    Account,
    Findings,
    History,
    Plan,
    ReceiptRow,
    Unanswered,
)
from relay.core.timeline.parcels import Place
from relay.core.timeline.standing import Standing, hidden_standing, standing

__all__ = ["Explanation", "Named", "Stated", "as_json", "explain", "explain_hidden"]

#: What the counts of left out rows are called.
_LEFT_OUT: Final = {
    "receipts": "callbacks",
    "asks": "asks",
    "events": "events",
    "deliveries": "deliveries",
    "attempts": "failed tries",
}


class Named(msgspec.Struct, frozen=True, kw_only=True):
    """What is explained."""

    id: str
    #: None where nothing but a callback in quarantine names it.
    source: str | None = None
    kind: str | None = None
    client_ref: str | None = None
    outcome: str | None = None
    revision: int = 0
    origin: str | None = None
    first_seen: int | None = None


class Stated(msgspec.Struct, frozen=True, kw_only=True):
    """What the API says now, in words and in one word."""

    at: int
    #: ``told``, ``unended``, or why it does not say.
    run: str
    #: The run's status as it has it.
    status: str | None
    run_words: str
    #: ``told``, or why it does not say.
    callbacks: str
    callback_url: str | None
    callback_words: str


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """All there is to say of one run."""

    run: Named
    standing: Standing
    upstream: Stated | None
    differences: tuple[Difference, ...]
    timeline: tuple[Entry, ...]
    #: How many lines of each kind were left out, by what they are called.
    left_out: Mapping[str, int]


def explain(
    history: History,
    account: Account | None,
    *,
    hidden: tuple[ReceiptRow, ...] = (),
    plan: Plan | None,
    now: int,
    excerpts: bool = False,
) -> Explanation:
    """Explain a run of which the store knows.

    ``account`` is what the API says, None where there is no API to speak of; ``hidden`` are callbacks in
    quarantine that name the run; ``plan`` is None where nobody knows the configuration.
    """
    key = history.key
    left_out = {_LEFT_OUT[name]: count for name, count in history.left_out.items()}
    if account is not None and account.left_out:
        left_out["tries of Runflow"] = account.left_out
    return Explanation(
        run=Named(
            id=key.id,
            source=key.source,
            kind=key.kind.value,
            client_ref=history.client_ref,
            outcome=history.outcome.value if history.outcome else None,
            revision=history.revision,
            origin=history.origin,
            first_seen=history.first_seen,
        ),
        standing=standing(history, plan=plan, now=now),
        upstream=None if account is None else _stated(account, plan, now),
        differences=tuple(differences(history, account)) if account else (),
        timeline=tuple(entries(history, account, hidden, excerpts=excerpts)),
        left_out=left_out,
    )


def explain_hidden(text: str, findings: Findings, *, now: int) -> Explanation:
    """Explain what nothing but callbacks in quarantine name."""
    sources = {receipt.source for receipt in findings.quarantined}
    return Explanation(
        run=Named(id=text, source=sources.pop() if len(sources) == 1 else None),
        standing=hidden_standing(findings, now),
        upstream=None,
        differences=(),
        timeline=tuple(entries(None, None, findings.quarantined)),
        left_out={},
    )


def as_json(explanation: Explanation) -> dict[str, object]:
    """The explanation for programs."""
    run, stands = explanation.run, explanation.standing
    upstream = explanation.upstream
    return {
        "run": {**msgspec.structs.asdict(run), "first_seen": _text(run.first_seen)},
        "state": stands.state,
        "reason": stands.reason,
        "waiting_for": stands.sentence,
        "destinations": [_place(place) for place in stands.places],
        "upstream": None
        if upstream is None
        else {
            "asked_at": text_of(upstream.at),
            "run": upstream.run,
            "status": upstream.status,
            "words": upstream.run_words,
            "callbacks": upstream.callbacks,
            "callback_url": upstream.callback_url,
            "callback_words": upstream.callback_words,
        },
        "differences": [msgspec.structs.asdict(one) for one in explanation.differences],
        "timeline": [
            {
                "at": text_of(entry.at),
                "kind": entry.kind,
                "words": entry.words,
                "facts": dict(entry.facts),
            }
            for entry in explanation.timeline
        ],
        "left_out": dict(explanation.left_out),
    }


def _place(place: Place) -> dict[str, object]:
    times = {"due_at": _text(place.due_at), "settled_at": _text(place.settled_at)}
    return {**msgspec.structs.asdict(place), **times}


def _stated(account: Account, plan: Plan | None, now: int) -> Stated:
    said = account.run
    run, status = "told", None
    if isinstance(said, Snapshot):
        status = said.wire.status_code or said.wire.status
    elif isinstance(said, Unfinished):
        run, status = "unended", said.status
    else:
        run = said.reason
    callbacks = account.callbacks
    return Stated(
        at=account.at,
        run=run,
        status=status,
        run_words=account_words(account, plan=plan),
        callbacks=callbacks.reason if isinstance(callbacks, Unanswered) else "told",
        callback_url=account.callback_url,
        callback_words=callback_words(account, plan=plan, now=now),
    )


def _text(moment: int | None) -> str | None:
    return None if moment is None else text_of(moment)
