"""Shrink: the smallest script found that still breaks the same promise.

Owns leaving things out, one half after the other, then one by one. Knows nothing of what they are.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from tests.simulator.script import (
    BlackoutAt,
    CrashAt,
    Fault,
    Place,
    Rule,
    Script,
    Stumble,
)
from tests.simulator.story import Call

__all__ = ["shrink"]

T = TypeVar("T")


def shrink(
    script: Script, breaks: Callable[[Script], bool], *, most: int = 400
) -> Script:
    """``breaks`` says whether a script still shows what is wrong; it is asked ``most`` times at most."""
    left = most

    def ask(candidate: Script) -> bool:
        nonlocal left
        left -= 1
        return left >= 0 and breaks(candidate)

    before = None
    while before != script and left > 0:
        before = script
        script = _without_faults(script, ask)
        script = _sooner(script, ask)
        script = _without_calls(script, ask)
        script = _without_places(script, ask)
        script = _without_rules(script, ask)
        plain = replace(script, shuffled=False)
        if script.shuffled and ask(plain):
            script = plain
    return script


def _without_faults(script: Script, holds: Callable[[Script], bool]) -> Script:
    def all_with(some: Sequence[Fault]) -> Script:
        return replace(script, faults=tuple(some))

    return all_with(_fewer(script.faults, lambda some: holds(all_with(some))))


def _without_calls(script: Script, holds: Callable[[Script], bool]) -> Script:
    def all_with(some: Sequence[Call]) -> Script:
        return replace(script, calls=tuple(some))

    return all_with(_fewer(script.calls, lambda some: holds(all_with(some))))


def _without_places(script: Script, holds: Callable[[Script], bool]) -> Script:
    def all_with(some: Sequence[Place]) -> Script:
        return replace(script, places=tuple(some))

    return all_with(_fewer(script.places, lambda some: holds(all_with(some))))


def _without_rules(script: Script, holds: Callable[[Script], bool]) -> Script:
    def all_with(some: Sequence[Rule]) -> Script:
        return replace(script, rules=tuple(some))

    return all_with(_fewer(script.rules, lambda some: holds(all_with(some))))


def _sooner(script: Script, holds: Callable[[Script], bool]) -> Script:
    """What waits for the nth passing of a checkpoint, or commit, waits for the first that will do."""
    for number, fault in enumerate(script.faults):
        if not isinstance(fault, CrashAt | BlackoutAt | Stumble):
            continue
        for nth in range(1, fault.nth):
            faults = list(script.faults)
            faults[number] = replace(fault, nth=nth)
            candidate = replace(script, faults=tuple(faults))
            if holds(candidate):
                script = candidate
                break
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
