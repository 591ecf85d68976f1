"""Account: what the API says of a run now, and where that differs from the run's last event.

Owns the words for an answer or the lack of one, the moments in it, and the comparison, which is the one
that decides about revisions. Knows nothing of how the API was asked.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Final, NamedTuple, assert_never, cast

import msgspec

from relay.core.callback import Reading, read
from relay.core.run import Known
from relay.core.snapshot import Snapshot, Unfinished, document
from relay.core.timeline.history import (
    Account,
    CallbackDelivery,
    History,
    Plan,
    Unanswered,
)
from relay.core.timeline.words import answer_words, clock, hint_words, length, plain
from relay.core.truth import learn

__all__ = [
    "Difference",
    "account_words",
    "callback_words",
    "differences",
    "run_moments",
]

_SHOWN: Final = ("completed_at", "created_at", "duration_ms", "client_ref")


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """A field of which the API says something else than the last event."""

    field: str
    #: What each says; None where it is too large to show, or where nothing is said.
    event: str | None
    api: str | None
    words: str


class _Moment(NamedTuple):
    at: int
    words: str


def _micros(text: str | None) -> int | None:
    """A normalised moment (see `relay.core.moment.read_moment`) in wall microseconds."""
    if text is None:
        return None
    moment = datetime.fromisoformat(text)
    epoch = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
    span = moment - epoch
    return (span.days * 86_400 + span.seconds) * 1_000_000 + span.microseconds


def run_moments(account: Account) -> Iterator[_Moment]:
    """When the run was created, started, and ended, as the API has it."""
    if not isinstance(account.run, Snapshot):
        if account.created_at is not None:
            yield _Moment(account.created_at, "created")
        return
    told = _read(account.run)
    created, started = _micros(told.created_at), _micros(told.started_at)
    ended = _micros(told.completed_at)
    if created is not None:
        yield _Moment(created, "created")
    if started is not None:
        yield _Moment(started, "started")
    if ended is not None:
        since = started if started is not None else created
        took = (
            f" after {length(ended - since)}"
            if since is not None and ended > since
            else ""
        )
        yield _Moment(ended, f'ended{took}: "{plain(told.status_raw or "", 40)}"')


def account_words(account: Account, *, plan: Plan | None) -> str:
    """What the API says of the run itself."""
    match account.run:
        case Snapshot() as told:
            status = told.wire.status_code or told.wire.status or ""
            return f'the run has ended: "{plain(status, 40)}"'
        case Unfinished(status=status):
            return f'the run goes on: "{plain(status, 40)}"'
        case Unanswered() as silence:
            return _silence_words(silence, plan)
        case _:
            assert_never(account.run)


def callback_words(account: Account, *, plan: Plan | None, now: int) -> str:
    """What the API says of its callbacks."""
    if isinstance(account.callbacks, Unanswered):
        return _silence_words(account.callbacks, plan)
    if not account.callbacks:
        if account.callback_url is None:
            return "none: the run has no callback_url"
        return f"none sent yet, to {plain(account.callback_url)}"
    last = account.callbacks[-1]
    made = len(last.tries)
    tries = "1 try" if made == 1 else f"{made} tries"
    many = (
        "" if len(account.callbacks) == 1 else f", the last of {len(account.callbacks)}"
    )
    state = plain(last.state or "state unknown", 40)
    where = f" to {plain(last.url)}" if last.url else ""
    failure = f" ({plain(last.failure, 120)})" if last.failure else ""
    return f"{state}{failure} after {tries}{many}{where}{_next(last, now)}"


def differences(history: History, account: Account) -> list[Difference]:
    """Where the API says something else now than the run's last event does."""
    if history.outcome is None or history.last_body is None:
        return []
    last = read(history.last_body, source=history.key.source, require=())
    if not isinstance(last, Reading):
        return []
    if isinstance(account.run, Unfinished):
        return [_ended_here(history, account.run)]
    if not isinstance(account.run, Snapshot):
        return []
    told = _read(account.run, last)
    known = Known(
        client_ref=history.client_ref,
        outcome=history.outcome,
        revision=history.revision,
    )
    return [
        _difference(name, history, last, told)
        for name in learn(known, told, last).changes
    ]


def _ended_here(history: History, run: Unfinished) -> Difference:
    event = history.outcome.value if history.outcome else None
    api = plain(run.status, 40)
    return Difference(
        field="status",
        event=event,
        api=api,
        words=f'status: the event says {event}, the API "{api}", which is no end',
    )


def _difference(
    name: str, history: History, last: Reading, told: Reading
) -> Difference:
    if name == "status":
        event = history.outcome.value if history.outcome else None
        api = told.outcome.value if told.outcome else None
    elif name == "client_ref":
        event, api = history.client_ref, told.client_ref
    elif name in _SHOWN:
        event, api = (
            None if value is None else str(value)
            for value in (getattr(last, name), getattr(told, name))
        )
    else:
        sizes = f"{_size(last, name)} and {_size(told, name)}"
        return Difference(
            field=name, event=None, api=None, words=f"{name} differs ({sizes})"
        )
    event = None if event is None else plain(event)
    api = None if api is None else plain(api)
    return Difference(
        field=name,
        event=event,
        api=api,
        words=f"{name}: the event says {event or 'nothing'}, the API {api or 'nothing'}",
    )


def _size(reading: Reading, name: str) -> str:
    value = getattr(reading, name)
    if value is None:
        return "none"
    return f"{len(value):,} B" if isinstance(value, bytes) else "some"


def _read(run: Snapshot, *said: Reading) -> Reading:
    found = read(document(run, said, enriched=True), source=run.key.source, require=())
    # What is made of an answer that was believed can be read.
    return cast("Reading", found)


def _silence_words(silence: Unanswered, plan: Plan | None) -> str:
    status = f", {silence.status}" if silence.status else ""
    words = f"{answer_words(silence.reason)} ({silence.reason}{status})"
    return f"{words}{hint_words(silence.reason, plan)}"


def _next(delivery: CallbackDelivery, now: int) -> str:
    if delivery.next_at is None:
        return ""
    return f", the next at {clock(delivery.next_at, now)}"
