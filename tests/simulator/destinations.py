"""Destinations: where events arrive, and the scripted ways to them.

Owns what has arrived, in order and byte for byte, and what a try meets on its way. An event that has
left the process arrives whether or not the process lives to hear of it.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextvars import Context
from random import Random
from typing import Final, NamedTuple

from relay.core.delivery import Delivered, Failed, Fault, Outcome, Refused
from relay.core.ports import Parcel
from tests.simulator.history import History
from tests.simulator.script import Outage, Place, Stuck

__all__ = ["Arrival", "Destination", "ScriptedSender"]

#: Seconds after which a try is given up.
TIMEOUT_S = 1.0


class Arrival(NamedTuple):
    """An event as a destination has it."""

    at: float
    #: The run's own words for it.
    run: str
    outcome: str
    revision: int
    identifier: str
    body: bytes


class Destination:
    """Receives, and works as well as the script lets it."""

    def __init__(
        self,
        place: Place,
        *,
        outages: Sequence[Outage],
        stuck: Sequence[Stuck],
        runs: Sequence[str],
        history: History,
        dice: Random,
    ) -> None:
        self.place = place
        self.arrivals: list[Arrival] = []
        self.outages = outages
        self.stuck = {runs[fault.run]: fault.how for fault in stuck}
        self.history = history
        self.dice = dice
        self.mended = False

    def mend(self) -> None:
        """From now on everything works."""
        self.mended = True

    def way(self, run: str, now: float) -> str:
        """What a try for a run meets now."""
        if self.mended:
            return "ok"
        for outage in self.outages:
            if outage.since <= now < outage.until:
                return outage.how
        return self.stuck.get(run, "ok")

    def receive(self, arrival: Arrival) -> None:
        self.arrivals.append(arrival)
        self.history.note(
            self.place.name,
            f"has {arrival.run} {arrival.outcome} revision {arrival.revision} as {arrival.identifier}",
        )


class ScriptedSender:
    """One process's way to a destination."""

    def __init__(self, destination: Destination, *, world: Context) -> None:
        self.batch = destination.place.batch
        self.concurrency = destination.place.concurrency
        self._destination = destination
        #: What is on its way goes on without the process.
        self._world = world

    def prepare(self, parcels: Iterable[Parcel], /) -> None:
        """Build the events, as the real ones do."""
        for parcel in parcels:
            _ = parcel.letter.event.structured

    async def send(self, parcels: Sequence[Parcel], /) -> Sequence[Outcome]:
        return [await self._try(parcel) for parcel in parcels]

    async def close(self) -> None:
        """Nothing is held."""

    async def _try(self, parcel: Parcel) -> Outcome:
        loop = asyncio.get_running_loop()
        destination, dice = self._destination, self._destination.dice
        way = destination.way(parcel.letter.facts.key.id, loop.time())
        there, back = dice.uniform(0.0005, 0.02), dice.uniform(0.0005, 0.02)
        arrives = way == "ok" or (way in ("lost", "raise") and dice.random() < 0.7)
        if arrives:
            loop.call_later(
                there, destination.receive, _arrival(parcel, loop.time() + there),
                context=self._world,
            )  # fmt: skip
        slow = way in ("lost", "hang")
        await _pass(loop, TIMEOUT_S if slow else there + back)
        if way == "raise":
            raise ConnectionResetError("a sender's own fault")
        return _answer(way, dice)


async def _pass(loop: asyncio.AbstractEventLoop, seconds: float) -> None:
    passed = loop.create_future()
    handle = loop.call_later(seconds, passed.set_result, None)
    try:
        await passed
    finally:
        handle.cancel()


def _arrival(parcel: Parcel, at: float) -> Arrival:
    facts, event = parcel.letter.facts, parcel.letter.event
    return Arrival(
        at=at,
        run=facts.key.id,
        outcome=facts.outcome.value,
        revision=facts.revision,
        identifier=str(event.attributes["id"]),
        body=event.structured,
    )


#: What a way that does not work is answered with; where nothing stands here, it was a timeout.
_ANSWERS: Final[Mapping[str, Outcome]] = {
    "ok": Delivered(status=204),
    "4xx": Failed(reason="status_400", fault=Fault.EVENT, status=400),
    "5xx": Failed(reason="status_503", fault=Fault.DESTINATION, status=503),
    "refuse": Failed(reason="connection_refused", fault=Fault.DESTINATION),
    "dead": Refused(reason="too_large"),
}
_TIMEOUT: Final = Failed(reason="timeout", fault=Fault.DESTINATION)


def _answer(way: str, dice: Random) -> Outcome:
    if way != "busy":
        return _ANSWERS.get(way, _TIMEOUT)
    return Failed(
        reason="status_429",
        fault=Fault.DESTINATION,
        status=429,
        retry_after_us=dice.choice((100_000, 1_000_000)),
    )
