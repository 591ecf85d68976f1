"""Fruitless: what is said where an order finds nothing to send: why, and what might have been meant.

Owns the words. Decides nothing and asks nobody.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from relay.core.timeline import plain
from relay.operate.actions.replaying import Order
from relay.operate.actions.whereabouts import Whereabouts

__all__ = ["fruitless"]

#: Destinations that are told of, and names that are typed once more.
_TOLD_MAX: Final = 8
_NAMES_MAX: Final = 3

#: What was looked for, in a sentence that says that there is none.
_NONE: Final = {
    "dead": "no dead letter is meant by that. All that is dead: relay dead. What has arrived is sent once more"
    " with --delivered, what a destination never had with --backfill",
    "delivered": "nothing that is meant by that has arrived at {}. How it stands: relay destinations",
    "missing": "{} has had all that is meant by that, or it waits there. How it stands: relay destinations",
}
_OF_NAMED: Final = {
    "dead": "nothing of what is named is dead",
    "delivered": "nothing of what is named has arrived",
    "missing": "{} has had all that is named, or it waits there",
}


def fruitless(
    order: Order, where: Sequence[Whereabouts], *, count: int
) -> Iterator[str]:
    """Say that there is nothing, and where the events stand that were named: so many."""
    nothing = "There is nothing to send"
    name = plain(order.destination or order.to or "")
    if not order.wanted:
        yield f"{nothing}: {_NONE[order.what].format(name)}."
        return
    again = [plain(one) for one in order.wanted]
    names = " ".join(again) if len(again) <= _NAMES_MAX else "ID..."
    narrowed = any((order.reason, order.outcome, order.since, order.until))
    options = ", or not as the options say" if narrowed else ""
    yield f"{nothing}: {_OF_NAMED[order.what].format(name)}{options}."
    for one in where[:_TOLD_MAX]:
        yield from _standing(one, names, alone=count == 1)
    if len(where) > _TOLD_MAX:
        yield f"  … and {len(where) - _TOLD_MAX:,} more destinations"
    yield f"All that became of it: relay explain {again[0]}"


def _standing(one: Whereabouts, names: str, *, alone: bool) -> Iterator[str]:
    """How they stand at a destination, and what sends them from there."""
    to = plain(one.destination)
    for number, each, many, how in (
        (
            one.arrived,
            "it has arrived; to send it once more",
            "have arrived; to send them once more",
            f": relay replay --delivered {names} --destination {to}",
        ),
        (one.open, "it is on its way", "on their way", ""),
        (
            one.dead,
            "it is dead; to send it again",
            "are dead; to send them again",
            f": relay replay {names} --destination {to}",
        ),
        (
            one.never,
            "it was never for there; to send it all the same, if routes take it",
            "were never for there; to send them all the same, if routes take them",
            f": relay replay --backfill {names} --to {to}",
        ),
    ):
        if number:
            yield f"  {to}: {each if alone else f'{number:,} {many}'}{how}"
