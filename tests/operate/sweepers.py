"""Scripted sweepers: each sweeps as it was told to, and remembers what was asked of it."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from relay.core.errors import CalledOffError
from relay.core.identity import Kind, Outcome, RunKey
from relay.core.inquiry import Sighting
from relay.core.sweep import Progress
from relay.operate.actions.explaining import Why
from tests.fakes import NOW_US

__all__ = ["ScriptedSweeper", "ScriptedSweepers", "sighting"]


def sighting(number: int, *, outcome: Outcome | None = Outcome.SUCCEEDED) -> Sighting:
    key = RunKey.of("acme", Kind.RUN, f"run_{number}")
    return Sighting(key=key, outcome=outcome, due_at=NOW_US, at=NOW_US)


@dataclass
class ScriptedSweeper:
    """Tells of one page for each tuple of ``news``, then raises, waits or is done."""

    news: Sequence[tuple[Sighting, ...]] = ()
    error: Exception | None = None
    #: Set lets it end.
    gate: asyncio.Event | None = None
    rate: float = 10.0
    asked: list[tuple[int | None, int | None, bool]] = field(default_factory=list)
    began: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    called_off: asyncio.Event = field(default_factory=asyncio.Event)

    async def sweep_by_hand(
        self,
        *,
        begin: int | None,
        end: int | None,
        told: Callable[[Progress], None],
        dry: bool,
    ) -> Progress:
        self.asked.append((begin, end, dry))
        progress = Progress(start=begin)
        try:
            for page in self.news:
                progress.pages += 1
                progress.runs += len(page)
                progress.ours += len(page)
                progress.missed += len(page)
                progress.going += sum(one.outcome is None for one in page)
                progress.reached, progress.news = NOW_US, page
                told(progress)
            self.began.set()
            if self.gate is not None:
                await self.gate.wait()
            if self.called_off.is_set():
                raise CalledOffError("ended")
            if self.error is not None:
                raise self.error
            return progress
        finally:
            self.ended.set()


@dataclass
class ScriptedSweepers:
    """By source."""

    by_source: dict[str, ScriptedSweeper | Why]

    @property
    def sources(self) -> Sequence[str]:
        return list(self.by_source)

    def sweeper(self, source: str, /) -> ScriptedSweeper | Why:
        return self.by_source[source]
