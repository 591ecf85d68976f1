"""Quarantine: ``POST /api/v1/quarantine/replay`` has what lies there read once more.

Owns the path and what errors are there. What lies there is read from the store.
"""

from http import HTTPStatus
from typing import Final

import msgspec
from aiohttp import web

from relay.core.errors import RelayError
from relay.operate.actions.readmitting import BadDigestError, Order, Readmission
from relay.operate.actors import caller
from relay.operate.api.orders import read_order
from relay.operate.api.problems import problem

__all__ = ["PATH", "Quarantined"]

PATH: Final = "/api/v1/quarantine/replay"


class Quarantined:
    """The resource."""

    def __init__(self, readmission: Readmission) -> None:
        self._readmission = readmission

    def routes(self) -> list[web.RouteDef]:
        """What is served."""
        return [web.post(PATH, self._post)]

    async def _post(self, request: web.Request) -> web.StreamResponse:
        order = await read_order(request, Order)
        if not isinstance(order, Order):
            return order
        try:
            report = await self._readmission.readmit(order, by=caller(request))
        except BadDigestError as error:
            return problem(HTTPStatus.NOT_FOUND, "unknown-digest", str(error))
        except RelayError as error:
            status = HTTPStatus.SERVICE_UNAVAILABLE
            return problem(status, "store-unavailable", str(error))
        return web.Response(
            body=msgspec.json.encode(report), content_type="application/json"
        )
