"""Rarities: what happens in a small share of all histories, beside what happens in any.

Owns those shares. Each is there often enough for a mistake to be found within a thousand histories, and
seldom enough to cost the others nothing. Has dice of its own: who is not chosen has the history that he had.
Knows nothing of what any of it means.
"""

from dataclasses import replace
from random import Random

from tests.simulator.script import HORIZON, Days, Fault, Forget, Jump, Script, Slow

__all__ = ["with_rarities"]


def with_rarities(script: Script, dice: Random) -> Script:
    """The same history, in which more may happen."""
    names = [place.name for place in script.places]
    chosen = [dice.random() < share for share in (0.12, 0.15, 0.12, 0.08, 0.02)]
    rated, heard, given_up, ahead, failing = chosen
    if rated:
        script = _rated(script, dice)
    if heard:
        script = replace(script, listener=dice.choice(names))
    faults: list[Fault] = []
    if given_up:
        at = round(dice.uniform(0.2, HORIZON - 1), 3)
        back = dice.choice((at + 1, HORIZON, 2 * HORIZON))
        faults.append(Forget(at, dice.choice(names), round(back, 3)))
    # What is ahead only between two looks is seen by nobody, and a store that stands still lets nobody look.
    if ahead and not any(isinstance(fault, Slow) for fault in script.faults):
        at = round(dice.uniform(0, HORIZON - 2), 3)
        right = round(dice.uniform(at + 1.5, HORIZON), 3)
        seconds = dice.choice((60.0, 7200.0, 172800.0))
        faults.append(Jump(at, seconds, right))
    # What is sent again is chosen by its time, and that of a clock that was ahead is still to come.
    if failing and not ahead:
        script = replace(script, days=_days(dice, names))
    return replace(script, faults=(*script.faults, *faults))


def _rated(script: Script, dice: Random) -> Script:
    """One destination does not want to be called too often."""
    chosen, rate = dice.choice(script.places), dice.choice((5.0, 20.0))
    places = [
        replace(place, rate=rate) if place is chosen else place
        for place in script.places
    ]
    return replace(script, places=tuple(places))


def _days(dice: Random, names: list[str]) -> Days:
    return Days(
        place=dice.choice(names),
        how=dice.choice(("refuse", "5xx", "4xx", "lost", "away")),
        stride=dice.choice((13, 20, 30)),
        relapses=dice.random() < 0.5,
    )
