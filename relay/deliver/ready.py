"""Ready: the parcels of one destination that are in memory and wait for a slot.

Owns who is next (each source in turn, and what has failed before in a line of its own), how much may be
held, and what is prepared ahead. Must not know how a try is made, nor when the store is asked.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Final

from relay.core.delivery import Queue
from relay.core.ports import Parcel
from relay.core.sharing import in_turns

__all__ = ["Ready"]

#: Parcels asked of the store in one claim.
CLAIM_MAX: Final = 256
#: Parcels that are prepared together.
AHEAD: Final = 32
#: Bytes of receipts behind them; what is larger is built when it is its turn.
AHEAD_BYTES: Final = 256 * 1024
#: Of all that may be held, one part in so many is for what has failed before, and one for sources that
#: have nothing here while others have a lot.
AGAIN_PART: Final = 4
NEWCOMERS_PART: Final = 8


class _Line:
    """One queue, in which each source has its turn."""

    __slots__ = ("_sources", "_turns", "count")

    def __init__(self) -> None:
        #: By source; one that has nothing here keeps its empty place, as it will be back.
        self._sources: dict[str, deque[Parcel]] = {}
        #: Sources that have something; whose turn it is stands first.
        self._turns: deque[str] = deque()
        self.count = 0

    def __iter__(self) -> Iterator[Parcel]:
        """Everyone, in the order in which they are taken if nobody else comes."""
        lines = [self._sources[source] for source in self._turns]
        return iter(lines[0]) if len(lines) == 1 else in_turns([*map(tuple, lines)])

    @property
    def sources(self) -> Iterable[str]:
        return self._turns

    def add(self, parcel: Parcel) -> None:
        source = parcel.letter.facts.key.source
        line = self._sources.get(source)
        if line is None:
            line = self._sources[source] = deque()
        if not line:
            self._turns.append(source)
        line.append(parcel)
        self.count += 1

    def take(self) -> Parcel:
        turns = self._turns
        line = self._sources[turns[0]]
        parcel = line.popleft()
        self.count -= 1
        if not line:
            turns.popleft()
        elif len(turns) > 1:
            turns.rotate(-1)
        return parcel

    def clear(self) -> list[Parcel]:
        parcels = list(self)
        self._sources.clear()
        self._turns.clear()
        self.count = 0
        return parcels


class Ready:
    """What waits in memory, and how much more may."""

    def __init__(
        self,
        *,
        most: int,
        bytes_most: int,
        prepare: Callable[[Iterable[Parcel]], None],
    ) -> None:
        """``most`` parcels and ``bytes_most`` bytes behind them; ``prepare`` gets ready for tries."""
        self._most = most
        self._bytes_most = bytes_most
        self._prepare = prepare
        self._first, self._again = _Line(), _Line()
        self._prepared: set[int] = set()
        #: Bytes that may still come; what is being tried counts until it is let go.
        self.bytes_left = bytes_most
        newcomers = most // NEWCOMERS_PART
        self._again_most = max(1, most // AGAIN_PART)
        self._first_most = most - newcomers

    def __len__(self) -> int:
        return self._first.count + self._again.count

    def count(self, queue: Queue) -> int:
        """How many of one queue wait here."""
        return self._line(queue).count

    @property
    def sources(self) -> frozenset[str]:
        """Whose first tries wait here."""
        return frozenset(self._first.sources)

    @property
    def room(self) -> int:
        """How many fresh parcels could be taken now, whosoever they are."""
        return max(0, self._first_most - len(self)) if self.bytes_left > 0 else 0

    @property
    def room_for_newcomers(self) -> int:
        """How many could be taken of sources that have nothing here."""
        return max(0, self._most - len(self)) if self.bytes_left > 0 else 0

    @property
    def is_heavy(self) -> bool:
        """Whether so many bytes are held that no more should be asked for."""
        return self.bytes_left <= self._bytes_most // 2

    def wants(self, queue: Queue) -> int:
        """How many to ask the store for; 0 while it is not worth a claim."""
        if self.is_heavy:
            return 0
        if queue is Queue.FIRST:
            most, free = self._first_most, self.room
        else:
            most = self._again_most
            free = min(most - self._again.count, self._most - len(self))
        worth = max(1, min(CLAIM_MAX, most) // 2)
        return min(CLAIM_MAX, free) if free >= worth else 0

    def is_half_empty(self, queue: Queue) -> bool:
        """Whether it is time to ask the store for more of a queue."""
        most = self._first_most if queue is Queue.FIRST else self._again_most
        return self._line(queue).count <= most // 2 and not self.is_heavy

    def add(self, parcel: Parcel) -> None:
        """Take one in."""
        self.bytes_left -= parcel.size
        (self._again if parcel.queue else self._first).add(parcel)

    def take(self, queue: Queue, count: int) -> Sequence[Parcel]:
        """The next of a queue, prepared; their bytes count until :meth:`let_go`."""
        line = self._line(queue)
        taken = []
        for _ in range(min(count, line.count)):
            parcel = line.take()
            if parcel.number not in self._prepared:
                self._prepare_with(parcel, line)
            self._prepared.discard(parcel.number)
            taken.append(parcel)
        return taken

    def hold(self, parcel: Parcel) -> None:
        """This one is tried without having waited here."""
        self.bytes_left -= parcel.size

    def let_go(self, parcel: Parcel) -> None:
        """Nothing holds this parcel any more."""
        self.bytes_left += parcel.size

    def clear(self) -> list[Parcel]:
        """Give everything out that waits."""
        parcels = [*self._first.clear(), *self._again.clear()]
        self._prepared.clear()
        for parcel in parcels:
            self.let_go(parcel)
        return parcels

    def recount(self) -> None:
        """Nothing is being tried: only what waits is held."""
        waiting = (*self._first, *self._again)
        self.bytes_left = self._bytes_most - sum(parcel.size for parcel in waiting)

    def _line(self, queue: Queue) -> _Line:
        return self._first if queue is Queue.FIRST else self._again

    def _prepare_with(self, parcel: Parcel, line: _Line) -> None:
        """Prepare a parcel, and small ones that come after it."""
        together, size = [parcel], parcel.size
        for other in islice(line, AHEAD - 1):
            size += other.size
            if size > AHEAD_BYTES:
                break
            together.append(other)
        self._prepare(together)
        self._prepared.update(other.number for other in together)
