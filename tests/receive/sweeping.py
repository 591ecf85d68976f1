"""A sweeper at its desk: a scripted list of runs, a real store, and what they are asked for.

Owns what the tests of the sweep share.
"""

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from pathlib import Path

from relay.core.inquiry import InquiryState
from relay.core.moment import text_of
from relay.core.sweep import SweepPolicy
from relay.receive.sweep import Progress, Sweeper, SweepOptions
from relay.runflow import (
    NotFoundError,
    RunflowError,
)
from tests.fakes import NOW_US, RecordingMetrics
from tests.record.sqlite_harness import SqliteHarness

__all__ = [
    "MINUTE",
    "OURS",
    "PAGE",
    "Office",
    "ScriptedList",
    "run",
]

OURS = "https://relay.example.com/callbacks/acme"
MINUTE = 60_000_000
PAGE = 3


def run(
    number: int, *, minutes_ago: float = 1, status: str = "succeeded", **more: object
) -> dict[str, object]:
    created = NOW_US - round(minutes_ago * MINUTE)
    return {
        "id": f"run_{number}",
        "status_code": status,
        "created_at": text_of(created),
        "completed_at": text_of(created) if status == "succeeded" else None,
        "callback_url": OURS,
        **more,
    }


class ScriptedList:
    """A list of runs, newest first, in pages; between two pages anything may happen."""

    def __init__(self) -> None:
        self.runs: list[dict[str, object]] = []
        self.batches: dict[str, dict[str, object]] = {}
        self.error: RunflowError | None = None
        self.batch_error: RunflowError | None = None
        #: To whom it happens.
        self.lost_batches: Collection[str] = ("batch_1",)
        self.fails_at = 0
        self.asked_since: list[int] = []
        self.asked_batches: list[str] = []
        self.between: Callable[[], object] = lambda: None
        self.ignores_the_filter = False

    async def pages(self, *, since: int) -> AsyncIterator[Sequence[object]]:
        self.asked_since.append(since)
        rows = sorted(self.runs, key=lambda row: str(row["created_at"]), reverse=True)
        if not self.ignores_the_filter:
            rows = [row for row in rows if str(row["created_at"]) >= text_of(since)]
        for number, start in enumerate(range(0, max(len(rows), 1), PAGE)):
            if self.error is not None and number >= self.fails_at:
                raise self.error
            yield rows[start : start + PAGE]
            self.between()

    async def batch(self, batch_id: str) -> object:
        self.asked_batches.append(batch_id)
        if self.batch_error is not None and batch_id in self.lost_batches:
            raise self.batch_error
        if batch_id not in self.batches:
            raise NotFoundError("GET batch: 404", status=404)
        return self.batches[batch_id]


class Office:
    """A real store, a sweeper and a scripted list."""

    def __init__(self, folder: Path) -> None:
        self.harness = SqliteHarness(folder)
        self.list = ScriptedList()
        self.found = 0
        self.metrics = RecordingMetrics()
        self.policy = SweepPolicy(callback_urls=(OURS,), reach=60 * MINUTE)

    def sweeper(self) -> Sweeper:
        return Sweeper(
            "acme",
            runs=self.list,
            inquiries=self.harness.store,
            clock=self.harness.clock,
            found=self._find,
            metrics=self.metrics,
            options=SweepOptions(policy=self.policy, rate=10_000),
        )

    def _find(self) -> None:
        self.found += 1

    async def sweep(self) -> Progress:
        return await self.sweeper().sweep()

    async def watched(self) -> list[str]:
        rows = await self.harness.rows(
            "SELECT r.id FROM inquiries AS i JOIN runs AS r ON r.number = i.run WHERE i.state = ? ORDER BY 1",
            int(InquiryState.WATCHED),
        )
        return [bytes(name).decode() for (name,) in rows]
