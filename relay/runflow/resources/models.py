"""Models: run one (create-model-run)."""

from collections.abc import Mapping
from typing import Any, Final

from relay.runflow.asking import UNSET, Unset, body_of, model_path, path
from relay.runflow.calling import Caller
from relay.runflow.models import Run

__all__ = ["CLIENT_REF_MAX", "Models"]

CLIENT_REF_MAX: Final = 255


class Models:
    """``/v1/models``."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def run(
        self,
        model: str,
        *,
        input: Mapping[str, Any],  # noqa: A002 - the field's own name
        metadata: Mapping[str, Any] | Unset = UNSET,
        callback_url: str | Unset | None = UNSET,
        client_ref: str | Unset | None = UNSET,
    ) -> Run:
        """Create a run and send it on its way; it comes back queued.

        Never repeated, unless no connection could be made: a second request would be a second run.
        After `DisconnectedError` or `TimedOutError` look for the ``client_ref`` before trying again.

        Args:
            model: ``owner/slug``; the slug may hold further segments.
            input: What the model takes.
            metadata: Comes back in callbacks as it was sent.
            callback_url: Told when the run has ended.
            client_ref: Your label, at most 255 characters. It is not an idempotency key.

        Raises:
            ValueError: ``model`` or ``client_ref`` cannot be.
            RunflowError: No usable answer.
        """
        if isinstance(client_ref, str) and len(client_ref) > CLIENT_REF_MAX:
            raise ValueError(f"client_ref has at most {CLIENT_REF_MAX} characters")
        body = body_of(
            {
                "input": input,
                "metadata": metadata,
                "callback_url": callback_url,
                "client_ref": client_ref,
            }
        )
        answer = await self._caller.ask(
            "POST", path("models", *model_path(model), "runs"), body=body
        )
        return answer.parse(Run, required=("id",))
