"""Account: what the API says of one run now, asked for a person who waits.

Owns asking for the run and for its callbacks side by side, each once and within one time limit, and
turning what comes into plain values. Every way to fail is a value, never an exception. Knows nothing of
what the relay has of the run.

Sources: Runflow, "Get run", "Get batch detail", "get callback delivery history" of runs and of batches.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from relay.core.identity import Kind, RunKey
from relay.core.snapshot import Snapshot, Unfinished, WrongAnswer, read_answer
from relay.core.timeline import (
    Account,
    CallbackDelivery,
    CallbackTry,
    Unanswered,
)
from relay.runflow import (
    Answer,
    AnswerError,
    CallbackAttempt,
    Q,
    Runflow,
    RunflowError,
    StatusError,
)
from relay.runflow import CallbackDelivery as Upstream

__all__ = ["named_runs", "take_account", "unasked"]

T = TypeVar("T")

#: Of a run's callbacks and of the tries of each, so many of the latest are shown.
_CALLBACKS_MAX: Final = 10
_TRIES_MAX: Final = 20
#: So many runs of one ``client_ref`` are named.
_NAMED_MAX: Final = 5


async def take_account(
    client: Runflow,
    key: RunKey,
    *,
    organization: str | None,
    limit_s: float,
    now: int,
) -> Account:
    """Ask for a run or batch and for its callbacks. ``now`` is wall microseconds."""
    is_run = key.kind is Kind.RUN
    resource = client.runs if is_run else client.batches
    fetched, callbacks = await asyncio.gather(
        _within(limit_s, lambda: resource.fetch(key.id)),
        _within(limit_s, lambda: resource.callbacks(key.id)),
    )
    run, url, created_at = _run(fetched, key, organization)
    shown: tuple[CallbackDelivery, ...] | Unanswered = ()
    left_out = 0
    if isinstance(callbacks, Unanswered):
        shown = callbacks
    else:
        ordered = sorted(callbacks, key=lambda one: _micros(one.created_at) or 0)
        shown = tuple(_callback(one) for one in ordered[-_CALLBACKS_MAX:])
        made = sum(len(one.attempts or ()) for one in ordered)
        left_out = made - sum(len(one.tries) for one in shown)
    return Account(
        source=key.source,
        at=now,
        run=run,
        callbacks=shown,
        callback_url=url,
        created_at=created_at,
        left_out=left_out,
    )


async def named_runs(client: Runflow, client_ref: str, *, limit_s: float) -> list[str]:
    """Ids of runs that were created with a ``client_ref``, the newest first; none where nobody can say."""

    async def ask() -> list[str]:
        listing = client.runs.search(
            q=Q.eq("client_ref", client_ref),
            limit=_NAMED_MAX,
            sort_by="created_at:desc",
            fields=("id", "client_ref"),
        )
        async for page in listing.pages():
            # An API that takes no notice of the filter gives others as well.
            return [
                row["id"]
                for row in page.rows
                if isinstance(row, dict)
                and row.get("client_ref") == client_ref
                and isinstance(row.get("id"), str)
            ]
        return []

    found = await _within(limit_s, ask)
    return [] if isinstance(found, Unanswered) else found


def unasked(source: str, reason: str, *, now: int) -> Account:
    """The account of an API that was not asked, for this reason."""
    silence = Unanswered(reason=reason)
    return Account(source=source, at=now, run=silence, callbacks=silence)


async def _within(limit_s: float, ask: Callable[[], Awaitable[T]]) -> T | Unanswered:
    try:
        async with asyncio.timeout(limit_s):
            return await ask()
    except RunflowError as error:
        status = error.status if isinstance(error, StatusError | AnswerError) else None
        return Unanswered(reason=error.reason, detail=str(error), status=status)
    except TimeoutError:
        return Unanswered(reason="timeout")
    except Exception as error:  # noqa: BLE001 - a defect of ours must not hide what the store has
        return Unanswered(reason="internal", detail=type(error).__name__)


def _run(
    fetched: Answer | Unanswered, key: RunKey, organization: str | None
) -> tuple[Snapshot | Unfinished | Unanswered, str | None, int | None]:
    """What it says, where its callback goes, and when it was created."""
    if isinstance(fetched, Unanswered):
        return fetched, None, None
    found = read_answer(fetched.body, key, organization=organization)
    if isinstance(found, WrongAnswer):
        silence = Unanswered(
            reason=found.reason, detail=found.detail, status=fetched.status
        )
        return silence, None, None
    said_too: Any = fetched.document
    url, created = said_too.get("callback_url"), said_too.get("created_at")
    return (
        found,
        _without_query(url) if isinstance(url, str) and url else None,
        _moment(created),
    )


def _callback(one: Upstream) -> CallbackDelivery:
    attempts = sorted(one.attempts or (), key=lambda made: made.attempt_number or 0)
    failure = one.failure_detail or one.failure_reason_code
    return CallbackDelivery(
        state=one.status_code,
        url=None if one.callback_url is None else _without_query(one.callback_url),
        automatic=one.is_automatic,
        created_at=_micros(one.created_at),
        next_at=_micros(one.next_attempt_at),
        tries_max=one.max_attempts,
        failure=failure,
        tries=tuple(_try(made) for made in attempts[-_TRIES_MAX:]),
    )


def _try(made: CallbackAttempt) -> CallbackTry:
    return CallbackTry(
        at=_micros(made.created_at),
        number=made.attempt_number,
        status=made.status_code,
        error=made.error_message,
        duration_ms=made.response_time_ms,
    )


def _without_query(url: str) -> str:
    """An address without what may be secret in it: its user, its password and its query."""
    try:
        parts = urlsplit(url)
        port = "" if parts.port is None else f":{parts.port}"
    except ValueError:
        return "an address that cannot be read"
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    query = "?…" if parts.query else ""
    return f"{parts.scheme}://{host}{port}{parts.path}{query}"


def _moment(text: object) -> int | None:
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return None if moment.tzinfo is None else _micros(moment)


def _micros(moment: datetime | None) -> int | None:
    return None if moment is None else round(moment.timestamp() * 1_000_000)
