"""Mistakes in how destinations are treated over time: each shows only in histories in which that matters.

Owns them and nothing else.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import pytest

import relay.record.sqlite.holding
import relay.record.sqlite.store
from relay.core.delivery import Delivered, Outcome, Queue
from relay.core.event import Event
from relay.core.health import HealthPolicy
from relay.core.route import Router
from relay.deliver.righting import Righter
from relay.deliver.slots import Slots
from relay.deliver.warden import Warden
from relay.record.statements import statements

__all__ = ["MUTATIONS"]

Patch = pytest.MonkeyPatch


def as_fast_as_it_can(patch: Patch) -> None:
    patch.setattr(Slots, "_in_time", lambda *_: True)


def probes_are_not_counted(patch: Patch) -> None:
    """Who does not work is tried as often as ever, and what follows does not wait for that."""
    patch.setattr(Slots, "spend", lambda _: None)
    patch.setattr(Slots, "rest_s", lambda _: 0.0)


def holds_without_a_word(patch: Patch) -> None:
    patch.setattr(relay.record.sqlite.holding, "tell", lambda *_, **__: ())


def tells_whom_it_is_about(patch: Patch) -> None:
    known = Router.route

    def route(
        self: Router, event: Callable[[], Event], *, about: str | None = None
    ) -> tuple[str, ...]:
        # Nobody has this name.
        return known(self, event, about=about and f"not {about}")

    patch.setattr(Router, "route", route)


def forgets_what_is_in_hand(patch: Patch) -> None:
    def changed(store: str) -> Mapping[str, str]:
        found = dict(statements(store))
        assert "AND lease IS NULL" in found["abandon"]
        return found | {
            "abandon": found["abandon"].replace("AND lease IS NULL", ""),
        }

    patch.setattr(relay.record.sqlite.store, "statements", changed)


def forgets_uncounted(patch: Patch) -> None:
    patch.setattr(relay.record.sqlite.holding, "count_dead", lambda *_: None)


def bears_it_for_ever(patch: Patch) -> None:
    known = Warden.appoint

    def appoint(self: Warden, policies: Mapping[str, HealthPolicy]) -> None:
        never = HealthPolicy(disable_after=None, brake=None)
        known(self, dict.fromkeys(policies, never))

    patch.setattr(Warden, "appoint", appoint)


def a_success_changes_nothing(patch: Patch) -> None:
    """Who has failed for long goes on failing, whatever works in between."""
    known = Warden._hear

    def hear(
        self: Warden, name: str, queue: Queue, outcomes: Sequence[Outcome]
    ) -> None:
        failed = [one for one in outcomes if not isinstance(one, Delivered)]
        if failed:
            known(self, name, queue, failed)

    patch.setattr(Warden, "_hear", hear)


def waits_until_the_clock_is_there_again(patch: Patch) -> None:
    async def look(_: Righter) -> bool:
        return False

    patch.setattr(Righter, "look", look)


#: What is wrong, and the promises of which at least one has to be seen broken.
MUTATIONS: Final[Mapping[str, tuple[Callable[[Patch], Any], str]]] = {
    "as fast as it can": (as_fast_as_it_can, "Rate"),
    "probes are not counted": (probes_are_not_counted, "Rate"),
    "holds without a word": (holds_without_a_word, "Told"),
    "tells whom it is about": (tells_whom_it_is_about, "Told P3"),
    "forgets what is in hand": (forgets_what_is_in_hand, "P3 P7 Forget"),
    "forgets uncounted": (forgets_uncounted, "P7"),
    "bears it for ever": (bears_it_for_ever, "Days"),
    "a success changes nothing": (a_success_changes_nothing, "Days"),
    "waits until the clock is there again": (
        waits_until_the_clock_is_there_again,
        "P3 P4",
    ),
}
