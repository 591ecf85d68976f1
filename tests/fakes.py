"""The outside world, scripted: what the ports are wired to in tests.

Owns typed stand-ins for clock, dice, metrics, checkpoints and handover. Each does what its port says
and remembers what was asked of it; none of them decides anything.
"""

import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from relay.core.ports import Checkpoint, MetricName, Parcel, Room

__all__ = [
    "NOW_US",
    "FakeClock",
    "LoadedDice",
    "NullMetrics",
    "RecordingMetrics",
    "ScriptedCheckpoints",
    "ScriptedHandover",
]

#: 2026-03-01T12:00:00Z.
NOW_US = 1_772_366_400_000_000


class FakeClock:
    """A wall clock that stands still until it is moved."""

    def __init__(self, now_us: int = NOW_US) -> None:
        self.time_us = now_us

    def now_us(self) -> int:
        return self.time_us

    def advance(self, *, seconds: float) -> int:
        """Move on (or back), and say what time it is then."""
        self.time_us += round(seconds * 1_000_000)
        return self.time_us


class LoadedDice:
    """Dice that fall as they were told; ``bytes`` counts up, so that ids differ."""

    def __init__(self, *units: float) -> None:
        self._units = list(units)
        self._thrown = 0

    def bytes(self, count: int, /) -> bytes:
        self._thrown += 1
        return self._thrown.to_bytes(count, "big")

    def unit(self) -> float:
        """The next of the numbers given; the last one repeats, and without any it is 0.5."""
        if not self._units:
            return 0.5
        return self._units.pop(0) if len(self._units) > 1 else self._units[0]


class NullMetrics:
    """Nobody looks."""

    def count(self, name: MetricName, /, amount: float = 1, **labels: str) -> None:
        pass

    def observe(self, name: MetricName, value: float, /, **labels: str) -> None:
        pass

    def gauge(self, name: MetricName, value: float | None, /, **labels: str) -> None:
        pass


class RecordingMetrics:
    """Keeps everything, by name, and counters by their labels' values as well."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, ...]] = Counter()
        self.observations: defaultdict[MetricName, list[float]] = defaultdict(list)
        self.gauges: dict[tuple[str, ...], float] = {}

    def count(self, name: MetricName, /, amount: float = 1, **labels: str) -> None:
        key: tuple[str, ...] = (name, *labels.values())
        self.counts[key] += int(amount)

    def observe(self, name: MetricName, value: float, /, **labels: str) -> None:
        del labels  # only counters and gauges are told apart
        self.observations[name].append(value)

    def gauge(self, name: MetricName, value: float | None, /, **labels: str) -> None:
        key = (name, *labels.values())
        if value is None:
            self.gauges.pop(key, None)
        else:
            self.gauges[key] = value


class ScriptedCheckpoints:
    """Runs what a test hung on a checkpoint, on whichever thread passes it."""

    def __init__(self) -> None:
        self.passed: Counter[Checkpoint] = Counter()
        self._hooks: dict[Checkpoint, Callable[[], None]] = {}
        self._lock = threading.Lock()

    def reach(self, name: Checkpoint, /) -> None:
        with self._lock:
            self.passed[name] += 1
            hook = self._hooks.get(name)
        if hook is not None:
            hook()

    def at(self, name: Checkpoint, hook: Callable[[], None] | None) -> None:
        """From now on ``hook`` is called at ``name``; None takes it away."""
        with self._lock:
            if hook is None:
                self._hooks.pop(name, None)
            else:
                self._hooks[name] = hook

    def clear(self) -> None:
        """Nothing hangs anywhere any more."""
        with self._lock:
            self._hooks.clear()


class ScriptedHandover:
    """Has the room that it was told to have, and keeps what it was handed.

    The room shrinks as parcels come in, as a courier's does.
    """

    def __init__(self, room: Mapping[str, int] | None = None) -> None:
        self.left = dict(room or {})
        self.handed: list[Parcel] = []
        self.hinted: list[str] = []
        self.asked_for: list[str] = []

    def room(self) -> Room:
        return dict(self.left)

    def hand(self, parcels: Sequence[Parcel], /) -> None:
        for parcel in parcels:
            self.left[parcel.destination] -= 1
            self.handed.append(parcel)

    def hint(self, destinations: Iterable[str], /) -> None:
        self.hinted.extend(destinations)

    def question(self, sources: Iterable[str], /) -> None:
        self.asked_for.extend(sources)

    def forget(self) -> None:
        """What a process has in memory is gone with it."""
        self.handed.clear()
        self.hinted.clear()
        self.asked_for.clear()
