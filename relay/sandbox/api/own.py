"""What is the sandbox's own: the truth, the faults, waiting; and health, the key check, the files of links.

Owns ``/sandbox/…``, which needs no token: it is for the person at this machine. The body of ``/v1/auth/me`` is
not documented and ours.
"""

import asyncio
import dataclasses
from collections.abc import Callable

import msgspec
from aiohttp import web

from relay.sandbox.api.answers import Refused, json_answer, refuse
from relay.sandbox.api.context import Context
from relay.sandbox.api.routes import Param, Route
from relay.sandbox.faults import InvalidFaultsError
from relay.sandbox.links import ASSETS, admits, content
from relay.sandbox.orders import InvalidOrderError
from relay.sandbox.truth import truth_of, truth_of_batch
from relay.sandbox.views.names import ORG, PERSON
from relay.sandbox.wire import Raw

__all__ = ["Own"]

#: How long a caller may wait until all is over, in seconds, and does so unless told otherwise.
SETTLE_S_MAX, SETTLE_S = 600.0, 60.0
_SCOPES = (
    *("runs:create", "runs:read", "runs:execute", "evaluations:read"),
    *("callback-secrets:create", "callback-secrets:read", "callback-secrets:edit"),
)

_WAIT = Param(
    name="timeout_s",
    what="For how long at most; 60 seconds where it is left out.",
    schema={"type": "number", "minimum": 0, "maximum": SETTLE_S_MAX},
)


class Own:
    """Answers what Runflow does not, and what needs no run."""

    def __init__(
        self, context: Context, *, token: str, describe: Callable[[], object]
    ) -> None:
        self._context = context
        self._token = token
        self._describe = describe

    def routes(self) -> tuple[Route, ...]:
        """What it answers."""
        return (*self._public(), *self._control())

    def _public(self) -> tuple[Route, ...]:
        return (
            Route(
                method="GET",
                path="/v1/health",
                handler=self.health,
                what="Whether it is up.",
                answer="Health",
                guarded=False,
            ),
            Route(
                method="GET",
                path="/v1/readiness",
                handler=self.health,
                what="Whether it can work.",
                answer="Health",
                guarded=False,
            ),
            Route(
                method="GET",
                path="/v1/auth/me",
                handler=self.me,
                what="Whose key this is.",
                answer="Me",
            ),
            Route(
                method="GET",
                path="/openapi.json",
                handler=self.openapi,
                what="This document.",
                answer="Document",
                guarded=False,
            ),
            Route(
                method="GET",
                path=ASSETS + "{path:.+}",
                handler=self.asset,
                what="A file of an output, while its link lives.",
                answer="File",
                guarded=False,
            ),
        )

    def _control(self) -> tuple[Route, ...]:
        return (
            Route(
                method="GET",
                path="/sandbox/runs",
                handler=self.truth,
                what="What is true of every run, to compare with.",
                answer="Truth",
                many="page",
                guarded=False,
            ),
            Route(
                method="GET",
                path="/sandbox/batches",
                handler=self.batch_truth,
                what="What is true of every batch, to compare with.",
                answer="BatchTruth",
                many="page",
                guarded=False,
            ),
            Route(
                method="GET",
                path="/sandbox/faults",
                handler=self.faults,
                what="What goes wrong now.",
                answer="Faults",
                guarded=False,
            ),
            Route(
                method="PATCH",
                path="/sandbox/faults",
                handler=self.change_faults,
                what="Change what goes wrong from now on.",
                answer="Faults",
                body="Faults",
                guarded=False,
            ),
            Route(
                method="POST",
                path="/sandbox/settle",
                handler=self.settle,
                what="Wait until every run is over and every callback is heard or given up.",
                answer="Settled",
                params=(_WAIT,),
                guarded=False,
            ),
        )

    async def health(self, _request: web.Request) -> web.Response:
        """It is up."""
        return json_answer({"status": "ok"})

    async def me(self, _request: web.Request) -> web.Response:
        """The one key there is."""
        return json_answer(
            {
                "id": PERSON,
                "org_id": ORG,
                "key_prefix": self._token[:10],
                "scopes": list(_SCOPES),
            }
        )

    async def openapi(self, _request: web.Request) -> web.Response:
        """The OpenAPI document."""
        return json_answer(self._describe())

    async def asset(self, request: web.Request) -> web.Response:
        """A file, as a store of objects gives it: 403 once the link has expired."""
        path = request.match_info["path"]
        found = content(path)
        if not admits(path, request.query, self._context.now()) or found is None:
            raise Refused(
                403, "PERMISSION_DENIED", "The link has expired or is not ours."
            )
        return web.Response(body=found[1], content_type=found[0])

    async def truth(self, _request: web.Request) -> web.Response:
        """Every run."""
        told = (
            truth_of(run, base=self._context.base) for run in self._context.book.runs
        )
        items = []
        for each in told:
            output = None if each.output is None else Raw(each.output)
            items.append(dataclasses.asdict(each) | {"output": output})
        return json_answer({"items": items})

    async def batch_truth(self, _request: web.Request) -> web.Response:
        """Every batch."""
        told = map(truth_of_batch, self._context.book.batches)
        return json_answer({"items": [dataclasses.asdict(each) for each in told]})

    async def faults(self, _request: web.Request) -> web.Response:
        """As they are."""
        return json_answer(dataclasses.asdict(self._context.book.faults))

    async def change_faults(self, request: web.Request) -> web.Response:
        """From now on; runs that were created before keep their fate."""
        book = self._context.book
        try:
            given = msgspec.json.decode(await request.read(), type=dict[str, object])
            book.faults = book.faults.changed(given)
        except (msgspec.DecodeError, RecursionError) as error:
            raise refuse("body", f"not a JSON object: {error}") from None
        except InvalidFaultsError as error:
            raise InvalidOrderError(error.errors) from None
        book.note_settings()
        await book.kept()
        return await self.faults(request)

    async def settle(self, request: web.Request) -> web.Response:
        """Wait, but not for ever."""
        try:
            limit_s = float(request.query.get("timeout_s", SETTLE_S))
        except ValueError:
            raise refuse("timeout_s", "is no number") from None
        if not 0 <= limit_s <= SETTLE_S_MAX:
            raise refuse("timeout_s", f"must be from 0 to {SETTLE_S_MAX:g}")
        settled = True
        try:
            async with asyncio.timeout(limit_s):
                await self._context.lives.settled()
        except TimeoutError:
            settled = False
        book = self._context.book
        return json_answer(
            {
                "settled": settled,
                "runs": len(book.runs),
                "batches": len(book.batches),
            }
        )
