"""The law of senders: what every way out has to keep, whatever it sends to.

A sender's own test module makes a :class:`Rig` around a real destination, hands it out as the fixture
``rig``, and subclasses :class:`SenderLaw`. Also owns the parcels that the tests of senders send.
"""

import asyncio
import json
import re
from collections.abc import Sequence
from typing import Protocol, TypeVar

import pytest

from relay.core.callback import Reading, read
from relay.core.delivery import Delivered, Failed, Fault, Outcome, Released
from relay.core.event import BUILDER, Facts
from relay.core.identity import Outcome as RunOutcome
from relay.core.ports import Letter, Parcel, Sender

__all__ = ["NOW_US", "FixedClock", "Rig", "SenderLaw", "first", "parcel", "parcels"]

#: 2026-03-01T12:00:00Z.
NOW_US = 1_772_366_400_000_000
_REASON = re.compile("[a-z][a-z0-9_]*")

T = TypeVar("T")


class FixedClock:
    """A wall clock that stands still until it is set."""

    def __init__(self, now_us: int = NOW_US) -> None:
        self.time_us = now_us

    def now_us(self) -> int:
        return self.time_us


def parcel(
    number: int = 1, *, output: str = '{"images": []}', builder: int = BUILDER
) -> Parcel:
    """A delivery of a succeeded run; ``output`` is JSON, kept byte for byte."""
    body = (
        f'{{"event": "run.completed", "run_id": "run_{number:05}",'
        f' "status": "succeeded", "completed_at": "2026-03-01T11:59:58Z",'
        f' "output": {output}}}'
    )
    reading = read(body.encode(), source="acme")
    assert isinstance(reading, Reading)
    facts = Facts(
        key=reading.key,
        outcome=RunOutcome.SUCCEEDED,
        revision=1,
        origin="callback",
        confirmed=True,
        received_at=NOW_US,
        client_ref=reading.client_ref,
        reading=reading,
        builder=builder,
    )
    return Parcel(
        number=number,
        lease=1,
        destination="orders",
        generation=1,
        attempts=0,
        created_at=NOW_US,
        letter=Letter(facts),
    )


def parcels(count: int) -> list[Parcel]:
    """Deliveries of ``count`` runs."""
    return [parcel(number) for number in range(1, count + 1)]


def first(items: Sequence[T]) -> T:
    """The only item."""
    assert len(items) == 1
    return items[0]


class Rig(Protocol):
    """A sender and the real destination that it sends to."""

    @property
    def sender(self) -> Sender:
        """What is under test."""
        ...

    def arrived(self) -> Sequence[bytes]:
        """The events that the destination has, in the order in which they came."""
        ...

    def break_down(self) -> None:
        """From now on the destination works for no one."""
        ...

    def mend(self) -> None:
        """The destination works again."""
        ...

    def hold(self) -> None:
        """From now on whatever is sent waits, without an end."""
        ...

    def let_go(self) -> None:
        """What waits goes on."""
        ...


async def _send(rig: Rig, *sent: Parcel) -> list[Outcome]:
    """Send in calls of the size that the sender takes."""
    outcomes: list[Outcome] = []
    size = rig.sender.batch
    for start in range(0, len(sent), size):
        outcomes += await rig.sender.send(sent[start : start + size])
    return outcomes


class SenderLaw:
    """What every sender keeps. Subclasses provide the fixture ``rig``."""

    async def test_what_is_delivered_is_at_the_destination(self, rig: Rig) -> None:
        """When ``Delivered`` comes back, the destination has the event's own bytes, in order."""
        sent = parcels(3)
        outcomes = await _send(rig, *sent)
        assert [Delivered] * 3 == [type(outcome) for outcome in outcomes]
        assert [p.letter.event.structured for p in sent] == list(rig.arrived())

    async def test_every_parcel_has_an_outcome_of_its_own(self, rig: Rig) -> None:
        """As many outcomes as parcels, for a full call as well."""
        sent = parcels(rig.sender.batch)
        assert len(sent) == len(await rig.sender.send(sent))

    async def test_the_event_id_is_the_same_on_each_try(self, rig: Rig) -> None:
        """A receiver can know a repeat by its id, and by its very bytes."""
        again = parcel()
        await _send(rig, again)
        await _send(rig, again)
        ids = [json.loads(event)["id"] for event in rig.arrived()]
        assert [str(again.letter.event.id)] * 2 == ids

    async def test_sending_nothing_does_nothing(self, rig: Rig) -> None:
        """An empty call gives no outcome."""
        assert list(await rig.sender.send([])) == []
        assert list(rig.arrived()) == []

    async def test_a_destination_that_does_not_work_is_its_own_fault(
        self, rig: Rig
    ) -> None:
        """No exception comes out; each parcel failed through the destination, with a plain word."""
        rig.break_down()
        outcomes = await _send(rig, *parcels(2))
        assert len(outcomes) == 2
        for outcome in outcomes:
            assert isinstance(outcome, Failed)
            assert outcome.fault is Fault.DESTINATION
            assert _REASON.fullmatch(outcome.reason)

    async def test_a_sender_survives_its_destination(self, rig: Rig) -> None:
        """Once the destination is back, the same sender delivers, without being made again."""
        rig.break_down()
        await _send(rig, parcel())
        rig.mend()
        outcome = first(await _send(rig, parcel()))
        assert isinstance(outcome, Delivered)
        expected = parcel().letter.event.structured
        assert expected == rig.arrived()[-1]

    async def test_an_event_that_cannot_be_built_harms_no_other(self, rig: Rig) -> None:
        """Facts of a newer program's builder fail alone; their neighbours arrive."""
        good, bad = parcel(1), parcel(2, builder=BUILDER + 1)
        outcomes = await _send(rig, bad, good)
        assert [Failed, Delivered] == [type(outcome) for outcome in outcomes]
        assert [good.letter.event.structured] == list(rig.arrived())

    async def test_a_try_takes_the_time_that_it_says(self, rig: Rig) -> None:
        """The duration holds the wait that there was, and is not longer than the whole call."""
        loop = asyncio.get_running_loop()
        rig.hold()
        started = loop.time()
        loop.call_later(0.1, rig.let_go)
        outcome = first(await _send(rig, parcel()))
        assert isinstance(outcome, Delivered)
        # uvloop's clock counts whole milliseconds.
        taken_us = (loop.time() - started) * 1_000_000 + 2_000
        assert 50_000 <= outcome.duration_us <= taken_us

    async def test_cancelling_comes_through(self, rig: Rig) -> None:
        """Only a cancellation leaves ``send``, and afterwards the sender still works."""
        rig.hold()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await _send(rig, parcel())
        rig.let_go()
        assert isinstance(first(await _send(rig, parcel(2))), Delivered)

    async def test_closing_twice_is_closing_once(self, rig: Rig) -> None:
        """``close`` is idempotent, and bounded in time."""
        await _send(rig, parcel())
        async with asyncio.timeout(5):
            await rig.sender.close()
            await rig.sender.close()

    async def test_nothing_is_tried_after_closing(self, rig: Rig) -> None:
        """A closed sender gives everything back untried."""
        await rig.sender.close()
        outcomes = await _send(rig, *parcels(2))
        assert [Released()] * 2 == outcomes
        assert list(rig.arrived()) == []
