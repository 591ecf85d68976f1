"""Retrying: whether and when a question is asked again.

Owns the policy: which errors, which questions, how long between, when to give up. What repeats is
tenacity; clock, sleep and dice are given. Must not know what is asked.

Only what is safe is repeated. A read is; a create or a change is not, as its answer may be lost after
it was carried out, with two exceptions: the caller names an ``Idempotency-Key``, or no connection was
made at all, so that nothing can have been carried out.

Runflow's advice ("concepts/errors", "concepts/rate-limits"): 5xx, 429 and network errors, exponential
waits with jitter, at most five attempts, waits of 1, 2, 4 … up to 32 s.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception

from relay.runflow.answers import Answer
from relay.runflow.errors import RunflowError, UnreachableError
from relay.runflow.system import System

__all__ = ["ONCE", "Retries", "ask_until"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """How often and how patiently a question is asked again.

    Attributes:
        attempts: Tries in all, the first included; 1 means no repeat.
        base_s: The longest wait after the first try; doubled with each further one.
        delay_s_max: No such wait is longer.
        retry_after_s_max: Asked for a longer wait than this, we ask no more: the error says how long it was.
        total_s: No wait begins that would end later than this after the first try.
    """

    attempts: int = 5
    base_s: float = 1.0
    delay_s_max: float = 32.0
    retry_after_s_max: float = 60.0
    total_s: float = 120.0

    def __post_init__(self) -> None:
        """Refuse what cannot be obeyed.

        Raises:
            ValueError: There would be no try, or a wait below zero.
        """
        if self.attempts < 1:
            raise ValueError("attempts >= 1")
        waits = (self.base_s, self.delay_s_max, self.retry_after_s_max, self.total_s)
        if min(waits) < 0:
            raise ValueError("no wait is below zero")

    def can_wait(self, error: BaseException) -> bool:
        """Whether the API asked for no longer wait than is bearable: to ask sooner would be held against us."""
        asked = error.retry_after if isinstance(error, RunflowError) else None
        return (asked or 0.0) <= self.retry_after_s_max

    def delay_s(
        self, failures: int, *, unit: float, retry_after: float | None
    ) -> float:
        """Seconds until the next try: full jitter, after what the API asked for.

        Args:
            failures: Tries so far, from 1.
            unit: A number in [0, 1).
            retry_after: Seconds that the API asked for. It can only postpone.
        """
        steps = min(failures - 1, 64)  # the cap is long reached; no overflow
        jitter = unit * min(self.delay_s_max, self.base_s * 2.0**steps)
        return (retry_after or 0.0) + jitter


#: Exactly one request.
ONCE: Final = Retries(attempts=1)


async def ask_until(
    ask: Callable[[], Awaitable[Answer]],
    *,
    retries: Retries,
    system: System,
    repeatable: bool,
) -> Answer:
    """Ask until an answer comes, or the policy ends.

    Args:
        ask: One exchange.
        retries: How often and how patiently.
        system: Clock, sleep and dice.
        repeatable: Whether a second request does no harm.

    Raises:
        RunflowError: What the last try ended with.
    """
    started = system.monotonic()
    try:
        return await ask()
    except RunflowError as error:
        # Who asks for thousands of runs decides for itself when to ask again.
        if retries.attempts == 1:
            raise
        failed: list[RunflowError] = [error]

    async def ask_again() -> Answer:
        # Nearly every question is answered at once: what repeats begins with the failure of the first try.
        if failed:
            raise failed.pop()
        return await ask()

    def wait(state: RetryCallState) -> float:
        error = _error_of(state)
        return retries.delay_s(
            state.attempt_number,
            unit=system.unit(),
            retry_after=error.retry_after if error else None,
        )

    def stop(state: RetryCallState) -> bool:
        spent = system.monotonic() - started
        return (
            state.attempt_number >= retries.attempts
            or spent + state.upcoming_sleep > retries.total_s
        )

    retrying = AsyncRetrying(
        sleep=system.sleep,
        stop=stop,
        wait=wait,
        retry=retry_if_exception(
            lambda error: _is_worth_it(error, repeatable) and retries.can_wait(error)
        ),
        reraise=True,
    )
    return await retrying(ask_again)


def _is_worth_it(error: BaseException, repeatable: bool) -> bool:  # noqa: FBT001 - one fact of two
    if not isinstance(error, RunflowError) or not error.transient:
        return False
    return repeatable or isinstance(error, UnreachableError)


def _error_of(state: RetryCallState) -> RunflowError | None:
    error = state.outcome.exception() if state.outcome else None
    return error if isinstance(error, RunflowError) else None
