"""Revising: a run ends once more, as the API would say it.

Owns what a test says in the API's place. It goes through the store's own door, like every answer.
"""

import json
from collections.abc import Sequence

from relay.core.identity import Kind, Outcome, RunKey
from relay.core.inquiry import Lesson, Sighting
from relay.core.ports import Inquiries
from relay.core.route import Router

__all__ = ["answer", "revise"]


def answer(run: str, outcome: Outcome, *, at: int) -> bytes:
    """A document that says how a run has ended; no two of different times are alike."""
    said = {
        "run_id": run,
        "status_code": outcome.value,
        "completed_at": "2026-03-01T12:00:00Z",
        "output": {"revised": outcome.value, "at": at},
    }
    return json.dumps(said).encode()


async def revise(
    store: Inquiries, run: str, outcome: Outcome, *, to: Sequence[str], now: int
) -> None:
    """Have the store learn that a run has ended so, where that is news; who waits otherwise waits on."""
    key = RunKey("acme", Kind.RUN, run)
    router = Router(routes=[], destinations=to)
    seen = Sighting(key=key, outcome=outcome, due_at=now, at=now)
    await store.watch("acme", [seen])
    asked = await store.inquire("acme", limit=1000, now=now)
    await store.learn(
        [
            Lesson(
                inquiry=inquiry,
                asked=None,
                document=answer(run, outcome, at=now) if inquiry.key == key else None,
                router=router,
                at=now,
            )
            for inquiry in asked
        ]
    )
