"""Standings: how every destination stands, as the store, the configuration and a relay that runs know it.

Owns putting the three together, for whoever shows it. Draws nothing and changes nothing.
"""

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from relay.app.presence import look
from relay.app.stores import read_conditions
from relay.cli.common import load_settings
from relay.core.holding import Condition
from relay.core.standing import Standing, standing_of
from relay.settings import ConfigError, Place, Settings

__all__ = ["CLOSED", "Line", "hindered", "read_configuration", "read_lines"]

#: Nothing is sent to a destination that stands so, until a person does something.
CLOSED: Final = frozenset({"paused", "disabled", "orphaned", "gone"})
_HINDERED: Final = CLOSED | {"down"}


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One destination, and where it stands."""

    condition: Condition
    standing: Standing

    @property
    def is_closed(self) -> bool:
        """Whether nothing is sent there until a person does something."""
        return self.standing.state in CLOSED


async def read_lines(
    place: Place, settings: Settings | None, *, now: int
) -> list[Line]:
    """Every destination, as it stands at ``now``.

    Raises:
        MisconfiguredError: there is no store, or it cannot be read.
        StoreBusyError: it does not answer.
    """
    found = list(await read_conditions(place))
    if settings is None:
        return _lines(found, frozenset(), None, now)
    presence = await look(str(settings.operator.listen.reached()))
    # One that no relay has started with yet is not in the store.
    known = {one.name for one in found}
    found += [
        Condition(name=one.name, kind=one.kind)
        for one in settings.destinations
        if one.name not in known
    ]
    return _lines(found, presence.degraded, settings, now)


async def read_configuration(config: Path) -> Settings | None:
    """The whole configuration; None where a part of it that only `serve` needs cannot be used."""
    try:
        return await asyncio.to_thread(load_settings, config)
    except ConfigError:
        return None


def hindered(lines: Iterable[Line], names: Iterable[str]) -> list[Line]:
    """Those of these names that nothing can be sent to now."""
    meant = set(names)
    return [
        line
        for line in lines
        if line.condition.name in meant and line.standing.state in _HINDERED
    ]


def _lines(
    found: list[Condition], down: frozenset[str], settings: Settings | None, now: int
) -> list[Line]:
    configured = None
    limits: dict[str, int | None] = {}
    if settings is not None:
        configured = [one.name for one in settings.destinations]
        limits = {
            one.name: one.disable_after.us if one.disable_after else None
            for one in settings.destinations
        }
    return [
        Line(
            condition=one,
            standing=standing_of(
                one,
                configured=configured,
                down=down,
                disable_after=limits.get(one.name),
                now=now,
            ),
        )
        for one in found
    ]
