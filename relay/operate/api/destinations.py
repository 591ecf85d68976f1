"""Destinations: ``POST /api/v1/destinations/{name}/pause|resume|forget``.

Owns the paths and what errors are there.
"""

from collections.abc import Awaitable
from functools import partial
from http import HTTPStatus
from typing import Final, Protocol

import msgspec
from aiohttp import web

from relay.core.errors import RelayError
from relay.operate.actions.holding import (
    ConfiguredError,
    Holding,
    Order,
    Report,
    UnknownDestinationError,
)
from relay.operate.actors import caller
from relay.operate.api.orders import read_order
from relay.operate.api.problems import problem

__all__ = ["Destinations", "path_of"]

_PATH: Final = "/api/v1/destinations"


class _Verb(Protocol):
    async def __call__(self, name: str, order: Order, *, actor: str) -> Report: ...


def path_of(name: str, verb: str) -> str:
    """Where something is done to a destination."""
    return f"{_PATH}/{name}/{verb}"


class Destinations:
    """The resource."""

    def __init__(self, holding: Holding) -> None:
        self._verbs: dict[str, _Verb] = {
            "pause": holding.pause,
            "resume": holding.resume,
            "forget": holding.forget,
        }

    def routes(self) -> list[web.RouteDef]:
        """What is served."""
        return [
            web.post(path_of("{name}", name), partial(self._post, verb))
            for name, verb in self._verbs.items()
        ]

    async def _post(self, verb: _Verb, request: web.Request) -> web.StreamResponse:
        order = await read_order(request, Order)
        if not isinstance(order, Order):
            return order
        name, actor = request.match_info["name"], caller(request)
        return await _answered(verb(name, order, actor=actor))


async def _answered(work: Awaitable[Report]) -> web.Response:
    """What was done, as JSON, or why it was not."""
    try:
        report = await work
    except UnknownDestinationError as error:
        return problem(HTTPStatus.NOT_FOUND, "unknown-destination", str(error))
    except ConfiguredError as error:
        return problem(HTTPStatus.BAD_REQUEST, "destination-configured", str(error))
    except RelayError as error:
        return problem(HTTPStatus.SERVICE_UNAVAILABLE, "store-unavailable", str(error))
    return web.Response(
        body=msgspec.json.encode(report), content_type="application/json"
    )
