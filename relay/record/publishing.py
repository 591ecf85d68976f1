"""Publishing: a publication becomes the rows of an event and its deliveries.

Owns where an event goes, who is handed its deliveries at once, and what is counted. Knows no database,
and not whether a callback or an answer made it.
"""

import json
from collections.abc import Sequence
from functools import cache

import msgspec

from relay.core.callback import Reading
from relay.core.event import BUILDER, Facts
from relay.core.identity import RunKey, event_id_bytes
from relay.core.notice import Notice
from relay.core.ports import Letter, Parcel, Recorded
from relay.core.route import Router
from relay.core.run import Publication, Verdict
from relay.record.accounts import Accounts
from relay.record.codes import OUTCOME_CODES
from relay.record.numbers import Numbers
from relay.record.runs import RunRow

__all__ = ["Edition", "Publisher"]

Columns = tuple[object, ...]


class Edition(msgspec.Struct, frozen=True, kw_only=True):
    """What is published, and what it is built from."""

    key: RunKey
    reading: Reading | Notice
    publication: Publication
    #: Number of the row that the event is built from, and its bytes.
    receipt: int
    size: int
    source: int
    router: Router
    at: int
    verdict: Verdict
    builder: int = BUILDER


class Publisher:
    """One group's events and deliveries."""

    def __init__(
        self,
        numbers: Numbers,
        *,
        accounts: Accounts,
        room: dict[str, int],
        lease: int,
    ) -> None:
        """``room`` is spent as leases are given."""
        self._numbers = numbers
        self._accounts = accounts
        self._room = room
        self._lease = lease
        self._names = {number: name for name, number in numbers.destinations.items()}
        self.events: list[Columns] = []
        self.deliveries: list[Columns] = []

    def publish(self, row: RunRow, edition: Edition) -> Recorded:
        """Make the event of a run, and a delivery for each of its destinations."""
        letter = Letter(_facts(row, edition))
        event = self._numbers.take("events")
        destinations = self._destinations(row, letter, edition)
        self.events.append(_event_columns(event, row, edition, letter, destinations))
        if isinstance(edition.reading, Reading):
            row.last = edition.reading
        counts = self._accounts.sources[edition.source]
        counts["events"] += 1
        counts["unrouted"] += not destinations
        deliveries = {
            name: self._deliver(row, letter, edition, event, (name, number))
            for name, number in destinations.items()
        }
        return Recorded(
            verdict=edition.verdict,
            key=edition.key,
            letter=letter,
            parcels=tuple(parcel for parcel in deliveries.values() if parcel),
            stored_for=tuple(
                name
                for name, parcel in deliveries.items()
                if not parcel and destinations[name] not in self._numbers.behind
            ),
        )

    def _destinations(
        self, row: RunRow, letter: Letter, edition: Edition
    ) -> dict[str, int]:
        """Where the event goes: what its routes name, and who had an earlier revision."""
        numbers = self._numbers.destinations
        routed = {
            name: numbers[name]
            for name in edition.router.route(
                lambda: letter.event, about=letter.facts.about
            )
        }
        if edition.publication.revision > 1:
            routed |= {self._names[number]: number for number in row.destinations}
        row.destinations.update(routed.values())
        return routed

    def _deliver(
        self,
        row: RunRow,
        letter: Letter,
        edition: Edition,
        event: int,
        destination: tuple[str, int],
    ) -> Parcel | None:
        name, destination_number = destination
        counts = self._accounts.destinations[destination_number]
        counts["created"] += 1
        if destination_number in self._numbers.behind:
            # The event knows where it goes; this delivery is made when there is room for it.
            counts["held"] += 1
            return None
        counts["pending"] += 1
        number = self._numbers.take("deliveries")
        # Only a run's first event can have no predecessor that is still open.
        leased = (
            letter.facts.revision == 1
            and self._room.get(name, 0) > 0
            and destination_number not in self._numbers.held
        )
        if leased:
            self._room[name] -= 1
        self.deliveries.append(
            (
                number,
                event,
                row.number,
                edition.source,
                destination_number,
                self._numbers.epoch(destination_number),
                edition.at,
                edition.at,
                self._lease if leased else None,
            )
        )
        if not leased:
            return None
        return Parcel(
            number=number,
            lease=self._lease,
            destination=name,
            generation=1,
            attempts=0,
            created_at=edition.at,
            letter=letter,
            size=edition.size,
        )


def _facts(row: RunRow, edition: Edition) -> Facts:
    publication = edition.publication
    return Facts(
        key=edition.key,
        outcome=publication.outcome,
        revision=publication.revision,
        origin=row.origin,
        confirmed=publication.confirmed,
        received_at=row.first_seen,
        client_ref=row.known.client_ref,
        reading=edition.reading,
        builder=edition.builder,
    )


def _event_columns(
    event: int,
    row: RunRow,
    edition: Edition,
    letter: Letter,
    destinations: dict[str, int],
) -> Columns:
    publication, client_ref = edition.publication, row.known.client_ref
    return (
        event,
        row.number,
        publication.revision,
        event_id_bytes(edition.key, publication.outcome, publication.revision),
        OUTCOME_CODES[publication.outcome],
        int(publication.confirmed),
        edition.receipt,
        letter.facts.builder,
        # Only where another callback has told it.
        None if client_ref == edition.reading.client_ref else client_ref,
        _listed(tuple(destinations.values())),
        edition.at,
    )


@cache
def _listed(numbers: Sequence[int]) -> str:
    """A JSON list of destinations' numbers."""
    return json.dumps(numbers, separators=(",", ":"))
