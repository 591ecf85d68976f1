"""The model: all that a store has to know, in plain dictionaries.

Owns everything that a store may lose, double or mix up. What a callback means to its run is core's, in
the model as in the store.
"""

from collections import Counter
from dataclasses import dataclass, field

from relay.core.callback import Reading, read
from relay.core.delivery import State
from relay.core.identity import Outcome, event_id
from relay.core.ledger import DestinationCounts, SourceCounts
from relay.core.receipt import Receipt, open_receipt
from relay.core.retention import Horizons, Keeping, forgotten_since, horizons
from relay.core.run import NOTHING, Known, Verdict, judge
from relay.core.truth import learn

__all__ = ["PLACES", "Model", "Paper", "Story", "Way"]

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
    #: Whether it stands in the queue of those that have failed before.
    again: bool = False
    held: bool = False
    settled_at: int = 0


#: A receipt's run (None in quarantine), bytes and kind of verdict.
Paper = tuple[str | None, bytes, Verdict]


@dataclass
class Filed:
    """One receipt's row: when it first came, and how often."""

    at: int
    count: int = 0


@dataclass(frozen=True)
class Story:
    """One event, and the receipt that it is built from."""

    run: str
    revision: int
    outcome: Outcome
    at: int
    paper: Paper


@dataclass
class Model:
    """All that a store has to know."""

    keeping: Keeping
    #: Whether the newest row of each table stays, however old it is.
    spares_newest: bool
    known: dict[str, Known] = field(default_factory=dict)
    first_seen: dict[str, int] = field(default_factory=dict)
    #: What each run waits for was asked for by this.
    asked_by: dict[str, Paper] = field(default_factory=dict)
    received: dict[Paper, Filed] = field(default_factory=dict)
    events: dict[bytes, Story] = field(default_factory=dict)
    ways: list[Way] = field(default_factory=list)
    #: The account: forgetting changes nothing in it.
    verdicts: Counter[str] = field(default_factory=Counter)
    told: int = 0
    closed: int = 0
    archived: Counter[tuple[str, State]] = field(default_factory=Counter)
    #: Who is held; and by who is behind, the stories that are still to become ways.
    shut: set[str] = field(default_factory=set)
    behind: dict[str, list[Story]] = field(default_factory=dict)

    def record(self, receipt: Receipt, room: dict[str, int]) -> Verdict:
        """What becomes of one receipt; ``room`` is spent."""
        opened = open_receipt(
            receipt, forgotten_since=forgotten_since(self.keeping, receipt.received_at)
        )
        if not isinstance(opened.reading, Reading):
            self._count(None, receipt, Verdict.QUARANTINED)
            return Verdict.QUARANTINED
        run = opened.reading.key.id
        before = self.known.get(run, NOTHING)
        ruling = judge(before, opened.reading)
        self.known[run] = ruling.known
        self.first_seen.setdefault(run, receipt.received_at)
        paper = self._count(run, receipt, ruling.verdict)
        waiting, was = ruling.known.waiting, before.waiting
        if waiting and (was is None or waiting.outcome not in (None, was.outcome)):
            # What would be published, were there no answer, is what named the outcome.
            self.asked_by[run] = paper
        if ruling.publication is not None:
            assert ruling.publication.revision == 1
            story = Story(
                run, 1, ruling.publication.outcome, receipt.received_at, paper
            )
            self.publish(story, opened.reading, room)
        return ruling.verdict

    def publish(self, story: Story, reading: Reading, room: dict[str, int]) -> None:
        self.events[event_id(reading.key, story.outcome, 1).bytes] = story
        self.told += 1
        for place in PLACES:
            if place in self.behind:
                self.behind[place].append(story)
                continue
            held = room.get(place, 0) > 0 and place not in self.shut
            room[place] = room.get(place, 0) - held
            self.ways.append(Way(story.run, 1, place, story.at, held=held))

    def learn(self, run: str, document: bytes, now: int) -> None:
        """What becomes of the API's answer to a run that has had an event."""
        told = read(document, source="acme", require=())
        before = self.known[run]
        assert isinstance(told, Reading)
        if before.waiting is None and told.outcome is before.outcome:
            # Nobody asks.
            return
        finding = learn(before, told, self.last(run))
        self.known[run] = finding.known
        self.closed += finding.closed
        if finding.publication is None:
            return
        revision, outcome = finding.publication.revision, finding.publication.outcome
        assert revision > 1
        paper = (run, document, Verdict.TOLD)
        self.received[paper] = Filed(now, count=1)
        story = Story(run, revision, outcome, now, paper)
        self.events[event_id(told.key, outcome, revision).bytes] = story
        self.told += 1
        for place in PLACES:
            if place in self.behind:
                self.behind[place].append(story)
            else:
                self.ways.append(Way(run, revision, place, now))

    def last(self, run: str) -> Reading | None:
        """What a run's last event is built from, while it is there."""
        paper = [s for s in self.events.values() if s.run == run][-1].paper
        if paper not in self.received:
            return None
        found = read(paper[1], source="acme")
        return found if isinstance(found, Reading) else None

    def claimable(self, place: str, now: int) -> list[Way]:
        """Who may be claimed, oldest first."""
        waiting = [
            way
            for way in self.ways
            if way.destination == place
            and place not in self.shut
            and way.state is State.PENDING
            and not way.held
            and way.due_at <= now
            and not any(self._is_before(other, way) for other in self.ways)
        ]
        return sorted(waiting, key=lambda way: (way.due_at, way.number))

    def sources(self) -> dict[str, SourceCounts]:
        """The account of what came in."""
        verdicts = self.verdicts
        if not verdicts:
            return {}
        waiting = sum(known.waiting is not None for known in self.known.values())
        return {
            "acme": SourceCounts(
                receipts=verdicts.total(),
                first=verdicts["first"],
                duplicate=verdicts["duplicate"],
                stale=verdicts["stale"],
                conflict=verdicts["conflict"],
                quarantined=verdicts["quarantined"],
                opened=self.told + waiting + self.closed,
                closed=self.closed,
                events=self.told,
                waiting=waiting,
            )
        }

    def destinations(self) -> dict[str, DestinationCounts]:
        """The account of what went out."""
        found = {}
        for place in PLACES:
            states = Counter(w.state for w in self.ways if w.destination == place)
            for (archived, state), count in self.archived.items():
                states[state] += count if archived == place else 0
            unmade = len(self.behind.get(place, ()))
            counts = DestinationCounts(
                created=states.total() + unmade,
                delivered=states[State.DELIVERED],
                pending=states[State.PENDING],
                held=unmade,
                dead=states[State.DEAD],
            )
            found[place] = counts.behind_a_hold() if place in self.shut else counts
        return found

    def die(self) -> None:
        """Nobody holds anything any more."""
        for way in self.ways:
            way.held = False

    def forget(self, now: int) -> None:
        """What nobody needs any more is gone after a pass."""
        limits = horizons(self.keeping, now)
        self._forget_papers(limits)
        self._forget_stories(limits)
        held_by = {run for run, *_ in self.received}
        held_by |= {story.run for story in self.events.values()}
        newest = [*self.known][-1:] if self.spares_newest else []
        for run, known in list(self.known.items()):
            is_old = self.first_seen[run] < limits.identities
            is_held = run in held_by or run in newest or known.waiting is not None
            if is_old and not is_held:
                del self.known[run], self.first_seen[run]

    def _forget_papers(self, limits: Horizons) -> None:
        newest = [*self.received][-1:] if self.spares_newest else []
        needed = {
            story.paper for story in self.events.values() if self._holds(story, limits)
        }
        needed |= {
            self.asked_by[run] for run, known in self.known.items() if known.waiting
        }
        for paper, filed in list(self.received.items()):
            is_old = filed.at < limits.payloads
            if is_old and paper not in needed and paper not in newest:
                del self.received[paper]

    def _forget_stories(self, limits: Horizons) -> None:
        newest = [*self.events][-1:] if self.spares_newest else []
        last = self.ways[-1:] if self.spares_newest else []
        for identifier, story in list(self.events.items()):
            ways = self.ways_of(story)
            if story.at >= limits.attempts or self._holds(story, limits):
                continue
            if identifier in newest or any(way in last for way in ways):
                continue
            del self.events[identifier]
            for way in ways:
                self.archived[way.destination, way.state] += 1
                self.ways.remove(way)

    def ways_of(self, story: Story) -> list[Way]:
        return [
            way
            for way in self.ways
            if (way.run, way.revision) == (story.run, story.revision)
        ]

    def _holds(self, story: Story, limits: Horizons) -> bool:
        """Whether somebody still has to have this event, or may want to."""
        return any(story in unmade for unmade in self.behind.values()) or any(
            way.state.is_open
            or (way.state is State.DEAD and way.settled_at >= limits.dead_letters)
            for way in self.ways_of(story)
        )

    def fill(self, place: str, limit: int, now: int) -> None:
        """So many of what somebody is behind with become ways, the first ones first."""
        unmade = self.behind[place]
        made, unmade[:] = unmade[:limit], unmade[limit:]
        self.ways += [Way(s.run, s.revision, place, now) for s in made]

    def abandon(self, place: str, now: int) -> int:
        """Whatever nobody holds there dies."""
        found = [
            way
            for way in self.ways
            if way.destination == place and way.state is State.PENDING and not way.held
        ]
        for way in found:
            way.state, way.settled_at = State.DEAD, now
        return len(found)

    def _is_before(self, other: Way, way: Way) -> bool:
        return (
            other.state.is_open
            and (other.run, other.destination) == (way.run, way.destination)
            and other.revision < way.revision
        )

    def _count(self, run: str | None, receipt: Receipt, verdict: Verdict) -> Paper:
        self.verdicts[verdict.value] += 1
        # The repeats of a first receipt are duplicates, kept with it.
        kind = Verdict.FIRST if verdict is Verdict.DUPLICATE else verdict
        paper = (run, receipt.body, kind)
        filed = self.received.setdefault(paper, Filed(receipt.received_at))
        filed.count += 1
        return paper
