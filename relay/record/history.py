"""History: the rows of one run become its history, whatever the store.

Owns what a run can be looked for by, how much of its rows is read, and making plain values of them.
Decides nothing. Knows no database.
"""

import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from relay.core.delivery import State
from relay.core.holding import Hold
from relay.core.identity import Kind, Namespace, RunKey, UnusableIdError
from relay.core.inquiry import InquiryState
from relay.core.run import Verdict
from relay.core.timeline import (
    Attempt,
    Delivery,
    EventRow,
    History,
    PastAsk,
    Question,
    ReceiptRow,
)
from relay.record.codes import OUTCOMES, VERDICTS
from relay.record.holding import hold_of

__all__ = [
    "BOUNDS",
    "COUNTED_MAX",
    "LISTED_MAX",
    "event_bytes",
    "history",
    "identity",
    "quarantined",
    "spellings",
]

#: Runs that are listed under one ``client_ref``.
LISTED_MAX: Final = 20
#: And so far they are counted: some customers give every run the same one.
COUNTED_MAX: Final = 10_000
#: Of each kind of row, how many of the first and of the last are read.
BOUNDS: Final[Mapping[str, tuple[int, int]]] = {
    "read_past_receipts": (20, 30),
    "read_past_asks": (10, 40),
    "read_past_events": (10, 40),
    # What is still open must not be missed; a run has few events and at most 256 destinations.
    "read_past_deliveries": (0, 1024),
    "read_past_attempts": (20, 80),
}

Row = Sequence[Any]


def identity(text: str) -> tuple[int, int, bytes] | None:
    """Namespaces of a run and of a batch, and the id as it is stored; None for what can be no id."""
    try:
        run = RunKey.of("", Kind.RUN, text)
    except UnusableIdError:
        return None
    batch = RunKey.of("", Kind.BATCH, text)
    return int(run.namespace), int(batch.namespace), run.stored


def event_bytes(text: str) -> bytes | None:
    """The id of an event as it is stored; None for what is no UUID."""
    named = identity(text)
    return named[2] if named and named[0] == Namespace.RUN_UUID else None


def spellings(text: str) -> tuple[bytes, bytes, bytes]:
    """The ways in which a body may name an id: as given, and a UUID in either case."""
    forms = (text, text.lower(), text.upper()) if event_bytes(text) else (text,) * 3
    one, two, three = (json.dumps(form, ensure_ascii=False).encode() for form in forms)
    return one, two, three


def history(
    run: Row, past: Mapping[str, Sequence[Row]], named: Iterable[Row], last: Row | None
) -> History:
    """Make a history.

    Columns of ``run``: source, namespace, id, client_ref, outcome, revision, origin, first_seen; then of
    the inquiry, all null where there is none: state, outcome, reasons, opened_at, due_at, asks, lease.
    ``past`` has the rows of each statement in `BOUNDS`, the last column of which is how many there are;
    ``named`` of the destinations number, name and kind, since which event they are behind, and the columns of
    their hold; ``last`` the body of the last event.
    """
    source, namespace, stored, client_ref, outcome, revision, origin, first_seen = run[
        :8
    ]
    known = list(named)
    destinations = {number: (name, kind) for number, name, kind, *_ in known}
    holds = {row[0]: hold_of(row[4:]) for row in known}
    return History(
        key=RunKey.restore(source, namespace, bytes(stored)),
        client_ref=client_ref,
        outcome=OUTCOMES[outcome] if outcome else None,
        revision=revision,
        origin=origin,
        first_seen=first_seen,
        question=None if run[8] is None else _question(run[8:]),
        receipts=tuple(
            receipt
            for row in past["read_past_receipts"]
            if (receipt := _receipt(row, source)).verdict is not Verdict.TOLD
        ),
        asks=tuple(_ask(row) for row in past["read_past_asks"]),
        events=tuple(_event(row, destinations) for row in past["read_past_events"]),
        deliveries=tuple(
            _delivery(row, destinations, holds) for row in past["read_past_deliveries"]
        ),
        attempts=tuple(_attempt(row) for row in past["read_past_attempts"]),
        last_body=None if last is None or last[1] is None else bytes(last[1]),
        behind={name: since for _, name, _, since, *_ in known if since is not None},
        left_out={
            name.removeprefix("read_past_"): rows[0][-1] - len(rows)
            for name, rows in past.items()
            if rows and rows[0][-1] > len(rows)
        },
    )


def quarantined(rows: Iterable[Row]) -> tuple[ReceiptRow, ...]:
    """Make receipts of rows of the quarantine: source's name, then the columns of a receipt."""
    return tuple(_receipt(row[1:], row[0]) for row in rows)


def _receipt(row: Row, source: str) -> ReceiptRow:
    verdict, reasons, channel, secret, digest, count, first_seen, last_seen, size = row[
        :9
    ]
    return ReceiptRow(
        verdict=VERDICTS[verdict],
        reasons=tuple(json.loads(reasons)) if reasons else (),
        source=source,
        channel=channel,
        secret=secret,
        digest=bytes(digest),
        count=count,
        first_seen=first_seen,
        last_seen=last_seen,
        size=size,
    )


def _question(row: Row) -> Question:
    state, outcome, reasons, opened_at, due_at, asks, lease = row
    return Question(
        state=InquiryState(state),
        outcome=OUTCOMES[outcome] if outcome else None,
        reasons=tuple(json.loads(reasons)),
        opened_at=opened_at,
        due_at=due_at,
        asks=asks,
        leased=lease is not None,
    )


def _ask(row: Row) -> PastAsk:
    at, duration_us, answer, status, detail = row[:5]
    return PastAsk(
        at=at, duration_us=duration_us, answer=answer, status=status, detail=detail
    )


def _event(row: Row, destinations: Mapping[int, tuple[str, str]]) -> EventRow:
    number, stored, revision, outcome, confirmed, routed, created_at, verdict = row[:8]
    return EventRow(
        number=number,
        id=str(uuid.UUID(bytes=bytes(stored))),
        revision=revision,
        outcome=OUTCOMES[outcome],
        confirmed=bool(confirmed),
        from_api=verdict is not None and VERDICTS[verdict] is Verdict.TOLD,
        routed=tuple(_named(one, destinations)[0] for one in json.loads(routed)),
        created_at=created_at,
    )


def _delivery(
    row: Row,
    destinations: Mapping[int, tuple[str, str]],
    holds: Mapping[int, Hold | None],
) -> Delivery:
    number, event, destination, generation, state, *rest = row[:15]
    created_at, due_at, lease, settled_at, status, reason, *rest = rest
    failures, failed_at, replay, ordered_by = rest
    name, kind = _named(destination, destinations)
    return Delivery(
        number=number,
        event=event,
        destination=name,
        kind=kind,
        generation=generation,
        state=State(state),
        created_at=created_at,
        due_at=due_at,
        leased=lease is not None,
        settled_at=settled_at,
        status=status,
        reason=reason,
        failures=failures,
        failed_at=failed_at,
        replay=replay,
        ordered_by=ordered_by,
        hold=holds.get(destination),
    )


def _named(number: int, destinations: Mapping[int, tuple[str, str]]) -> tuple[str, str]:
    """Name and kind of a destination; one that has been forgotten is its number."""
    return destinations.get(number, (f"destination {number}", ""))


def _attempt(row: Row) -> Attempt:
    delivery, at, duration_us, reason, status, detail, excerpt = row[:7]
    return Attempt(
        delivery=delivery,
        at=at,
        duration_us=duration_us,
        reason=reason,
        status=status,
        detail=detail,
        excerpt=bytes(excerpt or b""),
    )
