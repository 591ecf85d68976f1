"""Holding by hand: a destination is paused, goes on, or is forgotten.

Owns the verbs: what may be ordered of which destination, who is written down for it, and what is told of it.
What a hold is, is the core's; this must not know who asks, or who listens.
"""

from collections.abc import Awaitable, Callable, Collection
from typing import Final, Literal

import msgspec

from relay.core.audit import Entry
from relay.core.errors import RelayError
from relay.core.holding import Change, Condition, Hold, Posts
from relay.core.ports import Clock

__all__ = [
    "REASON_MAX",
    "ConfiguredError",
    "Holding",
    "Order",
    "Report",
    "UnknownDestinationError",
    "Verb",
]

Verb = Literal["pause", "resume"]

#: Deliveries that die in one commit, when a destination is forgotten.
STEP: Final = 256

#: Characters of the reason that are kept.
REASON_MAX: Final = 200


class UnknownDestinationError(RelayError):
    """Neither the configuration nor the store has a destination of this name."""


class ConfiguredError(RelayError):
    """The configuration has it: what waits for it is not given up."""


class Order(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is asked for, of the destination that the path names."""

    #: Why, in a person's words.
    reason: str = ""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What an order has come to."""

    destination: str
    verb: str
    #: Whether anything is other than it was.
    changed: bool
    #: Whether the configuration has it.
    configured: bool
    before: Hold | None
    hold: Hold | None
    #: Deliveries that are not settled, those included that are still to be made.
    open: int
    behind: int
    #: Deliveries that were given up by this order.
    forgotten: int = 0


class Holding:
    """Holds and lets go."""

    def __init__(
        self,
        posts: Posts,
        *,
        configured: Callable[[], Collection[str]],
        clock: Clock,
        changed: Callable[[], Awaitable[None]],
    ) -> None:
        """``configured`` names the destinations in force; ``changed`` makes a change known here at once."""
        self._posts = posts
        self._configured = configured
        self._clock = clock
        self._changed = changed

    async def pause(self, name: str, order: Order, *, actor: str) -> Report:
        """Send nothing to a destination; what holds it already stays.

        Raises:
            UnknownDestinationError: nobody knows it.
            StoreBusyError: not now.
        """
        return await self._change("pause", name, order, actor)

    async def resume(self, name: str, order: Order, *, actor: str) -> Report:
        """End whatever holds a destination.

        Raises:
            UnknownDestinationError: nobody knows it.
            StoreBusyError: not now.
        """
        return await self._change("resume", name, order, actor)

    async def _change(self, verb: Verb, name: str, order: Order, actor: str) -> Report:
        now, reason = self._clock.now_us(), order.reason.strip()[:REASON_MAX]
        hold = Hold(kind="paused", reason=reason, by=actor, since=now)
        found = await self._posts.change(
            Change(
                destination=name,
                hold=hold if verb == "pause" else None,
                entry=Entry(
                    at=now,
                    actor=actor,
                    verb=f"destinations {verb}",
                    subject=name,
                    detail=reason,
                ),
            )
        )
        if found is None:
            raise await self._unknown(name)
        await self._changed()
        condition = await self._condition(name)
        return Report(
            destination=name,
            verb=verb,
            changed=found.is_news,
            configured=name in self._configured(),
            before=found.before,
            hold=found.after,
            open=condition.open,
            behind=condition.behind,
        )

    async def forget(self, name: str, order: Order, *, actor: str) -> Report:
        """Let all that waits for a destination die that the configuration does not have, in small steps.

        What another relay has in its hands stays open, and is told as such. Broken off, it is done in part;
        the next one goes on with it.

        Raises:
            UnknownDestinationError: the store has none of this name.
            ConfiguredError: the configuration has it.
            StoreFullError: it is behind, and there is no room for a step; what was done stays done.
            StoreBusyError: not now; what was done stays done.
        """
        if name in self._configured():
            raise ConfiguredError(
                f"{name} is in the configuration, and what waits for it is on its way; to stop that:"
                f" relay destinations pause {name}"
            )
        before = await self._condition(name)
        entry = Entry(
            at=self._clock.now_us(),
            actor=actor,
            verb="destinations forget",
            subject=name,
            detail=order.reason.strip()[:REASON_MAX],
        )
        forgotten = await self._give_up(name, entry)
        # What it is behind with has no deliveries that could die. Each step's die before the next is made:
        # they are behind because there must not be more of them.
        while await self._posts.fill(name, limit=STEP):
            forgotten += await self._give_up(name)
        forgotten += await self._give_up(name)
        condition = await self._condition(name)
        return Report(
            destination=name,
            verb="forget",
            changed=forgotten > 0 or before.behind_from is not None,
            configured=False,
            before=before.hold,
            hold=condition.hold,
            open=condition.open,
            behind=condition.behind,
            forgotten=forgotten,
        )

    async def _give_up(self, name: str, entry: Entry | None = None) -> int:
        """Let die what is there; gives how many. The first commit writes the entry down."""
        total = 0
        while count := await self._posts.abandon(name, limit=STEP, entry=entry):
            total, entry = total + count, None
        return total

    async def _condition(self, name: str) -> Condition:
        for one in await self._posts.conditions():
            if one.name == name:
                return one
        raise await self._unknown(name)

    async def _unknown(self, name: str) -> UnknownDestinationError:
        known = {one.name for one in await self._posts.conditions()}
        names = ", ".join(sorted(known | set(self._configured()))) or "none"
        return UnknownDestinationError(
            f"there is no destination {name!r} (there are: {names})"
        )
