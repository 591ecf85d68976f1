"""Histories of a courier's work: events come, tries fail, the process dies, all of it drawn from a seed.

Owns what happens and when; the store and the courier are real, the way out is whatever a test has. Ends
when all is delivered.
"""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

from relay.core.delivery import Failed, Fault, Outcome, State
from relay.core.identity import Outcome as RunOutcome
from relay.core.ports import Parcel, Sender
from tests.deliver.couriers import NAME, SHORT, Bench, names, record

__all__ = ["Doubtful", "in_order", "play"]

_STEPS = ("run", "run", "revise", "revise", "revise", "pass", "pass", "die")
_ENDS = (RunOutcome.FAILED, RunOutcome.CANCELLED, RunOutcome.SUCCEEDED)


async def play(
    folder: Path,
    seed: int,
    sender: Callable[[], Sender],
    *,
    calm: Callable[[], None],
    steps: int = 30,
    kills: bool = True,
    ordered: bool = True,
) -> None:
    """Play a history of so many steps; ``calm`` is called when nothing is to fail any more."""
    dice = Random(seed)
    bench = Bench(folder)
    await bench.open()
    live: Sender | None = None

    async def start() -> Sender:
        made = sender()
        bench.employ(sender=made, ordered=ordered, policy=SHORT, faults_to_open=5)
        bench.start()
        return made

    try:
        live = await start()
        for _ in range(steps):
            match dice.choice(_STEPS):
                case "run":
                    await record(bench, dice.choice(names(5)))
                case "revise":
                    run, end = dice.choice(names(5)), dice.choice(_ENDS)
                    await bench.revise(run, end, to=[NAME])
                case "die":
                    # A client that is cut short leaves its connections to the process, which lives on here.
                    await (bench.dismiss() if kills else bench.finished())
                    await live.close()
                    await bench.reopen()
                    live = await start()
                case _:
                    await _passes(bench)
        calm()
        async with asyncio.timeout(20):
            while await bench.at(State.PENDING):
                await _passes(bench)
    finally:
        await bench.vanish()
        if live is not None:
            await live.close()


async def _passes(bench: Bench) -> None:
    """Time passes, so that whatever failed is due again."""
    bench.clock.advance(seconds=10)
    bench.courier.hint()
    # A commit or two go by: whoever is woken has his turn.
    await bench.store.register(())
    await bench.store.register(())


def in_order(arrivals: Sequence[tuple[str, int]]) -> bool:
    """Whether the first occurrences of each run's events (run, revision) have come in order."""
    last: dict[str, int] = {}
    for run, revision in dict.fromkeys(arrivals):
        if revision < last.get(run, 0):
            return False
        last[run] = revision
    return True


class Doubtful:
    """A way out whose answers are lost now and then, whether or not anything has arrived."""

    def __init__(self, sender: Sender, dice: Random) -> None:
        self.batch = sender.batch
        self.concurrency = sender.concurrency
        self.prepare = sender.prepare
        self.close = sender.close
        self.is_calm = False
        self._sender = sender
        self._dice = dice

    async def send(self, parcels: Sequence[Parcel], /) -> Sequence[Outcome]:
        lost: Outcome = Failed(reason="timeout", fault=Fault.DESTINATION)
        fate = "" if self.is_calm else self._dice.choice(("", "", "before", "after"))
        if fate == "before":
            return [lost] * len(parcels)
        found = await self._sender.send(parcels)
        return [lost] * len(parcels) if fate == "after" else found
