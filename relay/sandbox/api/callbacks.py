"""The callback endpoints: history, redelivery, secrets.

Owns when a redelivery is refused: nothing to tell, nowhere to tell it, or a delivery in flight (422 with
``error_type`` ``conflict``; documented for batches, taken over for runs). Listing secrets is
implied by a page's title and has no page: the form here is our own. So is that a new secret signs only once it
is made current, unless it is the first.
"""

import secrets

from aiohttp import web

from relay.sandbox.api.answers import Refused, json_answer, paged, refuse
from relay.sandbox.api.context import Context
from relay.sandbox.api.routes import LIST_PARAMS, Route
from relay.sandbox.api.schemas import SCHEMAS, fields_of
from relay.sandbox.orders import LABEL_CHARS_MAX, InvalidOrderError, Reading, read_label
from relay.sandbox.search.query import Kind
from relay.sandbox.state import Secret, Subject
from relay.sandbox.views.callbacks import delivery, secret

__all__ = ["Callbacks"]

_SECRET_KINDS: dict[str, Kind] = {"id": "text", "label": "text", "created_at": "time"}


class Callbacks:
    """Answers about callbacks and the secrets that sign them."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def routes(self) -> tuple[Route, ...]:
        """What it answers."""
        return (*self._deliveries(), *self._secrets())

    def _deliveries(self) -> tuple[Route, ...]:
        return (
            Route(
                method="GET",
                path="/v1/runs/{run_id}/callback",
                handler=self.history_of_run,
                what="The run's callback deliveries and their attempts.",
                answer="CallbackDelivery",
                many="list",
            ),
            Route(
                method="POST",
                path="/v1/runs/{run_id}/callback-redeliveries",
                handler=self.redeliver_run,
                what="Send the run's callback anew, as it stands now.",
                answer="CallbackDelivery",
                status=201,
            ),
            Route(
                method="GET",
                path="/v1/batches/{batch_id}/callback",
                handler=self.history_of_batch,
                what="The batch's callback deliveries and their attempts.",
                answer="CallbackDelivery",
                many="list",
            ),
            Route(
                method="POST",
                path="/v1/batches/{batch_id}/callback-redeliveries",
                handler=self.redeliver_batch,
                what="Send the batch's callback anew, as it stands now.",
                answer="CallbackDelivery",
                status=201,
            ),
        )

    def _secrets(self) -> tuple[Route, ...]:
        path = "/v1/callback-secrets"
        return (
            Route(
                method="POST",
                path=path,
                handler=self.create_secret,
                what="Create a callback secret; its text is shown only now.",
                answer="CallbackSecretCreated",
                body="CreateCallbackSecret",
                status=201,
            ),
            Route(
                method="GET",
                path=path,
                handler=self.list_secrets,
                what="The callback secrets.",
                answer="CallbackSecret",
                many="page",
                params=LIST_PARAMS,
            ),
            Route(
                method="GET",
                path=f"{path}/{{id}}",
                handler=self.get_secret,
                what="One callback secret, without its text.",
                answer="CallbackSecret",
            ),
            Route(
                method="PATCH",
                path=f"{path}/{{id}}",
                handler=self.patch_secret,
                what="Rename a callback secret, or make it the one that signs.",
                answer="CallbackSecret",
                body="PatchCallbackSecret",
            ),
        )

    async def history_of_run(self, request: web.Request) -> web.Response:
        """A bare array."""
        return self._history(self._context.run_of(request, "run_id"))

    async def history_of_batch(self, request: web.Request) -> web.Response:
        """A bare array."""
        return self._history(self._context.batch_of(request, "batch_id"))

    async def redeliver_run(self, request: web.Request) -> web.Response:
        """One new delivery."""
        return await self._redeliver(self._context.run_of(request, "run_id"))

    async def redeliver_batch(self, request: web.Request) -> web.Response:
        """One new delivery."""
        return await self._redeliver(self._context.batch_of(request, "batch_id"))

    def _history(self, subject: Subject) -> web.Response:
        tries_max = self._context.tries_max
        return json_answer(
            [
                delivery(subject, sent, tries_max=tries_max)
                for sent in subject.deliveries
            ]
        )

    async def _redeliver(self, subject: Subject) -> web.Response:
        if not subject.over:
            raise refuse("status_code", "it has not ended yet")
        if subject.callback_url is None:
            raise refuse("callback_url", "it has none")
        if any(sent.state == "pending" for sent in subject.deliveries):
            text = "a delivery is still in flight"
            raise InvalidOrderError(
                [{"field": "callback", "message": text, "error_type": "conflict"}]
            )
        sent = self._context.lives.redeliver(subject)
        answer = delivery(subject, sent, tries_max=self._context.tries_max)
        await self._context.book.kept()
        return json_answer(answer, 201)

    async def create_secret(self, request: web.Request) -> web.Response:
        """Create one; chance that nobody can repeat, as it should be."""
        label = read_label(await request.read() or b"{}")
        plain = f"whsec_{secrets.token_urlsafe(24)}"
        made = self._context.book.add_secret(
            plain, label, self._context.now(), current=False
        )
        await self._context.book.kept()
        return json_answer(secret(made, plain=True), 201)

    async def list_secrets(self, request: web.Request) -> web.Response:
        """A page of them."""
        book = self._context.book
        return paged(
            request,
            [
                (
                    kept.number,
                    {
                        "id": str(kept.id),
                        "label": kept.label,
                        "created_at": kept.created_at,
                    },
                    kept,
                )
                for kept in book.secrets
            ],
            _SECRET_KINDS,
            show=secret,
            shown=fields_of(SCHEMAS, "CallbackSecret"),
            form=book.faults.filters,
            paging=book.faults.paging,
        )

    async def get_secret(self, request: web.Request) -> web.Response:
        """One of them."""
        return json_answer(secret(self._secret(request)))

    async def patch_secret(self, request: web.Request) -> web.Response:
        """Rename or promote one."""
        kept, now = self._secret(request), self._context.now()
        reading = Reading(await request.read())
        label = reading.text("label", chars=(0, LABEL_CHARS_MAX))
        current = reading.switch("is_current")
        if current is False and kept.is_current:
            reading.mistake("is_current", "make another one current instead")
        reading.done()
        if "label" in reading.given:
            kept.label, kept.updated_at = label, now
        if current:
            self._context.book.promote(kept, now)
        self._context.book.note(kept)
        await self._context.book.kept()
        return json_answer(secret(kept))

    def _secret(self, request: web.Request) -> Secret:
        wanted = request.match_info["id"].lower()
        for kept in self._context.book.secrets:
            if str(kept.id) == wanted:
                return kept
        raise Refused(
            404, "CALLBACK_SECRET_NOT_FOUND", "No callback secret has this id."
        )
