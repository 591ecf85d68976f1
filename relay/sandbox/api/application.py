"""The application: every route, behind the token, the weather and the envelope of errors.

Owns the order in which a request passes them. What goes wrong with a call is decided by
`relay.sandbox.weather`; here it is done.
"""

import hmac
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from aiohttp import web

from relay.sandbox.api.answers import Refused, json_answer
from relay.sandbox.api.batches import Batches
from relay.sandbox.api.callbacks import Callbacks
from relay.sandbox.api.context import Context
from relay.sandbox.api.mishaps import meet, rate_headers
from relay.sandbox.api.openapi import document
from relay.sandbox.api.own import Own
from relay.sandbox.api.routes import Handler, Route
from relay.sandbox.api.runs import Runs
from relay.sandbox.book import BookFullError
from relay.sandbox.clock import pause
from relay.sandbox.orders import InvalidOrderError
from relay.sandbox.views.names import ORG
from relay.sandbox.weather import weather

__all__ = ["BODY_BYTES_MAX", "Api"]

#: The longest request body; the documents name none, media may be inline.
BODY_BYTES_MAX: Final = 8 * 1024 * 1024


class Api:
    """Answers the part of Runflow's API that the sandbox has."""

    def __init__(self, context: Context, *, token: str, version: str) -> None:
        self._context = context
        self._token = token.encode()
        describe: Callable[[], object] = lambda: document(  # noqa: E731
            self.routes, base=context.base, version=version
        )
        own = Own(context, token=token, describe=describe)
        self.routes: tuple[Route, ...] = (
            Route(
                method="GET",
                path="/",
                handler=self._about,
                what="What this is.",
                answer="About",
                guarded=False,
            ),
            *Runs(context).routes(),
            *Batches(context).routes(),
            *Callbacks(context).routes(),
            *own.routes(),
        )

    def application(self) -> web.Application:
        """The aiohttp application that serves it."""
        app = web.Application(
            middlewares=[_enveloped, self._authorised], client_max_size=BODY_BYTES_MAX
        )
        for route in self.routes:
            handler = self._weathered(route) if route.guarded else route.handler
            app.router.add_route(route.method, route.path, handler)
        return app

    @web.middleware
    async def _authorised(
        self, request: web.Request, handler: Handler
    ) -> web.StreamResponse:
        open_paths = {"/v1/health", "/v1/readiness"}
        if not request.path.startswith("/v1/") or request.path in open_paths:
            return await handler(request)
        kind, _, given = request.headers.get("Authorization", "").partition(" ")
        known = hmac.compare_digest(
            given.strip().encode(errors="surrogateescape"), self._token
        )
        if kind.lower() != "bearer" or not known:
            raise Refused(401, "UNAUTHORIZED", "A valid bearer token is required.")
        organisation = request.headers.get("X-Organization-Id")
        if organisation and organisation.lower() != ORG:
            text = "The key does not belong to this organisation."
            raise Refused(403, "ORGANIZATION_MEMBERSHIP_REQUIRED", text)
        return await handler(request)

    def _weathered(self, route: Route) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            faults = self._context.book.faults
            place, number = self._place(request, route)
            met = weather(self._context.book.seed, place, number, faults)
            if faults.api_slow_ms:
                await pause(faults.api_slow_ms / 1000)
            answer = await meet(met, request, route)
            if faults.retry_after == "with" and not answer.prepared:
                answer.headers.update(rate_headers())
            return answer

        return handle

    def _place(self, request: web.Request, route: Route) -> tuple[int | str, int]:
        """Whose dice decide of a call, and the how manieth it is of theirs."""
        asked = request.match_info.get("run_id") or request.match_info.get("id", "")
        run = self._context.book.run(asked)
        if run is not None:
            run.calls += 1
            self._context.book.note(run)
            return run.number, run.calls
        place = f"{route.method} {route.plain_path}"
        return place, self._context.book.call(place)

    async def _about(self, _request: web.Request) -> web.Response:
        return json_answer(
            {
                "name": "runflow sandbox",
                "what": "A local stand-in for the Runflow API: runs end by themselves,"
                " outcomes and faults follow from a seed, callbacks are signed and"
                " retried.",
                "routes": [
                    {"method": each.method, "path": each.plain_path, "what": each.what}
                    for each in self.routes
                ],
            }
        )


@web.middleware
async def _enveloped(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give every refusal the API's envelope, aiohttp's own (404, 405, 413) too."""
    try:
        return await handler(request)
    except Refused as refused:
        return refused.answer()
    except InvalidOrderError as error:
        return Refused(422, "VALIDATION_ERROR", f"{error}.", error.errors).answer()
    except BookFullError as error:
        return Refused(503, "SANDBOX_FULL", f"{error}; start another sandbox.").answer()
    except web.HTTPError as refusal:
        status = HTTPStatus(refusal.status)
        answer = Refused(status, status.name, f"{status.phrase}.").answer()
        if "Allow" in refusal.headers:
            answer.headers["Allow"] = refusal.headers["Allow"]
        return answer
