"""Calling: a question, put to the API as often as is safe.

Owns what every question of one client has in common: organisation, time limits, repeats. The
resources say what is asked; the transport asks once.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from relay.runflow.answers import Answer
from relay.runflow.asking import query_of
from relay.runflow.errors import RateLimitedError
from relay.runflow.pacing import Pacer
from relay.runflow.retrying import ONCE, Retries, ask_until
from relay.runflow.system import System
from relay.runflow.transport import Question, Timeouts, Transport

__all__ = ["Caller"]

_READS: Final = {"GET", "HEAD"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Asks one API on behalf of one organisation.

    Attributes:
        transport: Asks once.
        organization_id: Sent as ``X-Organization-Id``; None leaves it to the token.
        retries: How often and how patiently.
        timeouts: How long each try may take.
        system: Clock, sleep and dice.
        pacer: Bounds how often it asks; None: nobody does.
    """

    transport: Transport
    organization_id: str | UUID | None
    retries: Retries
    timeouts: Timeouts
    system: System
    pacer: Pacer | None = None

    async def ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, object] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        repeatable: bool | None = None,
        limit_s: float | None = None,
        well_formed: bool = True,
    ) -> Answer:
        """Put a question and give its answer.

        Args:
            method: The HTTP method.
            path: From ``/v1`` on, encoded.
            query: Parameters; those that are None are left out.
            body: JSON.
            headers: Beside those that every question has.
            repeatable: Whether a second request does no harm; None: only reads.
            limit_s: Ask once, within so many seconds.
            well_formed: Whether the body must be JSON as a whole.

        Raises:
            RunflowError: No usable answer; its class and reason say why.
        """
        question = Question(
            method=method,
            path=path + query_of(query or {}),
            body=body,
            headers=self._headers(body, headers or {}),
            timeouts=self.timeouts.within(limit_s),
        )

        async def ask() -> Answer:
            answer = await self._exchange(question)
            if well_formed:
                _ = answer.document
            return answer

        return await ask_until(
            ask,
            retries=self.retries if limit_s is None else ONCE,
            system=self.system,
            repeatable=method in _READS if repeatable is None else repeatable,
        )

    async def _exchange(self, question: Question) -> Answer:
        """Once, in turn."""
        if self.pacer is None:
            return await self.transport.exchange(question)
        await self.pacer.turn()
        try:
            return await self.transport.exchange(question)
        except RateLimitedError as error:
            self.pacer.hush(error.retry_after)
            raise

    def changed(
        self,
        *,
        organization_id: str | UUID | None,
        retries: Retries | None,
        timeouts: Timeouts | None,
        pacer: Pacer | None,
    ) -> "Caller":
        """The same, but for what is given."""
        return replace(
            self,
            organization_id=organization_id or self.organization_id,
            retries=retries or self.retries,
            timeouts=timeouts or self.timeouts,
            pacer=pacer or self.pacer,
        )

    def _headers(self, body: bytes | None, given: Mapping[str, str]) -> dict[str, str]:
        headers = dict(given)
        if body is not None:
            headers["Content-Type"] = "application/json"
        if self.organization_id is not None:
            headers["X-Organization-Id"] = str(self.organization_id)
        return headers
