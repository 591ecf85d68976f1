"""Callback secrets: what callbacks are signed with, for the organisation as a whole.

Sources: "create callback signing secret", "get org callback secret", "update callback secret". No page
lists or deletes them.
"""

from typing import Final
from uuid import UUID

from relay.runflow.asking import UNSET, Unset, body_of, path
from relay.runflow.calling import Caller
from relay.runflow.models import CallbackSecret

__all__ = ["CallbackSecrets"]

_SECRETS: Final = "callback-secrets"
LABEL_MAX: Final = 255


class CallbackSecrets:
    """``/v1/callback-secrets``."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def create(self, label: str) -> CallbackSecret:
        """Make a secret. ``plain_secret`` is in this answer and in no other; never repeated.

        Args:
            label: At most 255 characters.

        Raises:
            ValueError: The label is too long.
            RunflowError: No usable answer.
        """
        _check(label)
        answer = await self._caller.ask(
            "POST", path(_SECRETS), body=body_of({"label": label})
        )
        return answer.parse(CallbackSecret, required=("id",))

    async def get(self, secret_id: str | UUID) -> CallbackSecret:
        """One secret, without the secret itself.

        Raises:
            RunflowError: No usable answer.
        """
        answer = await self._caller.ask("GET", path(_SECRETS, secret_id))
        return answer.parse(CallbackSecret, required=("id",))

    async def update(
        self,
        secret_id: str | UUID,
        *,
        label: str | Unset = UNSET,
        is_current: bool | Unset = UNSET,
    ) -> CallbackSecret:
        """Rename it, or make it the one that signs. Never repeated.

        Raises:
            ValueError: The label is too long.
            RunflowError: No usable answer.
        """
        if not isinstance(label, Unset):
            _check(label)
        answer = await self._caller.ask(
            "PATCH",
            path(_SECRETS, secret_id),
            body=body_of({"label": label, "is_current": is_current}),
        )
        return answer.parse(CallbackSecret, required=("id",))


def _check(label: str) -> None:
    if len(label) > LABEL_MAX:
        raise ValueError(f"a label has at most {LABEL_MAX} characters")
