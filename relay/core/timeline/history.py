"""History: all that is stored of one run, and what its upstream says of it now, as plain values.

Owns shapes alone. A store's reader fills in `History`, whoever asks the API fills in `Account`; nothing
here knows where either came from. Times are wall microseconds, UTC.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from relay.core.delivery import State
from relay.core.holding import Hold
from relay.core.identity import Outcome, RunKey
from relay.core.inquiry import InquiryState
from relay.core.run import Verdict
from relay.core.snapshot import Snapshot, Unfinished

__all__ = [
    "Account",
    "Attempt",
    "CallbackDelivery",
    "CallbackTry",
    "Delivery",
    "EventRow",
    "Findings",
    "FoundBy",
    "History",
    "PastAsk",
    "Plan",
    "Presence",
    "Question",
    "ReceiptRow",
    "Unanswered",
]

#: What the words that were looked for turned out to be.
FoundBy = Literal["id", "event", "client_ref"]


class ReceiptRow(msgspec.Struct, frozen=True, kw_only=True):
    """A callback that was kept; equal bytes again are counted on it."""

    verdict: Verdict
    #: Why its run waited when it came, or why it is in quarantine.
    reasons: tuple[str, ...]
    source: str
    channel: str
    #: The id of the secret that had signed it.
    secret: str
    #: The beginning of the body's SHA-256.
    digest: bytes
    count: int
    first_seen: int
    last_seen: int
    #: Bytes of the body; None when it is kept no more.
    size: int | None


class PastAsk(msgspec.Struct, frozen=True, kw_only=True):
    """One question to the API."""

    at: int
    duration_us: int
    #: ``told``, ``unended``, or the reason of a silence.
    answer: str
    status: int | None
    detail: str


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """The open inquiry of a run."""

    state: InquiryState
    outcome: Outcome | None
    reasons: tuple[str, ...]
    opened_at: int
    due_at: int
    asks: int
    #: Whether somebody is asking now.
    leased: bool


class EventRow(msgspec.Struct, frozen=True, kw_only=True):
    """One revision of the run's event."""

    number: int
    id: str
    revision: int
    outcome: Outcome
    confirmed: bool
    #: Whether it is built from an answer of the API.
    from_api: bool
    #: Names of the destinations that it was made for.
    routed: tuple[str, ...]
    created_at: int


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One event on its way to one destination."""

    number: int
    event: int
    destination: str
    kind: str
    generation: int
    state: State
    created_at: int
    due_at: int
    #: Whether it is in a relay's hands now.
    leased: bool
    settled_at: int | None
    status: int | None
    #: Of its last try.
    reason: str | None
    #: Tries that did not deliver it, and when the last of them was.
    failures: int
    failed_at: int | None
    #: The order to send again that made it, and whose that was.
    replay: int | None = None
    ordered_by: str | None = None
    #: Why nothing is sent to its destination.
    hold: Hold | None = None


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One try that did not deliver."""

    delivery: int
    at: int
    duration_us: int
    reason: str
    status: int | None
    detail: str
    #: The beginning of what was answered.
    excerpt: bytes


class History(msgspec.Struct, frozen=True, kw_only=True):
    """All that one store has of one run."""

    key: RunKey
    client_ref: str | None
    outcome: Outcome | None
    revision: int
    origin: str
    first_seen: int
    receipts: tuple[ReceiptRow, ...] = ()
    asks: tuple[PastAsk, ...] = ()
    question: Question | None = None
    events: tuple[EventRow, ...] = ()
    deliveries: tuple[Delivery, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    #: What the last event was built from; None where there is none (any more).
    last_body: bytes | None = None
    #: Destinations that have no deliveries from an event on, by name: that event's number.
    behind: Mapping[str, int] = {}
    #: How many rows of each kind were left out, the middle ones.
    left_out: Mapping[str, int] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What a store has under some words."""

    by: FoundBy | None = None
    histories: tuple[History, ...] = ()
    #: Further runs of the same ``client_ref``, older than all of these; at least so many, where they
    #: are very many.
    more: int = 0
    #: Signed callbacks in quarantine that name the words as an id.
    quarantined: tuple[ReceiptRow, ...] = ()


class Unanswered(msgspec.Struct, frozen=True, kw_only=True):
    """A question to the API that was not answered, or not asked."""

    reason: str
    detail: str = ""
    status: int | None = None


class CallbackTry(msgspec.Struct, frozen=True, kw_only=True):
    """One try of Runflow's to deliver a callback."""

    at: int | None
    number: int | None
    status: int | None
    error: str | None
    duration_ms: int | None


class CallbackDelivery(msgspec.Struct, frozen=True, kw_only=True):
    """One callback of Runflow's and its tries."""

    state: str | None
    url: str | None
    #: False for a redelivery that somebody had asked for; None where it is not said.
    automatic: bool | None
    created_at: int | None
    next_at: int | None
    tries_max: int | None
    failure: str | None
    tries: tuple[CallbackTry, ...]


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """What the API says of one run or batch now."""

    source: str
    at: int
    run: Snapshot | Unfinished | Unanswered
    callbacks: tuple[CallbackDelivery, ...] | Unanswered
    #: Where the run's callback goes; None where it has none, or nobody knows.
    callback_url: str | None = None
    #: When it was created, where it has not ended.
    created_at: int | None = None
    #: Callbacks and tries that were left out.
    left_out: int = 0


class Presence(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a relay serves the store, as far as it can be seen from here."""

    #: Where it was looked for.
    address: str
    answers: bool
    #: Destinations that it knows not to work.
    degraded: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the configuration has to do with what comes next. Times in microseconds."""

    #: None where nobody looked.
    presence: Presence | None = None

    #: Where the run's source stands in the configuration, such as ``sources[0]``; None where it does not.
    setting: str | None = None
    #: Whether the run's source is asked at all.
    asks: bool
    #: How long an opened outcome waits for the truth.
    deadline: int
    #: ``publish`` or ``hold``.
    on_unconfirmed: Literal["publish", "hold"]
    #: How old a delivery may become, by destination; who is not in it is not configured.
    max_age: Mapping[str, int] = field(default_factory=dict)
