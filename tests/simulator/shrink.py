"""Shrink: the smallest script found that still breaks the same promise.

Owns leaving things out, one half after the other, then one by one. Knows nothing of what they are.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from tests.simulator.script import Script

__all__ = ["shrink"]

T = TypeVar("T")


def shrink(script: Script, breaks: Callable[[Script], bool], *, most: int = 400) -> Script:
    """``breaks`` says whether a script still shows what is wrong; it is asked ``most`` times at most."""
    left = most

    def ask(candidate: Script) -> bool:
        nonlocal left
        left -= 1
        return left >= 0 and breaks(candidate)

    before = None
    while before != script and left > 0:
        before = script
        base = script
        faults = _fewer(base.faults, lambda some: ask(replace(base, faults=tuple(some))))
        script = replace(script, faults=tuple(faults))
        base = script
        calls = _fewer(base.calls, lambda some: ask(replace(base, calls=tuple(some))))
        script = replace(script, calls=tuple(calls))
        base = script
        places = _fewer(base.places, lambda some: ask(replace(base, places=tuple(some))))
        script = replace(script, places=tuple(places))
        plain = replace(script, shuffled=False)
        if script.shuffled and ask(plain):
            script = plain
    return script


def _fewer(items: Sequence[T], holds: Callable[[Sequence[T]], bool]) -> Sequence[T]:
    """The fewest of the items, in their order, with which it holds still."""
    size = max(1, len(items) // 2)
    while items:
        start = 0
        while start < len(items):
            fewer = [*items[:start], *items[start + size :]]
            if holds(fewer):
                items = fewer
            else:
                start += size
        if size == 1:
            break
        size //= 2
    return items
