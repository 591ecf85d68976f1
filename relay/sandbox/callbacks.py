"""Callbacks: what is said when a run ends, signed, and tried until it is heard.

Owns the payload's form, the signature, and the retries. Which tries are lost and what a
payload lacks is the run's fate and only obeyed here. Knows nothing of the API's routes.

Any non-2xx answer, a time-out or a failed connection is tried again, with exponential
waits and "a few attempts" (concepts/callbacks gives no numbers; those here are ours).
"""

import asyncio
import hashlib
import hmac
import io
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import aiohttp
from yarl import URL

from relay.sandbox.clock import pause
from relay.sandbox.faults import Copy, stream
from relay.sandbox.state import Attempt, Delivery, Run
from relay.sandbox.wire import dump, offset_time, uuid7

__all__ = ["RETRIES", "Retries", "Sender", "payload", "sign"]

#: How much of a receiver's answer is kept, in bytes.
EXCERPT_BYTES_MAX = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """How often and how patiently a callback is tried.

    Attributes:
        max_attempts: Tries in all, the first included.
        base_s: The wait after the first try, in seconds.
        factor: What each further wait is multiplied by, 1 to 100.
        delay_s_max: No wait is longer, in seconds.
        timeout_s: How long a receiver may take, in seconds.
    """

    max_attempts: int = 5
    base_s: float = 0.2
    factor: float = 2.0
    delay_s_max: float = 30.0
    timeout_s: float = 5.0

    def __post_init__(self) -> None:
        """Refuse what cannot be obeyed.

        Raises:
            ValueError: There would be no try, or no end, or a wait below zero.
        """
        if self.max_attempts < 1 or self.base_s < 0 or not 1 <= self.factor <= 100:
            raise ValueError("max_attempts >= 1, base_s >= 0, factor from 1 to 100")
        if self.delay_s_max < 0 or self.timeout_s <= 0:
            raise ValueError("delay_s_max >= 0, timeout_s > 0")

    def delay_s(self, attempts: int) -> float:
        """Seconds to wait after so many tries (from 1)."""
        steps = min(attempts - 1, 64)  # the cap is long reached; no overflow
        return min(self.delay_s_max, self.base_s * self.factor**steps)


RETRIES = Retries()


def payload(run: Run, *, client_ref: bool) -> bytes:
    """The body of a finished run's callback, in the documents' field order.

    Args:
        run: Over, so that it has a moment of completion.
        client_ref: Whether this copy names it; its place is not documented, here last.
    """
    if run.completed_at is None or run.outcome is None:
        raise ValueError(f"run {run.id} is not over")
    fields: dict[str, object] = {
        "event": run.outcome.event,
        "run_id": str(run.id),
        "status": run.status,
        "output": run.output,
        "duration_ms": run.duration_ms,
        "created_at": offset_time(run.created_at),
        "completed_at": offset_time(run.completed_at),
        "metadata": run.order.metadata,
    }
    if client_ref:
        fields["client_ref"] = run.order.client_ref
    flaw = run.fate.flaw
    if flaw is not None and flaw.absent:
        del fields[flaw.field]
    elif flaw is not None:
        fields[flaw.field] = None
    return dump(fields).encode()


def sign(body: bytes, secret: str) -> str:
    """``Runflow-Signature``: hex HMAC-SHA256 of the body, keyed by the whole text.

    The ``whsec_`` belongs to the key (guides/verify-callback-signatures).
    """
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


@dataclass(frozen=True, slots=True)
class _Answer:
    """What came of sending: a status and the beginning of a body, or an error."""

    status: int | None
    body: str | None
    error: str | None


class Sender:
    """Sends the callbacks of finished runs, a bounded number at a time."""

    def __init__(
        self,
        *,
        client: aiohttp.ClientSession,
        secret: str | None,
        retries: Retries,
        concurrency: int,
        now: Callable[[], datetime],
    ) -> None:
        self._client = client
        self._secret = secret
        self._retries = retries
        self._room = asyncio.Semaphore(concurrency)
        self._now = now

    async def send(self, run: Run) -> None:
        """Send each copy of the run's callback, one after another, to its end."""
        url = run.order.callback_url
        if url is None:
            return
        dice = stream(run.seed, run.number, "deliveries")
        for copy in run.fate.copies:
            at = self._now()
            delivery = Delivery(
                id=uuid7(at, dice),
                body=payload(run, client_ref=copy.client_ref),
                created_at=at,
            )
            run.deliveries.append(delivery)
            await self._deliver(delivery, URL(url), copy, dice)

    async def _deliver(
        self, delivery: Delivery, url: URL, copy: Copy, dice: random.Random
    ) -> None:
        for number in range(1, self._retries.max_attempts + 1):
            attempt = await self._attempt(delivery, url, copy, number, dice)
            delivery.attempts.append(attempt)
            delivery.next_attempt_at = None
            if attempt.accepted or number == self._retries.max_attempts:
                break
            wait_s = self._retries.delay_s(number)
            delivery.next_attempt_at = self._now() + timedelta(seconds=wait_s)
            await pause(wait_s)
        delivery.state = "succeeded" if delivery.attempts[-1].accepted else "failed"
        delivery.completed_at = self._now()

    async def _attempt(
        self,
        delivery: Delivery,
        url: URL,
        copy: Copy,
        number: int,
        dice: random.Random,
    ) -> Attempt:
        at = self._now()
        begun = asyncio.get_running_loop().time()
        dropped = number in copy.dropped
        attempt_id, request_id = uuid7(at, dice), uuid7(at, dice)
        if dropped:
            answer = _Answer(None, None, "lost on the way (fault: drop)")
        else:
            async with self._room:
                answer = await self._post(url, delivery.body, str(request_id))
        took_s = asyncio.get_running_loop().time() - begun
        return Attempt(
            id=attempt_id,
            number=number,
            status_code=answer.status,
            response_body=answer.body,
            response_time_ms=None if answer.error else round(took_s * 1000),
            error_message=answer.error,
            created_at=at,
            dropped=dropped,
        )

    async def _post(self, url: URL, body: bytes, request_id: str) -> _Answer:
        headers = {
            "Content-Type": "application/json",
            # format and lifetime are undocumented: a new one each try is the harder case
            "Runflow-Request-Id": request_id,
        }
        if self._secret is not None:
            headers["Runflow-Signature"] = sign(body, self._secret)
        try:
            async with (
                asyncio.timeout(self._retries.timeout_s),
                self._client.post(
                    url,
                    data=io.BytesIO(body),  # bytes over 1 MiB draw a warning
                    headers=headers,
                    allow_redirects=False,
                ) as response,
            ):
                excerpt = await response.content.read(EXCERPT_BYTES_MAX)
                return _Answer(response.status, excerpt.decode(errors="replace"), None)
        except TimeoutError:
            return _Answer(None, None, f"no answer within {self._retries.timeout_s} s")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            # ValueError: a host name that cannot be encoded fails only when dialled
            return _Answer(None, None, f"{type(error).__name__}: {error}")
