"""Backlog: how many open deliveries a destination may have, and what is done beyond that.

Owns the choice. Over the limit a destination is *behind*: from one event on no deliveries are made for it,
because each costs rows for as long as nothing is sent there. The events keep which destinations they were
routed to, so that the deliveries are made later, in their order, as room returns. Knows nothing of stores.
"""

from typing import Final, Literal

from relay.core.holding import Condition

__all__ = ["LIMIT", "STEP", "next_step"]

LIMIT: Final = 1_000_000
#: Events that are looked at for one commit.
STEP: Final = 256
#: The share of the limit below which there is room again: not at once behind once more.
_ROOM: Final = 0.8


def next_step(condition: Condition, *, limit: int) -> Literal["fall", "fill"] | None:
    """What is to be done now: fall behind, have some deliveries made, or nothing."""
    made = condition.open - condition.behind
    if condition.behind_from is None:
        return "fall" if made >= limit else None
    return "fill" if made < max(1, _ROOM * limit) else None
