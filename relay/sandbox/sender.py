"""Sending callbacks, and trying again until they are heard or given up.

Owns the tries: which answers count, how long to wait, how many are on the wire at once. Sends frozen bytes
with their frozen signature and looks into neither.

Any non-2xx answer, a time-out or a failed connection is tried again, with exponential waits and "a few
attempts" (concepts/callbacks gives no numbers; those here are ours). A redirect is never followed.
"""

import asyncio
import io
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import aiohttp
from yarl import URL

from relay.sandbox.chance import stream
from relay.sandbox.clock import pause
from relay.sandbox.state import Attempt, Delivery, Subject
from relay.sandbox.wire import uuid7

__all__ = ["RETRIES", "Retries", "Sender"]

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


@dataclass(frozen=True, slots=True)
class _Answer:
    """What came of sending: a status and the beginning of a body, or an error."""

    status: int | None
    body: str | None
    error: str | None


class Sender:
    """Sends deliveries, a bounded number at a time."""

    def __init__(
        self,
        *,
        client: aiohttp.ClientSession,
        retries: Retries,
        concurrency: int,
        now: Callable[[], datetime],
        changed: Callable[[Subject], Awaitable[None]],
    ) -> None:
        self._client = client
        self._retries = retries
        self._room = asyncio.Semaphore(concurrency)
        self._now = now
        self._changed = changed

    async def deliver(self, subject: Subject, delivery: Delivery) -> None:
        """Try until it is accepted or given up; one that was begun before goes on."""
        if subject.callback_url is None:
            return
        url = URL(subject.callback_url)
        if delivery.next_attempt_at is not None:
            await pause((delivery.next_attempt_at - self._now()).total_seconds())
        while delivery.state == "pending":
            number = len(delivery.attempts) + 1
            dice = stream(subject.seed, subject.place, f"{delivery.id} try {number}")
            attempt = await self._attempt(delivery, url, number, dice)
            delivery.attempts.append(attempt)
            delivery.next_attempt_at = None
            if attempt.accepted or number >= self._retries.max_attempts:
                delivery.state = "succeeded" if attempt.accepted else "failed"
                delivery.completed_at = self._now()
                await self._changed(subject)
            else:
                wait_s = self._retries.delay_s(number)
                delivery.next_attempt_at = self._now() + timedelta(seconds=wait_s)
                await self._changed(subject)
                await pause(wait_s)

    async def _attempt(
        self, delivery: Delivery, url: URL, number: int, dice: random.Random
    ) -> Attempt:
        at = self._now()
        begun = asyncio.get_running_loop().time()
        dropped = number in delivery.dropped
        attempt_id, request_id = uuid7(at, dice), uuid7(at, dice)
        if dropped:
            answer = _Answer(None, None, "lost on the way (a fault that was asked for)")
        else:
            async with self._room:
                answer = await self._post(url, delivery, str(request_id))
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

    async def _post(self, url: URL, delivery: Delivery, request_id: str) -> _Answer:
        headers = {
            "Content-Type": "application/json",
            # format and lifetime are undocumented: a new one each try is the harder case
            "Runflow-Request-Id": request_id,
        }
        if delivery.signature is not None:
            headers["Runflow-Signature"] = delivery.signature
        try:
            async with (
                asyncio.timeout(self._retries.timeout_s),
                self._client.post(
                    url,
                    data=io.BytesIO(delivery.body),  # bytes over 1 MiB draw a warning
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
