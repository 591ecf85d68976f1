"""Pace: how often something may be done.

Owns the arithmetic of an even rate. Times are monotonic seconds.
"""

__all__ = ["Pace"]


class Pace:
    """At most ``rate`` a second, with room for a short burst after a rest."""

    def __init__(self, rate: float, *, burst_s: float = 1.0) -> None:
        """``burst_s`` seconds of rest are saved up at the most.

        Raises:
            ValueError: the rate is not above zero.
        """
        if rate <= 0:
            raise ValueError("a rate is above zero")
        self._apart = 1 / rate
        self._burst_s = burst_s
        self._next: float | None = None

    def wait(self, now: float) -> float:
        """Take the next turn, and say how long it is until then."""
        earliest = now - self._burst_s
        at = earliest if self._next is None else max(self._next, earliest)
        self._next = at + self._apart
        return max(0.0, at - now)
