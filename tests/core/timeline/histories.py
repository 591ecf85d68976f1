"""Histories: one run's rows as a store would give them, one thing different in each.

Owns values that stand still. Nothing here decides anything.
"""

from relay.core.delivery import HOUR, SECOND, State
from relay.core.identity import Kind, Outcome, RunKey
from relay.core.inquiry import InquiryState
from relay.core.run import Verdict
from relay.core.timeline import (
    Delivery,
    EventRow,
    History,
    PastAsk,
    Plan,
    Question,
    ReceiptRow,
    Standing,
    standing,
)
from tests.fakes import NOW_US

__all__ = [
    "DAYS",
    "KEY",
    "PLAN",
    "delivered",
    "delivery",
    "event",
    "history",
    "past_ask",
    "question",
    "receipt",
    "said",
    "sent",
]

DAYS = 24 * HOUR
KEY = RunKey("acme", Kind.RUN, "run_1")
PLAN = Plan(
    setting="sources[0]",
    asks=True,
    deadline=900 * SECOND,
    on_unconfirmed="publish",
    max_age={"lake": 7 * DAYS, "orders": 7 * DAYS, "audit": 7 * DAYS},
)


def receipt(**changed: object) -> ReceiptRow:
    """A complete callback."""
    values: dict[str, object] = {
        "verdict": Verdict.FIRST,
        "reasons": (),
        "source": "acme",
        "channel": "callback",
        "secret": "k1",
        "digest": bytes(range(16)),
        "count": 1,
        "first_seen": NOW_US,
        "last_seen": NOW_US,
        "size": 1234,
    }
    return ReceiptRow(**{**values, **changed})  # type: ignore[arg-type]


def event(revision: int = 1, **changed: object) -> EventRow:
    """An event of a callback, for lake and orders."""
    values: dict[str, object] = {
        "number": 10 * revision,
        "id": f"00000000-0000-5000-8000-00000000000{revision}",
        "revision": revision,
        "outcome": Outcome.SUCCEEDED,
        "confirmed": True,
        "from_api": False,
        "routed": ("lake", "orders"),
        "created_at": NOW_US,
    }
    return EventRow(**{**values, **changed})  # type: ignore[arg-type]


def delivery(destination: str = "orders", **changed: object) -> Delivery:
    """One that has not been tried, due now."""
    values: dict[str, object] = {
        "number": {"lake": 1, "orders": 2, "audit": 3}[destination],
        "event": 10,
        "destination": destination,
        "kind": "http",
        "generation": 1,
        "state": State.PENDING,
        "created_at": NOW_US,
        "due_at": NOW_US,
        "leased": False,
        "settled_at": None,
        "status": None,
        "reason": None,
        "failures": 0,
        "failed_at": None,
    }
    return Delivery(**{**values, **changed})  # type: ignore[arg-type]


def delivered(destination: str = "lake", **changed: object) -> Delivery:
    """One that is there."""
    done = {"state": State.DELIVERED, "settled_at": NOW_US, "status": 204}
    return delivery(destination, **{**done, **changed})


def question(**changed: object) -> Question:
    """A callback without its time of ending waits, and is asked for in four seconds."""
    values: dict[str, object] = {
        "state": InquiryState.WAITING,
        "outcome": Outcome.SUCCEEDED,
        "reasons": ("missing_completed_at",),
        "opened_at": NOW_US - 60 * SECOND,
        "due_at": NOW_US + 4 * SECOND,
        "asks": 0,
        "leased": False,
    }
    return Question(**{**values, **changed})  # type: ignore[arg-type]


def past_ask(answer: str = "timeout", **changed: object) -> PastAsk:
    """One that brought nothing, two seconds ago."""
    values: dict[str, object] = {
        "at": NOW_US - 2 * SECOND,
        "duration_us": 250_000,
        "answer": answer,
        "status": None,
        "detail": "",
    }
    return PastAsk(**{**values, **changed})  # type: ignore[arg-type]


def history(**changed: object) -> History:
    """A run that is known, and of which there is nothing yet."""
    values: dict[str, object] = {
        "key": KEY,
        "client_ref": None,
        "outcome": None,
        "revision": 0,
        "origin": "callback",
        "first_seen": NOW_US,
    }
    return History(**{**values, **changed})  # type: ignore[arg-type]


def sent(*deliveries: Delivery, **changed: object) -> History:
    """A run with an event, on its way."""
    known = {
        "outcome": Outcome.SUCCEEDED,
        "revision": 1,
        "events": (event(),),
        "receipts": (receipt(),),
    }
    return history(**{**known, **changed}, deliveries=deliveries)


def said(
    told: History, *, plan: Plan | None = PLAN, now: int = NOW_US
) -> tuple[str, str, str]:
    """State, reason and sentence."""
    found: Standing = standing(told, plan=plan, now=now)
    return found.state, found.reason, found.sentence
