"""Batches: up to a hundred runs of a model at once, and their callbacks.

Sources: "create and dispatch a batch", "get batch detail", "list batch items with live execution
state", "get one batch item", "get batch callback delivery history", "redeliver batch callback". The
field for the elements is ``input`` in the reference and ``items`` in a guide; this is the reference's.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from relay.runflow.answers import Answer
from relay.runflow.asking import UNSET, Unset, body_of, model_path, page_query, path
from relay.runflow.calling import Caller
from relay.runflow.errors import WrongRunError
from relay.runflow.models import Batch, BatchItem, CallbackDelivery
from relay.runflow.models.base import is_other
from relay.runflow.paging import Listing
from relay.runflow.query import Q
from relay.runflow.waiting import wait_for

__all__ = ["Batches"]

ITEMS_MAX: Final = 100
CALLBACK_URL_MAX: Final = 2048


class Batches:
    """``/v1/batches`` and ``/v1/models/…/batches``."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def create(
        self,
        model: str,
        *,
        input: Sequence[Mapping[str, Any]],  # noqa: A002 - the field's own name
        metadata: Mapping[str, Any] | Unset = UNSET,
        callback_url: str | Unset | None = UNSET,
        idempotency_key: str | None = None,
    ) -> Batch:
        """Create a batch. Repeated only with an ``idempotency_key``, which makes that safe.

        Args:
            model: ``owner/slug``.
            input: 1 to 100 objects; each may hold a ``client_ref``.
            metadata: Comes back in the callback.
            callback_url: Told when all items have ended; at most 2048 characters.
            idempotency_key: The same key with the same body gives the same batch again.

        Raises:
            ValueError: What is given cannot be.
            ConflictError: The key was used with another body.
            RunflowError: No usable answer.
        """
        if not 1 <= len(input) <= ITEMS_MAX:
            raise ValueError(f"a batch has 1 to {ITEMS_MAX} items, not {len(input)}")
        if isinstance(callback_url, str) and len(callback_url) > CALLBACK_URL_MAX:
            raise ValueError(f"callback_url has at most {CALLBACK_URL_MAX} characters")
        answer = await self._caller.ask(
            "POST",
            path("models", *model_path(model), "batches"),
            body=body_of(
                {"input": input, "metadata": metadata, "callback_url": callback_url}
            ),
            headers={"Idempotency-Key": idempotency_key} if idempotency_key else None,
            repeatable=idempotency_key is not None,
        )
        return answer.parse(Batch, required=("id",))

    async def get(self, batch_id: str | UUID) -> Batch:
        """One batch, as it stands.

        Raises:
            NotFoundError: There is none, or it is another organisation's.
            WrongRunError: Another batch came.
            RunflowError: No usable answer.
        """
        return _batch_of(await self.fetch(batch_id), batch_id)

    async def fetch(self, batch_id: str | UUID) -> Answer:
        """The same as exact bytes, well-formed and not read any further."""
        return await self._caller.ask("GET", path("batches", batch_id))

    async def wait(
        self,
        batch_id: str | UUID,
        *,
        timeout: float = 3600.0,  # noqa: ASYNC109 - ends with what was last seen
        poll: float = 5.0,
        raise_on_failure: bool = False,
    ) -> Batch:
        """Ask until all items have ended; as `Runflow.wait`."""

        async def ask(limit_s: float) -> Batch:
            answer = await self._caller.ask(
                "GET", path("batches", batch_id), limit_s=limit_s
            )
            return _batch_of(answer, batch_id)

        return await wait_for(
            ask,
            name=f"batch {batch_id}",
            timeout_s=timeout,
            poll_s=poll,
            raise_on_failure=raise_on_failure,
            retries=self._caller.retries,
            system=self._caller.system,
        )

    def items(
        self,
        batch_id: str | UUID,
        *,
        q: Q | str | None = None,
        limit: int | None = None,
        sort_by: str | Iterable[str] | None = None,
        fields: str | Iterable[str] | None = None,
        pq: str | None = None,
        from_prev: bool = False,
    ) -> Listing[BatchItem]:
        """The items of a batch, with where each stands; parameters as in `Runs.search`."""
        query = page_query(
            q=q, limit=limit, sort_by=sort_by, fields=fields, from_prev=from_prev
        )
        place = path("batches", batch_id, "items")

        async def ask(cursor: str | None) -> Answer:
            return await self._caller.ask("GET", place, query={**query, "pq": cursor})

        return Listing(ask=ask, kind=BatchItem, cursor=pq, backward=from_prev)

    async def item(self, batch_id: str | UUID, item_id: str | UUID) -> BatchItem:
        """One item.

        Raises:
            RunflowError: No usable answer.
        """
        answer = await self._caller.ask(
            "GET", path("batches", batch_id, "items", item_id)
        )
        return answer.parse(BatchItem, required=("id",))

    async def callbacks(self, batch_id: str | UUID) -> tuple[CallbackDelivery, ...]:
        """How its callback was delivered, each delivery with its attempts.

        Raises:
            RunflowError: No usable answer.
        """
        answer = await self._caller.ask("GET", path("batches", batch_id, "callback"))
        return answer.parse(tuple[CallbackDelivery, ...])

    async def redeliver(self, batch_id: str | UUID) -> CallbackDelivery:
        """Have its callback sent again, built from how it stands now. Never repeated.

        Raises:
            UnprocessableError: Not over, without a URL, or (``is_conflict``) still being delivered.
            RunflowError: No usable answer.
        """
        answer = await self._caller.ask(
            "POST", path("batches", batch_id, "callback-redeliveries")
        )
        return answer.parse(CallbackDelivery, required=("id",))


def _batch_of(answer: Answer, batch_id: str | UUID) -> Batch:
    batch = answer.parse(Batch, required=("id",))
    if is_other(batch_id, batch.id):
        raise WrongRunError(
            f"{answer.request}: another batch came: {batch.id}", status=answer.status
        )
    return batch
