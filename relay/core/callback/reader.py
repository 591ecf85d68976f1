"""Reader: from a body to what it says, and to what is missing or contradicts itself in it.

Owns the words of the upstream (events, states, both spellings) and the doubts that leave a run waiting
for the truth. Knows nothing of what was known before.
"""

from collections.abc import Iterator
from typing import Final, Literal, assert_never

from relay.core.callback.reading import Problem, Reading
from relay.core.callback.wire import Unreadable, Wire, decode, opaque, whole
from relay.core.identity import ID_BYTES_MAX, Kind, Outcome, RunKey, UnusableIdError
from relay.core.moment import read_moment

__all__ = [
    "DEFAULT_REQUIRE",
    "Field",
    "is_usable_ref",
    "outcome_of",
    "read",
]

CLIENT_REF_BYTES_MAX: Final = 4 * ID_BYTES_MAX

Field = Literal[
    "status",
    "created_at",
    "completed_at",
    "duration_ms",
    "output",
    "metadata",
    "client_ref",
]
DEFAULT_REQUIRE: Final[tuple[Field, ...]] = ("status", "completed_at", "output")

_OUTCOMES: Final = {
    "succeeded": Outcome.SUCCEEDED,
    "failed": Outcome.FAILED,
    "cancelled": Outcome.CANCELLED,
    "canceled": Outcome.CANCELLED,
    "partial_succeeded": Outcome.PARTIAL_SUCCEEDED,
}
_EVENT_OUTCOMES: Final = {**_OUTCOMES, "completed": Outcome.SUCCEEDED}
_WITH_OUTPUT: Final = (Outcome.SUCCEEDED, Outcome.PARTIAL_SUCCEEDED, None)
_OPEN_STATES: Final = frozenset({"queued", "dispatching", "running", "pending"})


def read(
    body: bytes, *, source: str, require: tuple[Field, ...] = DEFAULT_REQUIRE
) -> Reading | Unreadable:
    """Read a body of ``source``; never raises for anything that a body can hold."""
    wire = decode(body)
    if isinstance(wire, Unreadable):
        return wire
    named = _named(wire)
    if isinstance(named, Unreadable):
        return named
    kind, event_outcome = named
    return _reading(
        wire,
        body,
        source=source,
        kind=kind,
        event_outcome=event_outcome,
        require=require,
    )


def outcome_of(word: str, *, ended: bool) -> Outcome | None:
    """How a run ended by the word of its state (lower case); None while it goes on.

    A word that nobody knows ends a run only where it is known to have ended.
    """
    if not word or word in _OPEN_STATES:
        return None
    return _OUTCOMES.get(word, Outcome.OTHER if ended else None)


def is_usable_ref(client_ref: str | None) -> bool:
    """Whether a ``client_ref`` can be kept as it is."""
    if client_ref is None:
        return True
    # Not every store keeps a NUL in a text; what one store takes every store takes.
    return len(client_ref.encode()) <= CLIENT_REF_BYTES_MAX and "\0" not in client_ref


def _named(wire: Wire) -> tuple[Kind, Outcome | None] | Unreadable:
    """What kind of thing ended, and how, by the event's name; without one by the ids."""
    if wire.event is not None:
        return _named_by_event(wire.event)
    if wire.run_id is not None:
        return Kind.RUN, None
    if wire.batch_id is not None:
        return Kind.BATCH, None
    return Unreadable("unknown_family")


def _named_by_event(event: str) -> tuple[Kind, Outcome] | Unreadable:
    family, _, word = event.partition(".")
    kind = {"run": Kind.RUN, "batch": Kind.BATCH}.get(family)
    if kind is None:
        return Unreadable("unknown_family")
    outcome = _EVENT_OUTCOMES.get(word)
    if outcome is None:
        return Unreadable("unknown_event")
    return kind, outcome


def _reading(
    wire: Wire,
    body: bytes,
    *,
    source: str,
    kind: Kind,
    event_outcome: Outcome | None,
    require: tuple[Field, ...],
) -> Reading | Unreadable:
    named = wire.run_id if kind is Kind.RUN else wire.batch_id
    try:
        key = RunKey.of(source, kind, named or "")
    except UnusableIdError:
        return Unreadable("unusable_id")
    client_ref = wire.client_ref
    if client_ref is not None and not is_usable_ref(client_ref):
        return Unreadable("unusable_client_ref")
    status = wire.status or wire.status_code
    word = status.strip().lower() if status else None
    outcome = _outcome(word, event_outcome)
    completed_at = read_moment(wire.completed_at)
    return Reading(
        key=key,
        outcome=outcome,
        status_raw=status,
        is_open=word in _OPEN_STATES,
        problems=(
            *_missing(wire, outcome, status, completed_at, require),
            *_contradictions(word, outcome, event_outcome),
        ),
        client_ref=client_ref,
        completed_at=completed_at,
        wire=wire,
        body=body,
    )


def _outcome(word: str | None, event_outcome: Outcome | None) -> Outcome | None:
    if word is None or word in _OPEN_STATES:
        return event_outcome
    return _OUTCOMES.get(word, Outcome.OTHER)


def _missing(
    wire: Wire,
    outcome: Outcome | None,
    status: str | None,
    completed_at: str | None,
    require: tuple[Field, ...],
) -> Iterator[Problem]:
    """Required fields that are absent, null or of a type that says nothing."""
    # Without a status the event may name the outcome; without either nothing does.
    if status is None and ("status" in require or outcome is None):
        yield "missing_status"
    for name in require:
        if name == "status" or (name == "completed_at" and completed_at is not None):
            continue
        # A run that did not succeed, not even in part, has no output to miss.
        if name == "output" and outcome not in _WITH_OUTPUT:
            continue
        if not _says_something(name, wire):
            yield f"missing_{name}"


def _says_something(name: Field, wire: Wire) -> bool:
    match name:
        case "created_at" | "completed_at":
            return read_moment(getattr(wire, name)) is not None
        case "duration_ms":
            return whole(wire.duration_ms) is not None
        case "client_ref" | "status":
            return getattr(wire, name) is not None
        case "output" | "metadata":
            return opaque(getattr(wire, name)) is not None
        case _:
            assert_never(name)


def _contradictions(
    word: str | None, outcome: Outcome | None, event_outcome: Outcome | None
) -> Iterator[Problem]:
    if word is None:
        return
    if word in _OPEN_STATES:
        yield "status_not_terminal"
    elif word not in _OUTCOMES:
        yield "status_unknown"
    elif event_outcome is not None and event_outcome is not outcome:
        yield "event_and_status_disagree"
