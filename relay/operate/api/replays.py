"""Replays: ``POST /api/v1/replays`` orders some, ``POST /api/v1/replays/{number}/cancel`` calls one off.

Owns the paths and what errors are there. How an order goes on is read from the store.
"""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final

import msgspec
from aiohttp import web

from relay.core.deadletter import UnknownNameError
from relay.core.errors import RelayError
from relay.core.replay import TooManyRunningError
from relay.operate.actions.replaying import (
    BadOrderError,
    NotRunningError,
    Order,
    Replaying,
)
from relay.operate.actors import caller
from relay.operate.api.orders import read_order
from relay.operate.api.problems import problem

__all__ = ["PATH", "Nothing", "Replays", "cancel_path"]

PATH: Final = "/api/v1/replays"
#: As many ids as an order may name, each as long as a `client_ref` may be, have room in it.
BODY_BYTES_MAX: Final = 1024 * 1024


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An order that has nothing to say beyond where it is sent."""


def cancel_path(number: int | str) -> str:
    """Where an order is called off."""
    return f"{PATH}/{number}/cancel"


class Replays:
    """The resource."""

    def __init__(self, replaying: Replaying) -> None:
        self._replaying = replaying

    def routes(self) -> list[web.RouteDef]:
        """What is served."""
        return [
            web.post(PATH, self._order),
            web.post(cancel_path(r"{number:-?[0-9]{1,40}}"), self._cancel),
        ]

    async def _order(self, request: web.Request) -> web.StreamResponse:
        order = await read_order(request, Order, most=BODY_BYTES_MAX)
        if not isinstance(order, Order):
            return order
        by = caller(request)
        return await _answered(lambda: self._replaying.order(order, by=by))

    async def _cancel(self, request: web.Request) -> web.StreamResponse:
        number, by = int(request.match_info["number"]), caller(request)
        return await _answered(lambda: self._replaying.cancel(number, by=by))


async def _answered(work: Callable[[], Awaitable[msgspec.Struct]]) -> web.Response:
    """What was done, as JSON, or why it was not."""
    try:
        report = await work()
    except BadOrderError as error:
        return problem(HTTPStatus.BAD_REQUEST, "bad-order", str(error))
    except UnknownNameError as error:
        return problem(HTTPStatus.NOT_FOUND, "unknown-name", str(error))
    except NotRunningError as error:
        return problem(HTTPStatus.CONFLICT, "replay-not-running", str(error))
    except TooManyRunningError as error:
        return problem(HTTPStatus.CONFLICT, "too-many-replays", str(error))
    except RelayError as error:
        return problem(HTTPStatus.SERVICE_UNAVAILABLE, "store-unavailable", str(error))
    return web.Response(
        body=msgspec.json.encode(report), content_type="application/json"
    )
