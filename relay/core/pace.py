"""Pace: how often something may be done.

Owns the arithmetic of an even rate. Times are monotonic seconds.
"""

from typing import Final

__all__ = ["HUSH_MAX_S", "LIMITED_S", "Pace"]

#: How long an API that has had too many requests is left in peace when it does not say, in seconds.
LIMITED_S: Final = 5.0
#: No wish for peace counts for longer, in seconds: one odd answer must not silence a source for years.
HUSH_MAX_S: Final = 3600.0


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
        #: Before this, nobody takes a turn at all: whoever is asked has wanted to be left in peace.
        self.quiet_until = 0.0

    def hush(self, until: float) -> None:
        """Nobody takes a turn before then, or before what was wanted already."""
        self.quiet_until = max(self.quiet_until, until)

    def until(self, now: float) -> float:
        """How long it is until the next turn, without taking it."""
        return 0.0 if self._next is None else max(0.0, self._next - now)

    def wait(self, now: float) -> float:
        """Take the next turn, and say how long it is until then, were it not for :attr:`quiet_until`."""
        earliest = now - self._burst_s
        at = earliest if self._next is None else max(self._next, earliest)
        self._next = at + self._apart
        return max(0.0, at - now)
