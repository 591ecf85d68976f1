"""Ping: an event that is about nothing, for who wants to see that events arrive.

Owns its attributes and its data. It is sent by hand and kept nowhere: no run, delivery or ledger knows of it.
Pure: who makes one passes in id and time.
"""

import uuid
from typing import Final

import msgspec

from relay.core.event import Event
from relay.core.moment import text_of
from relay.core.ports import Letter, Parcel

__all__ = ["PING_TYPE", "ping_of"]

PING_TYPE: Final = "io.runflow.relay.check.ping"
_TEXT: Final = "A test event from `relay check --online --send`: answer 2xx and do nothing with it."


class _Data(msgspec.Struct, frozen=True, kw_only=True):
    """``data`` of schema `relay.check` version 1: every key always present, in this order."""

    kind: str = "ping"
    destination: str
    at: str
    text: str = _TEXT
    omitted: tuple[str, ...] = ()


class _PingLetter(Letter):
    """A letter of no facts. Not for who writes a run's end in Runflow's own words: there is no run."""

    __slots__ = ("_ping",)

    def __init__(self, ping: Event) -> None:
        self._ping = ping

    @property
    def event_id(self) -> uuid.UUID:
        return self._ping.id

    @property
    def event(self) -> Event:
        return self._ping


def ping_of(destination: str, *, seed: bytes, now: int) -> Parcel:
    """A test event for a destination, as its sender takes it; ``seed`` is 16 random bytes."""
    at = text_of(now)
    event = Event(
        attributes={
            "specversion": "1.0",
            "id": str(uuid.UUID(bytes=seed, version=4)),
            "source": "/relay/check",
            "type": PING_TYPE,
            "subject": destination,
            "time": at,
            "dataschema": "urn:runflow-relay:schema:relay.check:1",
            "partitionkey": destination,
        },
        data=msgspec.json.encode(_Data(destination=destination, at=at)),
    )
    return Parcel(
        number=0,
        lease=0,
        destination=destination,
        generation=1,
        attempts=0,
        created_at=now,
        letter=_PingLetter(event),
    )
