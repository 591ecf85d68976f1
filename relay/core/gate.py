"""Gate: whether a destination as a whole works, and when to knock again when it does not.

Owns the arithmetic of opening, probing and closing. Knows nothing of any single delivery but whether it
has failed before: who has, speaks for itself first, and keeps nobody else away.
"""

from dataclasses import dataclass, replace
from typing import Final

from relay.core.delivery import Queue

__all__ = ["Gate", "GatePolicy"]

PROBE_FIRST: Final = 1.0
PROBE_LAST: Final = 30.0
#: No wish for peace keeps probes away for longer, in seconds. It is one delivery's word: that one keeps it
#: for as long as it says, but others might get through.
PEACE_MAX: Final = 300.0
#: Doublings after which every wait is the longest.
_DOUBLINGS_MAX: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class GatePolicy:
    """When a destination counts as not working, and how its probes are spaced (seconds)."""

    #: Faults in a row, with no success between.
    faults_to_open: int = 10
    #: Two are enough when they lie this far apart: where little is sent, ten would take for ever.
    apart_s: float = 3.0
    probe_first_s: float = PROBE_FIRST
    probe_last_s: float = PROBE_LAST


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """The state of one destination; every move gives a new one. Times are monotonic seconds.

    Each queue has its own next probe. A first try that fails puts off both; a delivery that has failed
    before puts off only its like, so that a run at which the destination always fails does not keep
    away a fresh event that would get through.
    """

    policy: GatePolicy = GatePolicy()
    faults: int = 0
    #: When the first of them was.
    since: float = 0.0
    #: First tries, and tries of what had failed before, that failed while it was open.
    probes: int = 0
    repeats: int = 0
    #: When the next of each may go; None while it is closed.
    probe_at: float | None = None
    repeat_at: float | None = None

    @property
    def open(self) -> bool:
        """Whether the destination is known not to work (as a circuit breaker is open)."""
        return self.probe_at is not None

    def worked(self) -> "Gate":
        """A try reached the destination and it answered like one that works."""
        if not self.faults and not self.open:
            return self
        return Gate(policy=self.policy)

    def failed(
        self,
        now: float,
        *,
        probe: bool,
        queue: Queue = Queue.FIRST,
        peace_s: float = 0.0,
    ) -> "Gate":
        """A try out of ``queue`` failed through the destination's own fault at ``now``.

        While it is open only a probe's failure counts: tries that were under way when it opened say
        nothing new. ``peace_s`` is for how long the destination has asked to be left alone.
        """
        if self.open and not probe:
            return self
        faults = self.faults + 1
        since = self.since if self.faults else now
        few = faults < self.policy.faults_to_open
        if not self.open and few and now - since < self.policy.apart_s:
            return replace(self, faults=faults, since=since)
        return self._put_off(now, faults, since, queue, peace_s)

    def gone(self, now: float, *, probe: bool) -> "Gate":
        """It says that it is no more; whatever went before, it is open from now on."""
        if self.open and not probe:
            return self
        since = self.since if self.faults else now
        return self._put_off(now, self.faults + 1, since, Queue.FIRST, 0.0)

    def knocked(self, now: float) -> "Gate":
        """Somebody says that it works again: one probe may find out at once, whatever was waited for."""
        if not self.open:
            return self
        return replace(self, probe_at=now, repeat_at=now)

    def wait_s(self, now: float, queue: Queue) -> float:
        """How long it is until a probe out of ``queue`` may go; 0 where it may now, or need not ask."""
        at = self.probe_at if queue is Queue.FIRST else self.repeat_at
        return 0.0 if at is None else max(0.0, at - now)

    def may_probe(self, now: float, queue: Queue = Queue.FIRST) -> bool:
        """Whether a probe out of ``queue`` is due."""
        return self.open and self.wait_s(now, queue) <= 0.0

    def _put_off(
        self, now: float, faults: int, since: float, queue: Queue, peace_s: float
    ) -> "Gate":
        probes = self.probes
        probe_at = now if self.probe_at is None else self.probe_at
        if queue is Queue.FIRST:
            probes += 1
            probe_at = now + self._wait(probes)
        repeats = self.repeats + 1
        # Asked for by the destination itself, peace is kept by everyone.
        peace_at = now + min(peace_s, PEACE_MAX)
        return replace(
            self,
            faults=faults,
            since=since,
            probes=probes,
            repeats=repeats,
            probe_at=max(probe_at, peace_at),
            repeat_at=max(now + self._wait(repeats), peace_at),
        )

    def _wait(self, probes: int) -> float:
        doubled = self.policy.probe_first_s * 2.0 ** min(probes - 1, _DOUBLINGS_MAX)
        return min(doubled, self.policy.probe_last_s)
