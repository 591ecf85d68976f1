"""Flow: how many tries at one destination may be under way at once.

Owns the arithmetic that finds it out: one more after each round that went well, a part less when the
destination strains (additive increase, multiplicative decrease). Times are monotonic seconds and come
as arguments.
"""

from typing import Final

__all__ = ["Flow"]

#: What is left after a fault, and after tries that take longer than they used to.
AFTER_FAULT: Final = 0.7
AFTER_DELAY: Final = 0.8
#: Once the destination works again it is met with this part of all that it may get.
RESTART: Final = 0.25
#: How much one try changes what tries take now, and what they usually take.
_NOW_WEIGHT: Final = 0.2
_USUAL_WEIGHT: Final = 0.01
#: Tries are slow when they take this many times as long as usual, and so much longer besides (seconds):
#: a few milliseconds more are noise.
_SLOW_FACTOR: Final = 2.0
_SLOW_S: Final = 0.1


class Flow:
    """Begins at ``most``, and stays between 1 and that."""

    __slots__ = ("_limit", "_most", "_narrowed_at", "_now", "_usual", "width")

    def __init__(self, most: int) -> None:
        self._most = most
        self._limit = float(most)
        #: How many tries may be under way now.
        self.width = most
        self._now: float | None = None
        self._usual = 0.0
        self._narrowed_at = float("-inf")

    def ended(self, *, began: float, now: float, strained: bool, full: bool) -> None:
        """A try ended. ``full``: as many were under way as may be, so that more might have gone well."""
        if strained:
            self._narrow(AFTER_FAULT, began, now)
            return
        took = now - began
        if self._now is None:
            self._now = self._usual = took
        self._now += (took - self._now) * _NOW_WEIGHT
        self._usual += (took - self._usual) * _USUAL_WEIGHT
        if self._now > self._usual * _SLOW_FACTOR + _SLOW_S:
            self._narrow(AFTER_DELAY, began, now)
        elif full and self.width < self._most:
            self._set(self._limit + 1 / self._limit)

    def restart(self, now: float) -> None:
        """The destination works again: begin carefully, and forget how long tries took."""
        self._now = None
        self._narrowed_at = now
        self._set(max(1.0, self._most * RESTART))

    def _narrow(self, part: float, began: float, now: float) -> None:
        # What was under way already when it was narrowed says nothing new.
        if began >= self._narrowed_at:
            self._narrowed_at = now
            self._set(max(1.0, self._limit * part))

    def _set(self, limit: float) -> None:
        self._limit = min(limit, float(self._most))
        self.width = int(self._limit)
