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
from relay.core.ports import Clock, Parcel
from relay.deliver.verdict import Answer, outcome_of_answer
from tests.simulator.history import History
from tests.simulator.script import Outage, Place, Stuck
from tests.simulator.story import Subject

__all__ = ["Arrival", "Destination", "ScriptedSender"]

#: Seconds after which a try is given up.
TIMEOUT_S = 1.0


class Arrival(NamedTuple):
    """An event as a destination has it."""

    at: float
    subject: Subject
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
        history: History,
        dice: Random,
        punctual: bool,
    ) -> None:
        """``punctual``: nothing in this history excuses a try that comes sooner than was asked for."""
        self.place = place
        self.punctual = punctual
        self.arrivals: list[Arrival] = []
        self.outages = outages
        self.stuck = {fault.subject: fault.how for fault in stuck}
        self.history = history
        self.dice = dice
        #: Deliveries that were tried again sooner than was asked for.
        self.early: list[int] = []
        #: Whether a person has paused it and been told so, and what was begun all the same.
        self.paused = False
        #: Whether somebody is about to pause it, or will end that.
        self.in_hand = False
        self.uncalled: list[int] = []
        #: When it was called, and by which of those who were hired for it, one after the other.
        self.calls: list[tuple[float, int]] = []
        self.hired = 0
        #: Whether a person gives up what waits for it; what was given up, and what was tried all the same.
        self.given_up = False
        self.forgotten: set[int] = set()
        self.risen: list[int] = []
        #: Since when nothing but failures, and when the last one was.
        self.failing_since: float | None = None
        self.failed_at = 0.0
        #: What it does when everything else works.
        self.broken: str | None = None
        self.mended = False

    def mend(self) -> None:
        """From now on everything works."""
        self.mended = True

    def called(self, numbers: Iterable[int], by: int, now: float) -> None:
        """Somebody begins to send these."""
        self.calls.append((now, by))
        if self.paused:
            self.uncalled += numbers
        self.risen += self.forgotten.intersection(numbers)

    def answered(self, outcome: Outcome, now: float) -> None:
        """Somebody hears how a try went."""
        if isinstance(outcome, Delivered):
            self.failing_since = None
            return
        self.failed_at = now
        if self.failing_since is None:
            self.failing_since = now

    def way(self, subject: Subject, now: float) -> str:
        """What a try meets now."""
        if self.broken is not None:
            return self.broken
        if self.mended:
            return "ok"
        for outage in self.outages:
            if outage.since <= now < outage.until:
                return outage.how
        return self.stuck.get(subject, "ok")

    def receive(self, arrival: Arrival) -> None:
        self.arrivals.append(arrival)
        self.history.note(
            self.place.name,
            f"has {arrival.subject} {arrival.outcome} revision {arrival.revision} as {arrival.identifier}",
        )


class ScriptedSender:
    """One process's way to a destination, as it is configured now."""

    def __init__(
        self, destination: Destination, place: Place, *, clock: Clock, world: Context
    ) -> None:
        self.batch = place.batch
        self.concurrency = place.concurrency
        self._destination = destination
        self._clock = clock
        #: What is on its way goes on without the process.
        self._world = world
        #: When those that were asked to come later may come, at the earliest.
        self._asked: dict[int, float] = {}
        destination.hired += 1
        self._serial = destination.hired

    def prepare(self, parcels: Iterable[Parcel], /) -> None:
        """Build the events, as the real ones do."""
        for parcel in parcels:
            _ = parcel.letter.event.structured

    async def send(self, parcels: Sequence[Parcel], /) -> Sequence[Outcome]:
        destination, loop = self._destination, asyncio.get_running_loop()
        numbers = [parcel.number for parcel in parcels]
        destination.called(numbers, self._serial, loop.time())
        outcomes = [await self._try(parcel) for parcel in parcels]
        for outcome in outcomes:
            destination.answered(outcome, loop.time())
        return outcomes

    async def close(self) -> None:
        """Nothing is held."""

    async def _try(self, parcel: Parcel) -> Outcome:
        loop = asyncio.get_running_loop()
        destination, dice = self._destination, self._destination.dice
        if loop.time() < self._asked.get(parcel.number, 0.0):
            destination.early.append(parcel.number)
        key = parcel.letter.facts.key
        way = destination.way(Subject(key.source, key.kind.value, key.id), loop.time())
        there, back = dice.uniform(0.0005, 0.02), dice.uniform(0.0005, 0.02)
        if way == "late":
            # Whoever waits has given up by then.
            there = TIMEOUT_S * dice.uniform(1.0, 3.0)
        if way in _ARRIVES or (way in _MAY_ARRIVE and dice.random() < 0.7):
            loop.call_later(
                there, destination.receive, _arrival(parcel, loop.time() + there),
                context=self._world,
            )  # fmt: skip
        await _pass(loop, TIMEOUT_S if way in _SILENT else there + back)
        if way == "raise":
            raise ConnectionResetError("a sender's own fault")
        return self._answered(way, parcel.number)

    def _answered(self, way: str, number: int) -> Outcome:
        """What the relay is to make of it; an answer is judged as its own sender has it judged."""
        if way not in _STATUSES:
            return _FAULTS[way]
        after = None
        if way in ("busy", "away"):
            seconds = self._destination.dice.choice((0, 1, 1, 2))
            after = str(seconds)
            self._asked[number] = asyncio.get_running_loop().time() + seconds
        return outcome_of_answer(
            Answer(_STATUSES[way], b"", after),
            now_us=self._clock.now_us,
            duration_us=0,
            hidden=tuple,
        )


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
        subject=Subject(facts.key.source, facts.key.kind.value, facts.key.id),
        outcome=facts.outcome.value,
        revision=facts.revision,
        identifier=str(event.attributes["id"]),
        body=event.structured,
    )


#: Ways on which the event arrives, whatever is heard of it; on others it does more often than not.
_ARRIVES: Final = ("ok", "late", "reset")
_MAY_ARRIVE: Final = ("lost", "raise")
#: Ways on which nothing is heard until we give up.
_SILENT: Final = ("lost", "late", "hang")
_STATUSES: Final[Mapping[str, int]] = {
    "ok": 204, "4xx": 400, "gone": 410, "5xx": 500, "busy": 429, "away": 503,
}  # fmt: skip
_TIMEOUT: Final = Failed(reason="timeout", fault=Fault.DESTINATION)
_FAULTS: Final[Mapping[str, Outcome]] = {
    "refuse": Failed(reason="connect", fault=Fault.DESTINATION),
    "reset": Failed(reason="reset", fault=Fault.DESTINATION),
    "dead": Refused(reason="too_large"),
    **dict.fromkeys(_SILENT, _TIMEOUT),
}
