"""What the API answers, and asking for it: shared by the laws of the truth."""

import json
from collections.abc import Sequence

from relay.core.identity import Kind, Outcome, RunKey
from relay.core.inquiry import (
    Asked,
    Ended,
    GiveUp,
    Inquiry,
    Lesson,
    Let,
    Postpone,
    Release,
    Sighting,
)
from relay.core.ports import Recorded
from tests.fakes import NOW_US
from tests.record.harness import StoreHarness
from tests.record.receipts import EVERYWHERE

__all__ = [
    "HOUR",
    "KEY",
    "ask",
    "learn",
    "learn_all",
    "lesson",
    "revisions",
    "sighting",
    "told",
]

KEY = RunKey("acme", Kind.RUN, "run_1")
HOUR = 3_600_000_000
#: Later than whatever a test says before it asks.
SINCE_ALL = NOW_US + 20 * 365 * 24 * HOUR


def told(
    status: str = "succeeded",
    *,
    run: str = "run_1",
    completed_at: str = "2026-03-01T11:59:58Z",
    **more: object,
) -> bytes:
    """A document as core makes it of an answer."""
    said = {"run_id": run, "status_code": status, "completed_at": completed_at}
    output = {"output": {"images": [1.10]}} if status == "succeeded" else {}
    return json.dumps({**said, **output, **more}).encode()


async def ask(
    harness: StoreHarness,
    *,
    limit: int = 10,
    opened_before: int | None = None,
    now: int | None = None,
) -> list[Inquiry]:
    """Claim what is due."""
    at = harness.clock.now_us() if now is None else now
    found = await harness.store.inquire(
        "acme", limit=limit, now=at, opened_before=opened_before
    )
    return list(found)


def lesson(
    inquiry: Inquiry,
    document: bytes | None = None,
    *,
    move: Postpone | Ended | GiveUp | Let | None = None,
    on_unconfirmed: str = "publish",
    answer: str = "told",
    collapses: bool = False,
    at: int = SINCE_ALL,
) -> Lesson:
    """What one ask came to; it was made at ``at``, by default after all that was said."""
    return Lesson(
        inquiry=inquiry,
        asked=Asked(at=at, duration_us=7, answer=answer, status=200),
        document=document,
        move=Release() if move is None else move,
        collapses=collapses,
        on_unconfirmed="hold" if on_unconfirmed == "hold" else "publish",
        router=EVERYWHERE,
        at=NOW_US,
    )


async def learn(harness: StoreHarness, *lessons: Lesson) -> list[Recorded]:
    return list(await harness.store.learn(lessons))


async def learn_all(harness: StoreHarness, document: bytes) -> list[Recorded]:
    """Ask for what is due, and be told the same of all."""
    return await learn(harness, *(lesson(i, document) for i in await ask(harness)))


def sighting(
    run: str = "run_1", outcome: Outcome | None = Outcome.SUCCEEDED
) -> Sighting:
    key = RunKey("acme", Kind.RUN, run)
    return Sighting(key=key, outcome=outcome, due_at=NOW_US, at=NOW_US)


def revisions(recorded: Sequence[Recorded]) -> list[tuple[Outcome, int, bool] | None]:
    """Of each answer what was published."""
    return [
        (r.letter.facts.outcome, r.letter.facts.revision, r.letter.facts.confirmed)
        if r.letter
        else None
        for r in recorded
    ]
