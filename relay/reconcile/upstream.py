"""Upstream: one source's API, asked through the client of :mod:`relay.runflow`.

Owns turning what the client gives, or raises, into what ``core`` decides on: every way to fail has a
word. Knows nothing of when anybody is asked.
"""

import asyncio
from typing import Final

import structlog

from relay.core.identity import Kind, RunKey
from relay.core.inquiry import Heard, Silent, Told, Unended
from relay.core.pace import HUSH_MAX_S
from relay.core.snapshot import Unfinished, WrongAnswer, read_answer
from relay.runflow import (
    Answer,
    AnswerError,
    ForbiddenError,
    NotJsonError,
    RateLimitedError,
    RedirectError,
    Runflow,
    RunflowError,
    ServerError,
    StatusError,
    TransportError,
    UnauthorizedError,
    WrongContentError,
)

__all__ = ["OF_SOURCE", "ApiUpstream"]

log: Final = structlog.stdlib.get_logger(__name__)

#: Faults of the API as a whole, of the way to it, or of our access; all others may be one run's own.
OF_SOURCE: Final = (
    TransportError,
    ServerError,
    UnauthorizedError,
    ForbiddenError,
    RateLimitedError,
    RedirectError,
    WrongContentError,
    NotJsonError,
)


class ApiUpstream:
    """Asks ``GET /v1/runs/{id}`` and ``GET /v1/batches/{id}``, each question once."""

    def __init__(
        self, client: Runflow, *, organization: str | None, timeout_s: float
    ) -> None:
        """``client`` must not repeat anything by itself; when to ask again is decided elsewhere."""
        self._client = client
        self._organization = organization
        self._timeout_s = timeout_s

    async def ask(self, key: RunKey, /) -> Heard:
        """See :class:`relay.reconcile.worker.Upstream`."""
        try:
            async with asyncio.timeout(self._timeout_s):
                answer = await self._fetch(key)
        except RunflowError as error:
            return _silence(error)
        except TimeoutError:
            return Silent(reason="timeout", of_source=True)
        except Exception as error:
            log.exception("upstream.crashed", source=key.source)
            return _defect(error)
        return self._read(answer, key)

    async def redeliver(self, key: RunKey, /) -> Silent | None:
        """See :class:`relay.reconcile.worker.Upstream`.

        A delivery that is still in flight is refused with 422 (``reason`` ``unprocessable``): then it will
        come by itself. Documented for batches ("Redeliver batch callback"); runs are taken to do the same.
        """
        try:
            async with asyncio.timeout(self._timeout_s):
                if key.kind is Kind.BATCH:
                    await self._client.batches.redeliver(key.id)
                else:
                    await self._client.runs.redeliver(key.id)
        except RunflowError as error:
            return _silence(error)
        except TimeoutError:
            return Silent(reason="timeout", of_source=True)
        except Exception as error:
            log.exception("upstream.crashed", source=key.source)
            return _defect(error)
        return None

    async def _fetch(self, key: RunKey) -> Answer:
        if key.kind is Kind.BATCH:
            return await self._client.batches.fetch(key.id)
        return await self._client.runs.fetch(key.id)

    def _read(self, answer: Answer, key: RunKey) -> Heard:
        found = read_answer(answer.body, key, organization=self._organization)
        match found:
            case WrongAnswer(reason=reason, detail=detail):
                # It may be about every run that is asked for; the next answer shows.
                return Silent(
                    reason=reason,
                    of_source=False,
                    detail=detail,
                    status=answer.status,
                )
            case Unfinished(status=status):
                return Unended(status)
            case _:
                return Told(found)


def _defect(error: Exception) -> Silent:
    """A defect of ours, or of a library: nobody is asked in a circle because of it."""
    return Silent(reason="internal", of_source=True, detail=type(error).__name__)


def _silence(error: RunflowError) -> Silent:
    """Messages of the client never hold a token; what a server says is bounded by it."""
    wait = error.retry_after
    status = error.status if isinstance(error, StatusError | AnswerError) else None
    return Silent(
        reason=error.reason,
        of_source=isinstance(error, OF_SOURCE),
        detail=str(error),
        status=status,
        retry_after_us=(
            None if wait is None else round(min(max(0.0, wait), HUSH_MAX_S) * 1e6)
        ),
    )
