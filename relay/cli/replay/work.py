"""Work: an order is given, and watched until everything has had its try.

Owns who is given the order, how often it is looked, and what counts as done. Draws nothing itself.
"""

import asyncio
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import typer

from relay.app.catalogs import build_catalog
from relay.app.presence import look
from relay.app.replays import letters_of, replaying_of
from relay.app.system import System
from relay.cli.common import DONE, PARTLY, load_settings
from relay.cli.orders import carry_out
from relay.cli.replay.bars import Bars
from relay.cli.replay.show import outcome_lines
from relay.cli.standings import Line, hindered, read_configuration, read_lines
from relay.core.catalog import Current
from relay.core.deadletter import Standing
from relay.core.replay import ReplayState
from relay.operate.actions.replaying import Cancelled, Order, Ordered, Replaying
from relay.operate.actors import login
from relay.operate.api.replays import PATH, Nothing, cancel_path
from relay.record.grouped import GroupedStore
from relay.settings import Place, Settings

__all__ = ["Work", "call_off"]

#: How often it is looked, in seconds.
LOOK_S: Final = 0.5
#: For so long nothing may happen before it is asked whether a relay is there at all, and before it is held
#: that a destination which is closed keeps the rest from being made.
PATIENCE_S: Final = 5.0
#: For so long one that does not answer is waited for: it is probed, and may be back at once.
PROBED_S: Final = 60.0
#: For so long an order that is under way is waited for, by whoever wants to leave.
ANSWER_S: Final = 2.0
#: How often it is looked how destinations stand, while nothing happens.
STANDING_S: Final = 2.0


class Work:
    """One order, and what is known of it."""

    def __init__(self, place: Place, config: Path, *, quiet: bool) -> None:
        self.place = place
        self.config = config
        self.quiet = quiet
        self.ordered = Ordered(replays=(), found=0)
        #: Whether nothing runs that would work at it.
        self.is_alone = False
        self.interrupted = False
        self.orders: Sequence[Standing] = ()
        #: Destinations of it that nothing can be sent to now.
        self.hindered: Sequence[Line] = ()

    async def run(self, order: Order, *, waits: bool) -> None:
        """Give the order, and watch it until there is nothing more to see, or somebody has had enough.

        Raises:
            MisconfiguredError: it cannot be meant.
            RelayError: it was refused, or did not work.
        """
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        if task is not None:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, self._leave, task)
        try:
            await _give(self, order)
            await self._follow(waits=waits and not self.interrupted)
        except asyncio.CancelledError:
            self.interrupted = True

    def _leave(self, task: asyncio.Task[object]) -> None:
        """Somebody has had enough. Nobody leaves without knowing whether it was ordered, if that can be heard soon."""
        self.interrupted = True
        if self.ordered.replays:
            task.cancel()
        else:
            asyncio.get_running_loop().call_later(ANSWER_S, task.cancel)

    async def _follow(self, *, waits: bool) -> None:
        if not self.ordered.replays:
            return
        if self.is_alone or not waits:
            await self.look_where()
            return
        with Bars(shown=not self.quiet) as bars:
            await self._watch(bars)

    async def _watch(self, bars: Bars) -> None:
        loop = asyncio.get_running_loop()
        moved_at = asked_at = loop.time()
        seen_at = -STANDING_S
        while True:
            before = self.orders
            await self.look()
            now = loop.time()
            if self.orders != before:
                moved_at = asked_at = now
            if now - seen_at >= STANDING_S:
                seen_at = now
                await self.look_where()
            bars.draw(self.orders, [str(one.standing.advice) for one in self.hindered])
            if self._is_over(still_s=now - moved_at):
                return
            if now - asked_at >= PATIENCE_S:
                asked_at = now
                self.is_alone = not await self._is_served()
                if self.is_alone:
                    return
            await _pause(LOOK_S)

    def _is_over(self, *, still_s: float) -> bool:
        """Whether nothing more is to be seen: all had its try, or what has not cannot have it now."""
        hindered = {one.condition.name: one for one in self.hindered}
        return all(
            order.is_settled or _is_stuck(order, hindered.get(order.target), still_s)
            for order in self.orders
        )

    async def look(self) -> None:
        """See how it stands."""
        letters = letters_of(self.place)
        self.orders = [
            (await letters.orders(number))[0] for number in self.ordered.replays
        ]

    async def look_where(self) -> None:
        """See which of its destinations nothing can be sent to."""
        settings = await read_configuration(self.config)
        now = System.real().clock.now_us()
        lines = await read_lines(self.place, settings, now=now)
        open_ones = [one.target for one in self.orders if not one.is_settled]
        self.hindered = hindered(lines, open_ones)

    async def _is_served(self) -> bool:
        settings = await asyncio.to_thread(load_settings, self.config)
        return (await look(str(settings.operator.listen.reached()))).answers

    def code(self, *, waited: bool) -> int:
        """The exit code."""
        if not self.ordered.replays:
            return PARTLY if self.interrupted else DONE
        if not waited:
            return DONE
        whole = all(
            order.is_settled and order.delivered == order.created
            for order in self.orders
        )
        return DONE if self.orders and whole else PARTLY

    def tell(self) -> None:
        """Say what it came to."""
        if self.interrupted and not self.ordered.replays:
            typer.echo("Whether it was ordered was not heard: relay replay --status")
            return
        for line in outcome_lines(
            self.ordered.replays,
            self.orders,
            alone=self.is_alone,
            interrupted=self.interrupted,
            hindered=self.hindered,
        ):
            typer.echo(line)


def _is_stuck(order: Standing, where: Line | None, still_s: float) -> bool:
    if where is None:
        return False
    if not where.is_closed:
        return still_s >= PROBED_S
    # So many may wait there that no more are made.
    return order.state is not ReplayState.RUNNING or still_s >= PATIENCE_S


async def _pause(seconds: float) -> None:
    """Let time pass."""
    try:
        async with asyncio.timeout(seconds):
            await asyncio.get_running_loop().create_future()
    except TimeoutError:
        pass


async def _give(work: Work, order: Order) -> None:
    """Have it ordered, by the relay that serves the store or here."""

    async def alone(settings: Settings, store: GroupedStore) -> Ordered:
        work.is_alone = work.place.store.file is not None
        # A destination that is new in the configuration has to be known to the store.
        await store.register([(one.name, one.kind) for one in settings.destinations])
        return await _here(settings, store).order(order, by=login())

    async def settings() -> Settings:
        return await asyncio.to_thread(load_settings, work.config)

    work.ordered = await carry_out(
        work.place, PATH, order, Ordered, settings=settings, alone=alone
    )
    if work.ordered.replays:
        await work.look()


async def call_off(place: Place, config: Path, number: int) -> None:
    """Have an order called off, by the relay that serves the store or here.

    Raises:
        RelayError: it is not under way, or it did not work.
    """

    async def alone(settings: Settings, store: GroupedStore) -> Cancelled:
        return await _here(settings, store).cancel(number, by=login())

    async def settings() -> Settings:
        return await asyncio.to_thread(load_settings, config)

    await carry_out(
        place,
        cancel_path(number),
        Nothing(),
        Cancelled,
        settings=settings,
        alone=alone,
    )


def _here(settings: Settings, store: GroupedStore) -> Replaying:
    return replaying_of(
        settings,
        store,
        Current(build_catalog(settings)),
        lambda: None,
        clock=System.real().clock,
    )
