"""Things of the core, valid by default: a test changes the one field that it is about.

Owns callbacks in Runflow's words and what the core makes of them. Decides nothing and expects nothing.
"""

import msgspec

from relay.core.audit import Entry
from relay.core.callback import DEFAULT_REQUIRE, Field, Reading, read
from relay.core.event import BUILDER, NOTICE_BUILDER, Facts, Origin
from relay.core.holding import Alarm, Change, Changed, Hold
from relay.core.identity import Outcome
from relay.core.notice import (
    ORIGIN,
    Bystander,
    Notice,
    tell_of_alarm,
    tell_of_backlog,
    tell_of_change,
)
from relay.core.ports import Letter, Parcel

__all__ = [
    "ABSENT",
    "BATCH_ID",
    "NOW_US",
    "RUN_ID",
    "any_batch_callback",
    "any_callback",
    "any_facts",
    "any_notice_facts",
    "any_notices",
    "any_parcel",
    "any_reading",
    "reading_of",
]

#: 2026-03-01T12:00:00Z.
NOW_US = 1_772_366_400_000_000
RUN_ID = "0197b0c8-6e6a-7c3d-9a55-3f1d5b1f2a01"
BATCH_ID = "batch_01J0ZK7Q2M"
#: The value of a field that is to be left out.
ABSENT = object()


def any_callback(**changes: object) -> bytes:
    """The body of a run that succeeded. A ``msgspec.Raw`` stands in it byte for byte."""
    return _body(
        {
            "event": "run.completed",
            "run_id": RUN_ID,
            "status": "succeeded",
            "output": {"image_urls": ["https://cdn.example/a.png"]},
            "duration_ms": 102345,
            "created_at": "2026-03-01T11:58:16.000+00:00",
            "completed_at": "2026-03-01T11:59:58.345+00:00",
            "metadata": None,
        },
        changes,
    )


def any_batch_callback(**changes: object) -> bytes:
    """The body of a batch that succeeded."""
    return _body(
        {
            "event": "batch.succeeded",
            "batch_id": BATCH_ID,
            "status": "succeeded",
            "output": {"items": [], "succeeded": 2, "failed": 0, "total": 2},
            "duration_ms": 5000,
            "created_at": "2026-03-01T11:59:00+00:00",
            "completed_at": "2026-03-01T11:59:05+00:00",
            "metadata": None,
        },
        changes,
    )


def any_reading(**changes: object) -> Reading:
    """What :func:`any_callback` says with these changes."""
    return reading_of(any_callback(**changes))


def reading_of(
    body: bytes, *, source: str = "acme", require: tuple[Field, ...] = DEFAULT_REQUIRE
) -> Reading:
    """What a body says that can be read."""
    reading = read(body, source=source, require=require)
    assert isinstance(reading, Reading), reading
    return reading


def any_facts(
    reading: Reading | None = None,
    *,
    outcome: Outcome | None = None,
    revision: int = 1,
    origin: Origin = "callback",
    confirmed: bool = True,
    received_at: int = NOW_US,
    builder: int = BUILDER,
) -> Facts:
    """The facts of an event; the outcome is the reading's own unless another is given."""
    known = reading or any_reading()
    return Facts(
        key=known.key,
        outcome=outcome or known.outcome or Outcome.OTHER,
        revision=revision,
        origin=origin,
        confirmed=confirmed,
        client_ref=known.client_ref,
        received_at=received_at,
        reading=known,
        builder=builder,
    )


def any_notices() -> list[Notice]:
    """One of everything that the relay can tell of a destination."""
    known = Bystander(kind="http", open=12)
    pause = Hold(kind="paused", reason="they move", by="ada", since=NOW_US)
    gone = Hold(kind="disabled", reason="gone", by="relay", since=NOW_US)
    entry = Entry(at=NOW_US, actor="ada", verb="", subject="orders", detail="mended")
    changes = [(None, pause), (pause, gone), (gone, None)]
    told = [
        tell_of_change(
            Change(destination="orders", hold=after, entry=entry),
            Changed(before=before, after=after),
            known,
        )
        for before, after in changes
    ]
    alarm = Alarm(
        destination="orders",
        since=NOW_US - 1,
        at=NOW_US,
        disabled_at=NOW_US + 1,
        step=1,
    )
    told += [
        tell_of_alarm(alarm, known),
        tell_of_backlog("orders", known, at=NOW_US),
    ]
    return [notice for notice in told if notice is not None]


def any_notice_facts(notice: Notice | None = None, *, revision: int = 1) -> Facts:
    """The facts of an operational event."""
    told = notice or any_notices()[0]
    return Facts(
        key=told.key("0" * 32),
        outcome=told.outcome,
        revision=revision,
        origin=ORIGIN,
        confirmed=True,
        client_ref=None,
        received_at=NOW_US,
        reading=told,
        builder=NOTICE_BUILDER,
    )


def any_parcel(
    facts: Facts | None = None,
    *,
    number: int = 1,
    lease: int = 1,
    destination: str = "orders",
    generation: int = 1,
    attempts: int = 0,
    created_at: int = NOW_US,
) -> Parcel:
    """One claimed delivery."""
    return Parcel(
        number=number,
        lease=lease,
        destination=destination,
        generation=generation,
        attempts=attempts,
        created_at=created_at,
        letter=Letter(facts or any_facts()),
    )


def _body(fields: dict[str, object], changes: dict[str, object]) -> bytes:
    changed = {**fields, **changes}
    return msgspec.json.encode(
        {name: value for name, value in changed.items() if value is not ABSENT}
    )
