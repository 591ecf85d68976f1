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
from relay.cli.replay.show import Bars, outcome_lines
from relay.core.catalog import Current
from relay.core.deadletter import Standing
from relay.operate.actions.replaying import Cancelled, Order, Ordered, Replaying
from relay.operate.actors import login
from relay.operate.api.replays import PATH, Nothing, cancel_path
from relay.record.grouped import GroupedStore
from relay.settings import Place, Settings

__all__ = ["Work", "call_off", "give"]

#: How often it is looked, in seconds.
LOOK_S: Final = 0.5
#: For so long nothing may happen before it is asked whether a relay is there at all.
PATIENCE_S: Final = 5.0


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

    async def follow(self) -> None:
        """Watch until everything has had its try, or nobody works at it, or somebody has had enough."""
        if self.is_alone or not self.ordered.replays:
            return
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        if task is not None:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, task.cancel)
        try:
            with Bars(shown=not self.quiet) as bars:
                await self._watch(bars)
        except asyncio.CancelledError:
            self.interrupted = True

    async def _watch(self, bars: Bars) -> None:
        loop = asyncio.get_running_loop()
        moved_at = loop.time()
        while True:
            before = self.orders
            await self.look()
            bars.draw(self.orders)
            if all(order.is_settled for order in self.orders):
                return
            if self.orders != before:
                moved_at = loop.time()
            elif loop.time() - moved_at >= PATIENCE_S:
                moved_at = loop.time()
                self.is_alone = not await self._is_served()
                if self.is_alone:
                    return
            await _pause(LOOK_S)

    async def look(self) -> None:
        """See how it stands."""
        letters = letters_of(self.place)
        self.orders = [
            (await letters.orders(number))[0] for number in self.ordered.replays
        ]

    async def _is_served(self) -> bool:
        settings = await asyncio.to_thread(load_settings, self.config)
        return (await look(str(settings.operator.listen.reached()))).answers

    def code(self, *, waited: bool) -> int:
        """The exit code."""
        if not waited or not self.ordered.replays:
            return DONE
        whole = all(
            order.is_settled and order.delivered == order.created
            for order in self.orders
        )
        return DONE if self.orders and whole else PARTLY

    def tell(self) -> None:
        """Say what it came to."""
        for line in outcome_lines(
            self.ordered.replays,
            self.orders,
            alone=self.is_alone,
            interrupted=self.interrupted,
        ):
            typer.echo(line)


async def _pause(seconds: float) -> None:
    """Let time pass."""
    try:
        async with asyncio.timeout(seconds):
            await asyncio.get_running_loop().create_future()
    except TimeoutError:
        pass


async def give(work: Work, order: Order) -> None:
    """Have it ordered, by the relay that serves the store or here.

    Raises:
        MisconfiguredError: it cannot be meant.
        RelayError: it was refused, or did not work.
    """

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
