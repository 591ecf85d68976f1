"""Successes under one ``client_ref``: what the laws of collapsing do with a store, and ask of it."""

from typing import Any

from relay.core.identity import Outcome
from relay.core.ports import Recorded
from relay.core.receipt import Receipt
from tests.record.answers import ask, learn, lesson, told
from tests.record.harness import StoreHarness
from tests.record.receipts import callback

__all__ = [
    "FAILED_AFTER", "REF", "SUCCEEDED", "counts", "doubt", "released", "revise", "success", "winner",
]  # fmt: skip

REF = "order-1"
SUCCEEDED = (Outcome.SUCCEEDED, 1, True)
FAILED_AFTER = (Outcome.FAILED, 2, True)


def success(run: str = "run_1", *, ref: str | None = REF, **said: Any) -> Receipt:
    """A callback of a source that collapses."""
    return callback(run, client_ref=ref, collapses=True, **said)


async def doubt(harness: StoreHarness, run: str) -> Any:
    """Ask how a run that is known ended: a callback has said something else."""
    status = "cancelled"
    at = harness.clock.now_us()
    await harness.one(success(run, status=status, note=f"{run} at {at}", at=at))
    [inquiry] = [it for it in await ask(harness) if it.key.id == run]
    return inquiry


async def revise(
    harness: StoreHarness, run: str, status: str, *, collapses: bool = True, **more: Any
) -> list[Recorded]:
    """The API says so of a run that is known."""
    inquiry = await doubt(harness, run)
    answer = told(status, run=run, **more)
    return await learn(harness, lesson(inquiry, answer, collapses=collapses))


async def counts(harness: StoreHarness, *names: str) -> tuple[int, ...]:
    """Counters of the source, which balance and agree with the rows."""
    found = (await harness.audit()).sources["acme"]
    return tuple(getattr(found, name) for name in names)


async def winner(harness: StoreHarness, ref: str = REF) -> list[str]:
    rows = await harness.rows(
        "SELECT r.id FROM winners AS w JOIN runs AS r ON r.number = w.run"
        " WHERE w.client_ref = ?",
        ref,
    )
    return [bytes(run).decode() for (run,) in rows]


def released(recorded: list[Recorded]) -> list[str]:
    """Which runs were told of beside the one that was learned of."""
    return [r.key.id for r in recorded[1:] if r.key]
