"""Limiter: how many requests that fail verification are answered before they are told to wait.

Owns a token bucket per key, bounded in number. Counts only failures: callbacks that verify are never
limited. Takes monotonic time as an argument.
"""

from collections import OrderedDict
from collections.abc import Hashable

__all__ = ["Limiter"]


class Limiter:
    """Allows ``per_minute`` failures per key, with as many at once."""

    def __init__(self, *, per_minute: int, keys_max: int = 10_000) -> None:
        self._capacity = float(per_minute)
        self._rate = per_minute / 60.0
        self._keys_max = keys_max
        #: Tokens left and when they were counted; least recently used first.
        self._buckets: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def spend(self, key: Hashable, now: float) -> float:
        """Count one failure. Seconds to wait where the key has used up its share, else 0."""
        tokens, since = self._buckets.pop(key, (self._capacity, now))
        tokens = min(self._capacity, tokens + (now - since) * self._rate)
        wait = 0.0 if tokens >= 1 else (1 - tokens) / self._rate
        self._buckets[key] = (tokens - 1 if tokens >= 1 else tokens, now)
        while len(self._buckets) > self._keys_max:
            self._buckets.popitem(last=False)
        return wait
