"""The batch endpoints: create, get, its items.

Owns ``Idempotency-Key``: the same key and body give the stored answer again, another body is 409. It is
documented for batches alone, and here it holds for them alone.
"""

import hashlib
from typing import Final

from aiohttp import web

from relay.sandbox.api.answers import Refused, json_answer, paged
from relay.sandbox.api.context import Context
from relay.sandbox.api.records import ITEM_KINDS, item_record
from relay.sandbox.api.routes import LIST_PARAMS, Param, Route
from relay.sandbox.api.schemas import SCHEMAS, fields_of
from relay.sandbox.book import Replay
from relay.sandbox.orders import read_batch_order
from relay.sandbox.views.batches import batch_created, batch_detail, batch_item
from relay.sandbox.wire import dump

__all__ = ["Batches"]

KEY_CHARS_MAX: Final = 255


class Batches:
    """Answers about batches."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def routes(self) -> tuple[Route, ...]:
        """What it answers."""
        key = Param(
            name="Idempotency-Key",
            what="The same key and body give the same answer again.",
            place="header",
        )
        return (
            Route(
                method="POST",
                path="/v1/models/{owner}/{slug:.+}/batches",
                handler=self.create,
                what="Create a batch of 1 to 100 runs on a model, and dispatch them.",
                answer="Batch",
                body="CreateBatch",
                params=(key,),
                status=201,
            ),
            Route(
                method="GET",
                path="/v1/batches/{id}",
                handler=self.get,
                what="One batch.",
                answer="Batch",
            ),
            Route(
                method="GET",
                path="/v1/batches/{batch_id}/items",
                handler=self.items,
                what="The items of a batch, with their runs.",
                answer="BatchItem",
                many="page",
                params=LIST_PARAMS,
            ),
            Route(
                method="GET",
                path="/v1/batches/{batch_id}/items/{id}",
                handler=self.item,
                what="One item of a batch, with its run.",
                answer="BatchItem",
            ),
        )

    async def create(self, request: web.Request) -> web.Response:
        """Create and dispatch, or give the stored answer again."""
        body = await request.read()
        key = request.headers.get("Idempotency-Key")
        place = f"{request.path} {key}"
        digest = hashlib.sha256(body).hexdigest()
        known = self._context.book.replays.get(place) if key else None
        if known is not None and known.digest != digest:
            text = "This Idempotency-Key was used for another request."
            raise Refused(409, "CONFLICT", text)
        if known is not None:
            return web.Response(
                text=known.answer, status=201, content_type="application/json"
            )
        answer = self._made(request, body)
        if key:
            self._context.book.remember(Replay(key=place, digest=digest, answer=answer))
        await self._context.book.kept()
        return web.Response(text=answer, status=201, content_type="application/json")

    def _made(self, request: web.Request, body: bytes) -> str:
        context = self._context
        if len(request.headers.get("Idempotency-Key", "")) > KEY_CHARS_MAX:
            raise Refused(422, "VALIDATION_ERROR", "The Idempotency-Key is too long.")
        batch = context.book.open_batch(
            read_batch_order(body),
            target=f"{request.match_info['owner']}/{request.match_info['slug']}",
            at=context.now(),
        )
        for run in batch.runs:
            context.lives.live(run)
        context.lives.live(batch)
        return dump(batch_created(batch))

    async def get(self, request: web.Request) -> web.Response:
        """One batch."""
        return json_answer(batch_detail(self._context.batch_of(request)))

    async def items(self, request: web.Request) -> web.Response:
        """A page of a batch's items."""
        context, faults = self._context, self._context.book.faults
        batch = context.batch_of(request, "batch_id")
        showing = context.showing()
        return paged(
            request,
            [(n, item_record(batch, n), n) for n in range(len(batch.runs))],
            ITEM_KINDS,
            show=lambda index: batch_item(batch, index, showing),
            shown=fields_of(SCHEMAS, "BatchItem"),
            form=faults.filters,
            paging=faults.paging,
            sort_by="sequence_index:asc",
        )

    async def item(self, request: web.Request) -> web.Response:
        """One item."""
        batch = self._context.batch_of(request, "batch_id")
        wanted = request.match_info["id"].lower()
        for index, item_id in enumerate(batch.items):
            if str(item_id) == wanted:
                return json_answer(batch_item(batch, index, self._context.showing()))
        raise Refused(404, "BATCH_ITEM_NOT_FOUND", "The batch has no such item.")
