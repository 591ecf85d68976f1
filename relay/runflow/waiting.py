"""Waiting: ask again and again until a run or a batch has ended.

Owns when to ask, when to give up and what is survived on the way. Must not know what is asked.

Ends on every documented terminal word, in both spellings of cancelled. A word that nobody documented is
no end: what it means is for a person to say, so the error names it when the time is up.
"""

from collections.abc import Awaitable, Callable
from typing import Final, Protocol, TypeVar

from relay.runflow.errors import RunflowError
from relay.runflow.models.status import RunStatus
from relay.runflow.retrying import Retries
from relay.runflow.system import System

__all__ = ["Endable", "RunFailedError", "WaitTimeoutError", "wait_for"]


#: Even the last question has so many seconds to be answered in.
_QUESTION_S_MIN: Final = 1.0


class WaitTimeoutError(RunflowError):
    """What was waited for had not ended in time.

    Attributes:
        status: The last status word seen, verbatim; None when no answer came at all.
    """

    reason = "wait_timeout"

    def __init__(self, message: str, *, status: str | None) -> None:
        super().__init__(message)
        self.status = status


class RunFailedError(RunflowError):
    """A run that was waited for ended as failed or cancelled; only on request.

    Attributes:
        run: The run (or batch) as it ended.
    """

    reason = "run_failed"

    def __init__(self, message: str, *, run: object) -> None:
        super().__init__(message)
        self.run = run


class Endable(Protocol):
    """What has a status."""

    @property
    def status(self) -> RunStatus:
        """Where it stands."""
        ...


E = TypeVar("E", bound=Endable)


async def wait_for(
    ask: Callable[[float], Awaitable[E]],
    *,
    name: str,
    timeout_s: float,
    poll_s: float,
    raise_on_failure: bool,
    retries: Retries,
    system: System,
) -> E:
    """Ask until it has ended.

    Args:
        ask: Asks once, within so many seconds.
        name: What is waited for, for messages.
        timeout_s: Seconds until the last question, which has one more to be answered in.
        poll_s: Seconds between an answer and the next question.
        raise_on_failure: Whether an end in failure or cancellation is an error.
        retries: How waits grow while questions fail.
        system: Clock, sleep and dice.

    Raises:
        WaitTimeoutError: It has not ended in time, or the API asked to wait for longer than is left.
            Its cause is the fault of the last question, if that failed.
        RunFailedError: It failed or was cancelled, and that was to be an error.
        RunflowError: A fault that will not pass by itself, such as 404 or 401.
        ValueError: ``poll_s`` is not above zero.
    """
    if poll_s <= 0:
        raise ValueError("poll is above zero")
    deadline = system.monotonic() + timeout_s
    failures = 0
    word: RunStatus | None = None
    fault: RunflowError | None = None
    while True:
        try:
            found = await ask(max(deadline - system.monotonic(), _QUESTION_S_MIN))
        except RunflowError as error:
            if not error.transient:
                raise
            fault, failures = error, failures + 1
            delay_s = max(poll_s, _delay_s(failures, error, retries, system))
        else:
            word, fault, failures, delay_s = found.status, None, 0, poll_s
            if word.is_terminal:
                return _ended(found, name, raise_on_failure=raise_on_failure)
        left_s = deadline - system.monotonic()
        if left_s <= 0 or (fault and (fault.retry_after or 0.0) > left_s):
            raise WaitTimeoutError(_late(name, timeout_s, word), status=word) from fault
        # The last question is asked when the time is up, so that no end within it is missed.
        await system.sleep(min(delay_s, left_s))


def _delay_s(
    failures: int, error: RunflowError, retries: Retries, system: System
) -> float:
    return retries.delay_s(failures, unit=system.unit(), retry_after=error.retry_after)


def _ended(found: E, name: str, *, raise_on_failure: bool) -> E:
    if raise_on_failure and found.status.outcome in {"failed", "cancelled"}:
        code = getattr(found, "failure_code", None)
        raise RunFailedError(
            f"{name} has {found.status}" + (f": {code}" if code else ""), run=found
        )
    return found


def _late(name: str, timeout_s: float, word: RunStatus | None) -> str:
    stands = "it was never seen" if word is None else f"it stands at {str(word)!r}"
    return f"{name} has not ended within {timeout_s:g} s: {stands}"
