"""Gate: whether a destination as a whole works, and when to knock again when it does not.

Owns the arithmetic of opening, probing and closing. Knows nothing of any single delivery.
"""

from dataclasses import dataclass, replace
from typing import Final

__all__ = ["Gate", "GatePolicy"]

PROBE_FIRST: Final = 1.0
PROBE_LAST: Final = 30.0


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
    """The state of one destination; every move gives a new one. Times are monotonic seconds."""

    policy: GatePolicy = GatePolicy()
    faults: int = 0
    #: When the first of them was.
    since: float = 0.0
    probes: int = 0
    probe_at: float | None = None

    @property
    def open(self) -> bool:
        """Whether the destination is known not to work (as a circuit breaker is open)."""
        return self.probe_at is not None

    def worked(self) -> "Gate":
        """A try reached the destination and it answered like one that works."""
        if not self.faults and not self.open:
            return self
        return replace(self, faults=0, probes=0, probe_at=None)

    def failed(self, now: float, *, probe: bool) -> "Gate":
        """A try failed through the destination's own fault at ``now``.

        While it is open only the probe's failure counts: tries that were under way when it opened
        say nothing new.
        """
        if self.open and not probe:
            return self
        faults = self.faults + 1
        since = self.since if self.faults else now
        few = faults < self.policy.faults_to_open
        if not self.open and few and now - since < self.policy.apart_s:
            return replace(self, faults=faults, since=since)
        wait = min(
            self.policy.probe_first_s * 2.0 ** min(self.probes, 16),
            self.policy.probe_last_s,
        )
        return replace(self, faults=faults, probes=self.probes + 1, probe_at=now + wait)

    def may_probe(self, now: float) -> bool:
        """Whether the one probe is due."""
        return self.probe_at is not None and now >= self.probe_at
