"""Checkup: every look at the world outside, side by side.

Owns which looks there are, in which order they are told, and that none takes longer than it may.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from relay.app.catalogs import build_catalog
from relay.app.checks.api import look_at_runs, look_at_token
from relay.app.checks.outgoing import look_at_destination
from relay.app.checks.store import look_at_relay, look_at_store
from relay.app.checks.way import look_at_way
from relay.app.presence import look
from relay.app.system import System
from relay.core.finding import Finding
from relay.settings import Settings

__all__ = ["LIMIT_S", "check_online"]

#: For one look, in seconds; a body of full size may have a slow way to go.
LIMIT_S: Final = 20.0
#: For whoever is beside us, in seconds: much is judged by whether a relay runs.
PRESENCE_S: Final = 3.0
#: So many at once: each may hold a connection or two, and a body.
AT_ONCE: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    check: str
    about: str
    work: Callable[[], Awaitable[Finding]]


async def check_online(
    settings: Settings,
    *,
    system: System,
    send: bool,
    limit_s: float = LIMIT_S,
) -> Sequence[Finding]:
    """Look at all that the settings name.

    Nothing is written anywhere; with ``send`` each HTTP endpoint and Kafka topic gets a test event.
    """
    address = str(settings.operator.listen.reached())
    presence = await look(address, limit_s=PRESENCE_S)
    looks = _looks(settings, system, send=send, runs_here=presence.answers)
    room = asyncio.Semaphore(AT_ONCE)
    async with asyncio.TaskGroup() as tasks:
        under_way = [tasks.create_task(_bounded(one, room, limit_s)) for one in looks]
    return [look_at_relay(presence), *(task.result() for task in under_way)]


def _looks(
    settings: Settings, system: System, *, send: bool, runs_here: bool
) -> list[_Look]:
    catalog = build_catalog(settings)
    looks = [_Look(check="store", about="", work=lambda: look_at_store(settings))]
    for number, source in enumerate(settings.sources):
        looks += [
            _Look(check="api", about=source.name, work=_later(look_at_token, source)),
            _Look(
                check="runs",
                about=source.name,
                work=_later(look_at_runs, source, settings.public.url),
            ),
        ]
        for channel in catalog.sources[source.name].channels.values():
            way = _later(
                look_at_way,
                source.name,
                channel,
                settings,
                system,
                # The ingress is one and the same for all.
                full_size=number == 0 and channel.origin == "callback",
                runs_here=runs_here,
            )
            looks.append(_Look(check="callbacks", about=source.name, work=way))
    for destination in settings.destinations:
        work = _later(look_at_destination, destination, settings, system, send=send)
        looks.append(_Look(check="destination", about=destination.name, work=work))
    return looks


def _later(
    work: Callable[..., Awaitable[Finding]], *things: object, **named: object
) -> Callable[[], Awaitable[Finding]]:
    return lambda: work(*things, **named)


async def _bounded(one: _Look, room: asyncio.Semaphore, limit_s: float) -> Finding:
    try:
        async with room, asyncio.timeout(limit_s):
            return await one.work()
    except TimeoutError:
        return Finding(
            check=one.check,
            about=one.about,
            result="failed",
            found=f"no answer within {limit_s:g} s",
            remedy="look for what swallows packets on the way: a firewall, a proxy, a service without pods",
        )
