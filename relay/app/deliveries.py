"""Deliveries: the senders and couriers of the destinations in force.

Owns hiring them, letting them go, and replacing those whose settings have changed while all others work
on. Knows nothing of what comes in.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from relay.app.destinations import build_courier, build_sender, health_policy
from relay.app.system import System
from relay.core.errors import RelayError
from relay.core.health import HealthPolicy
from relay.core.holding import Posts
from relay.core.ports import Executor, Metrics, Outbox, Sender
from relay.deliver.dispatch import Dispatch
from relay.deliver.warden import Warden
from relay.deliver.worker import Courier
from relay.settings import Destination, Settings
from relay.supervise import Supervisor, Worker

__all__ = ["Deliveries"]

log: Final = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Post:
    """One destination as it is served."""

    destination: Destination
    sender: Sender
    courier: Courier


class Deliveries:
    """Serves destinations, each by a courier that the supervisor keeps alive."""

    def __init__(
        self,
        *,
        outbox: Outbox,
        system: System,
        metrics: Metrics,
        supervisor: Supervisor,
        dispatch: Dispatch,
        posts: Posts,
        look_s: float,
        backlog: int,
        thread: Callable[[str], Executor],
        barrier: Callable[[], Awaitable[None]],
    ) -> None:
        """``barrier`` returns when every commit that was under way has ended.

        ``look_s`` are the seconds between two looks at who is held, ``backlog`` the deliveries that one
        destination may have open.
        """
        self._barrier = barrier
        self._outbox = outbox
        self._system = system
        self._metrics = metrics
        self._supervisor = supervisor
        self._dispatch = dispatch
        self.warden = Warden(
            posts,
            dispatch,
            clock=system.clock,
            metrics=metrics,
            every_s=look_s,
            backlog=backlog,
        )
        self._thread = thread
        self._posts: dict[str, _Post] = {}

    @property
    def workers(self) -> Sequence[str]:
        """The names under which couriers work."""
        return [_worker(name) for name in self._posts]

    async def open(self, settings: Settings) -> None:
        """Make every sender and courier; nothing is sent yet.

        Raises:
            MisconfiguredError: a destination cannot work as configured.
        """
        await self._appoint(settings)
        for destination in settings.destinations:
            self._posts[destination.name] = await self._hire(destination, settings)

    def employ(self) -> None:
        """Let them work, and take parcels from the commits."""
        warden = self.warden
        self._supervisor.start(Worker("holds", warden.run, warden.stop))
        self._dispatch.employ([post.courier for post in self._posts.values()])
        for post in self._posts.values():
            self._start(post)

    async def replace(self, settings: Settings, *, within_s: float) -> None:
        """Serve these destinations from now on; what stays as it was is not disturbed.

        What leaves ends what it has under way, ``within_s`` seconds at the most, and gives the rest
        back to the store: nothing is lost between the old courier and the new one.
        """
        wanted = {one.name: one for one in settings.destinations}
        before = self._posts
        await self._appoint(settings)
        leaving = {
            name: post
            for name, post in before.items()
            if wanted.get(name) != post.destination
        }
        self._posts = {name: p for name, p in before.items() if name not in leaving}
        self._dispatch.employ([post.courier for post in self._posts.values()])
        await self._let_go(leaving, within_s=within_s)
        for name, destination in wanted.items():
            if name not in self._posts:
                post = await self._hire_or_keep(
                    destination, leaving.get(name), settings
                )
                if post is not None:
                    self._posts[name] = post
        self._dispatch.employ([post.courier for post in self._posts.values()])
        for name, post in self._posts.items():
            if before.get(name) is not post:
                self._start(post)

    async def _appoint(self, settings: Settings) -> None:
        """Know who is held before anything is sent there."""
        self.warden.appoint(self._policies(settings))
        await self.warden.look()

    def _policies(self, settings: Settings) -> Mapping[str, HealthPolicy]:
        return {one.name: health_policy(one) for one in settings.destinations}

    async def close(self) -> None:
        """Close every sender, all at once: one that is slow takes no time from the others."""
        await _close([post.sender for post in self._posts.values()])

    async def _let_go(self, posts: Mapping[str, _Post], *, within_s: float) -> None:
        # A commit under way may still hand them what it leased.
        await self._barrier()
        await self._supervisor.stop([_worker(n) for n in posts], within_s=within_s)
        for post in posts.values():
            await post.courier.leave()
        await _close([post.sender for post in posts.values()])

    async def _hire(self, destination: Destination, settings: Settings) -> _Post:
        sender = await build_sender(
            destination, settings=settings, system=self._system, executor=self._thread
        )
        courier = build_courier(
            destination,
            sender=sender,
            outbox=self._outbox,
            settings=settings,
            system=self._system,
            metrics=self._metrics,
            told=self.warden.ear(destination.name),
        )
        return _Post(destination, sender, courier)

    async def _hire_or_keep(
        self, destination: Destination, old: _Post | None, settings: Settings
    ) -> _Post | None:
        """What cannot work as it is now configured goes on as before; deliveries wait in the store."""
        for setting in (destination, *([old.destination] if old else [])):
            try:
                return await self._hire(setting, settings)
            except RelayError as error:
                why = str(error)
            log.error("destination.refused", destination=setting.name, why=why)
        return None

    def _start(self, post: _Post) -> None:
        courier = post.courier
        self._supervisor.start(Worker(_worker(courier.name), courier.run, courier.stop))


async def _close(senders: Sequence[Sender]) -> None:
    ends = await asyncio.gather(
        *(sender.close() for sender in senders), return_exceptions=True
    )
    for end in ends:
        if isinstance(end, Exception):
            log.error("sender.unclosed", exc_info=end)


def _worker(destination: str) -> str:
    return f"deliver.{destination}"
