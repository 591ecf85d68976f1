"""The model: all that a store has to know, in plain dictionaries.

Owns everything that a store may lose, double or mix up. What a callback means to its run is core's, in
the model as in the store.
"""

from collections import Counter
from dataclasses import dataclass, field

from relay.core.callback import Reading
from relay.core.delivery import State
from relay.core.identity import Outcome, event_id
from relay.core.ledger import DestinationCounts, SourceCounts
from relay.core.receipt import Receipt, open_receipt
from relay.core.run import NOTHING, Known, Verdict, judge

__all__ = ["PLACES", "Model", "Way"]

#: Where every event goes.
PLACES = ("lake", "orders")


@dataclass
class Way:
    """One event on its way to one destination, as the model has it."""

    run: str
    revision: int
    destination: str
    due_at: int
    number: int = 0
    state: State = State.PENDING
    attempts: int = 0
    held: bool = False


@dataclass
class Model:
    """All that a store has to know."""

    known: dict[str, Known] = field(default_factory=dict)
    #: How often what was received, by run (None in quarantine), bytes and kind of verdict.
    received: dict[tuple[str | None, bytes, Verdict], int] = field(default_factory=dict)
    events: dict[bytes, tuple[str, int, Outcome]] = field(default_factory=dict)
    ways: list[Way] = field(default_factory=list)

    def record(self, receipt: Receipt, room: dict[str, int]) -> Verdict:
        """What becomes of one receipt; ``room`` is spent."""
        opened = open_receipt(receipt)
        if not isinstance(opened.reading, Reading):
            self._count(None, receipt, Verdict.QUARANTINED)
            return Verdict.QUARANTINED
        run = opened.reading.key.id
        ruling = judge(self.known.get(run, NOTHING), opened.reading)
        self.known[run] = ruling.known
        self._count(run, receipt, ruling.verdict)
        if ruling.publication is not None:
            assert ruling.publication.revision == 1
            self.publish(run, ruling.publication.outcome, opened.reading, receipt, room)
        return ruling.verdict

    def publish(
        self,
        run: str,
        outcome: Outcome,
        reading: Reading,
        receipt: Receipt,
        room: dict[str, int],
    ) -> None:
        self.events[event_id(reading.key, outcome, 1).bytes] = (run, 1, outcome)
        for place in PLACES:
            held = room.get(place, 0) > 0
            room[place] = room.get(place, 0) - held
            self.ways.append(Way(run, 1, place, receipt.received_at, held=held))

    def claimable(self, place: str, now: int) -> list[Way]:
        """Who may be claimed, oldest first."""
        waiting = [
            way
            for way in self.ways
            if way.destination == place
            and way.state is State.PENDING
            and not way.held
            and way.due_at <= now
            and not any(self._is_before(other, way) for other in self.ways)
        ]
        return sorted(waiting, key=lambda way: (way.due_at, way.number))

    def sources(self) -> dict[str, SourceCounts]:
        """The account of what came in."""
        if not self.received:
            return {}
        by_verdict = Counter[str]()
        for (_, _, kind), count in self.received.items():
            by_verdict[kind.value] += count
        # One receipt opened each run; whatever else was filed with it only repeated it.
        first = len(self.known)
        waiting = sum(known.waiting is not None for known in self.known.values())
        return {
            "acme": SourceCounts(
                receipts=by_verdict.total(),
                first=first,
                duplicate=by_verdict["first"] - first,
                stale=by_verdict["stale"],
                conflict=by_verdict["conflict"],
                quarantined=by_verdict["quarantined"],
                opened=len(self.events) + waiting,
                events=len(self.events),
                waiting=waiting,
            )
        }

    def destinations(self) -> dict[str, DestinationCounts]:
        """The account of what went out."""
        found = {}
        for place in PLACES:
            states = Counter(w.state for w in self.ways if w.destination == place)
            found[place] = DestinationCounts(
                created=states.total(),
                delivered=states[State.DELIVERED],
                pending=states[State.PENDING],
                dead=states[State.DEAD],
            )
        return found

    def die(self) -> None:
        """Nobody holds anything any more."""
        for way in self.ways:
            way.held = False

    def _is_before(self, other: Way, way: Way) -> bool:
        return (
            other.state.is_open
            and (other.run, other.destination) == (way.run, way.destination)
            and other.revision < way.revision
        )

    def _count(self, run: str | None, receipt: Receipt, verdict: Verdict) -> None:
        # The repeats of a first receipt are duplicates, kept with it.
        kind = Verdict.FIRST if verdict is Verdict.DUPLICATE else verdict
        key = (run, receipt.body, kind)
        self.received[key] = self.received.get(key, 0) + 1
