"""The sandbox's HTTP face: routes, authentication, error envelopes.

Owns which path answers what. Turns requests into calls on the `Book` and its runs into
JSON; how a run lives and how its callback is sent is not known here.
"""

import hmac
from collections.abc import Awaitable, Callable
from datetime import datetime
from http import HTTPStatus
from typing import Final

from aiohttp import web

from relay.sandbox import views
from relay.sandbox.orders import InvalidOrderError, read_order
from relay.sandbox.state import Book, BookFullError, Run
from relay.sandbox.wire import dump

__all__ = ["BODY_BYTES_MAX", "Api"]

#: The longest request body; the documents name none, media may be inline.
BODY_BYTES_MAX: Final = 8 * 1024 * 1024

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Api:
    """Answers the part of Runflow's API that the sandbox has."""

    def __init__(
        self,
        *,
        book: Book,
        token: str,
        signed: bool,
        tries_max: int,
        launch: Callable[[Run], None],
        now: Callable[[], datetime],
    ) -> None:
        self._book = book
        self._token = token.encode()
        self._signed = signed
        self._tries_max = tries_max
        self._launch = launch
        self._now = now
        self._routes = (
            ("GET", "/", self._about, "what this is"),
            ("GET", "/v1/health", self._health, "whether it is up"),
            (
                "POST",
                "/v1/models/{owner}/{slug:.+}/runs",
                self._create,
                "create and dispatch a run on a model (any model)",
            ),
            ("GET", "/v1/runs/{id}", self._get, "one run"),
            (
                "GET",
                "/v1/runs/{id}/callback",
                self._history,
                "the run's callback deliveries and their attempts",
            ),
            (
                "GET",
                "/sandbox/runs",
                self._truth,
                "what is true of every run, to compare with (no token; not Runflow's)",
            ),
        )

    def application(self) -> web.Application:
        """The aiohttp application that serves it."""
        app = web.Application(
            middlewares=[_enveloped, self._authorised], client_max_size=BODY_BYTES_MAX
        )
        for method, path, handler, _ in self._routes:
            app.router.add_route(method, path, handler)
        return app

    @web.middleware
    async def _authorised(
        self, request: web.Request, handler: _Handler
    ) -> web.StreamResponse:
        if not request.path.startswith("/v1/") or request.path == "/v1/health":
            return await handler(request)
        kind, _, given = request.headers.get("Authorization", "").partition(" ")
        known = hmac.compare_digest(
            given.strip().encode(errors="surrogateescape"), self._token
        )
        if kind.lower() != "bearer" or not known:
            return _error(401, "UNAUTHORIZED", "A valid bearer token is required.")
        return await handler(request)

    async def _about(self, _request: web.Request) -> web.Response:
        return _json(
            {
                "name": "runflow sandbox",
                "what": "A local stand-in for the Runflow API: runs end by themselves,"
                " outcomes and faults follow from a seed, callbacks are signed and"
                " retried.",
                "routes": [
                    {"method": method, "path": path.replace(":.+", ""), "what": what}
                    for method, path, _, what in self._routes
                ],
            }
        )

    async def _health(self, _request: web.Request) -> web.Response:
        return _json({"status": "ok"})

    async def _create(self, request: web.Request) -> web.Response:
        body = await request.read()
        model = f"{request.match_info['owner']}/{request.match_info['slug']}"
        try:
            run = self._book.open(read_order(body), model=model, at=self._now())
        except InvalidOrderError as error:
            return _json(
                views.error("VALIDATION_ERROR", f"{error}.", error.errors), 422
            )
        except BookFullError as error:
            return _error(503, "SANDBOX_FULL", f"{error}; start another sandbox.")
        answer = _json(views.run_created(run), 201)
        self._launch(run)
        return answer

    async def _get(self, request: web.Request) -> web.Response:
        run = self._book.find(request.match_info["id"])
        return _unknown_run() if run is None else _json(views.run_detail(run))

    async def _history(self, request: web.Request) -> web.Response:
        run = self._book.find(request.match_info["id"])
        if run is None:
            return _unknown_run()
        return _json(
            [
                views.delivery(
                    run, sent, tries_max=self._tries_max, signed=self._signed
                )
                for sent in run.deliveries
            ]
        )

    async def _truth(self, _request: web.Request) -> web.Response:
        return _json({"items": [views.truth(told) for told in self._book.truths()]})


@web.middleware
async def _enveloped(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """Give aiohttp's own refusals (404, 405, 413) the API's envelope."""
    try:
        return await handler(request)
    except web.HTTPError as refusal:
        status = HTTPStatus(refusal.status)
        answer = _error(status, status.name, f"{status.phrase}.")
        if "Allow" in refusal.headers:
            answer.headers["Allow"] = refusal.headers["Allow"]
        return answer


def _json(value: object, status: int = 200) -> web.Response:
    return web.Response(
        text=dump(value), status=status, content_type="application/json"
    )


def _error(status: int, code: str, message: str) -> web.Response:
    return _json(views.error(code, message), status)


def _unknown_run() -> web.Response:
    return _error(404, "RUN_NOT_FOUND", "No run has this id.")
