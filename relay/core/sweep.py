"""Sweep: which runs of a list the relay has to know of.

Owns the window that a sweep looks at, whose runs are ours, and what is remembered of each. Pure. Knows
nothing of how a list is fetched, or of what the store knows already.

A list is walked by ``created_at``, the newest first: a run that is created meanwhile stands before what was
seen, and one that ends meanwhile is found open and watched until its end.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import msgspec

from relay.core.callback.reader import outcome_of
from relay.core.delivery import SECOND
from relay.core.identity import Kind, Outcome, RunKey, UnusableIdError
from relay.core.inquiry import Sighting
from relay.core.moment import moment_us
from relay.core.retention import DEFAULT_KEEPING, Keeping, forgotten_before

__all__ = [
    "Listed",
    "Progress",
    "SweepPolicy",
    "is_under",
    "key_of",
    "listed",
    "sighted",
    "since",
]

_MINUTE: Final = 60 * SECOND


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepPolicy:
    """How one source is swept. Times in microseconds."""

    every: int = 5 * _MINUTE
    #: How far each sweep looks back behind the one before it: what a clock may be off, or a list late.
    overlap: int = 15 * _MINUTE
    #: How long a callback may be on its way.
    grace: int = 5 * _MINUTE
    #: How far the very first sweep reaches back.
    reach: int = 0
    #: Only runs whose callback goes to one of these URLs; None for all.
    callback_urls: tuple[str, ...] | None = None
    #: How long the store remembers whom it has told of.
    keeping: Keeping = DEFAULT_KEEPING


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """One run of a list, as far as a sweep looks at it. Times are wall microseconds."""

    id: str
    outcome: Outcome | None
    created_at: int | None
    completed_at: int | None
    callback_url: str | None
    batch_id: str | None


@dataclass(slots=True)
class Progress:
    """What one sweep has come to so far. Times are wall microseconds."""

    #: What it looks for: runs created since then.
    start: int | None = None
    pages: int = 0
    runs: int = 0
    #: Whose callback goes to us.
    ours: int = 0
    #: Of which no event was known; those that still go on included.
    missed: int = 0
    #: Of these, the ones that still go on.
    going: int = 0
    #: The creation of the oldest run seen.
    reached: int | None = None
    #: What the latest page added to ``missed``.
    news: tuple[Sighting, ...] = ()


def since(cursor: int | None, policy: SweepPolicy, *, first_start: int) -> int:
    """From when on runs are looked at.

    A source without a cursor has never been swept: it begins when the relay first started, so that nobody is
    flooded with history, or as much earlier as is asked for.
    """
    if cursor is None:
        return first_start - max(policy.reach, policy.overlap)
    return cursor - policy.overlap


def listed(row: object) -> Listed | None:
    """Read one element of a list; None where it names no run. Never raises."""
    if not isinstance(row, Mapping):
        return None
    named = row.get("id")
    if not isinstance(named, str):
        return None
    completed_at = moment_us(row.get("completed_at"))
    status = _text(row.get("status_code")) or _text(row.get("status")) or ""
    return Listed(
        id=named,
        outcome=outcome_of(status.strip().lower(), ended=completed_at is not None),
        created_at=moment_us(row.get("created_at")),
        completed_at=completed_at,
        callback_url=_text(row.get("callback_url")),
        batch_id=_text(row.get("batch_id")),
    )


def sighted(
    source: str, run: Listed, kind: Kind, policy: SweepPolicy, *, now: int
) -> Sighting | None:
    """What is remembered of a run or batch of a list; None where it is not ours, or may have been forgotten."""
    if policy.callback_urls is not None and not any(
        is_under(run.callback_url, url) for url in policy.callback_urls
    ):
        return None
    key = key_of(source, kind, run.id)
    if key is None:
        return None
    if _is_forgotten(run, policy, now):
        return None
    # One that goes on is looked at when it may have ended; its callback will mostly have come by then.
    due = now + policy.every
    if run.outcome is not None:
        # A clock that is ahead of ours keeps nobody waiting until we are there.
        ended = now if run.completed_at is None else min(run.completed_at, now)
        due = ended + policy.grace
    return Sighting(key=key, outcome=run.outcome, due_at=max(now, due), at=now)


def key_of(source: str, kind: Kind, named: str) -> RunKey | None:
    """The key of what a list names; None where nothing can be kept under it, or asked for."""
    try:
        return RunKey.of(source, kind, named)
    except UnusableIdError:
        return None


def _is_forgotten(run: Listed, policy: SweepPolicy, now: int) -> bool:
    """Whether it ended so long ago that nobody knows whether it had its event; callbacks are judged alike."""
    at = run.created_at if run.completed_at is None else run.completed_at
    return (
        run.outcome is not None
        and at is not None
        and at < forgotten_before(policy.keeping, now)
    )


def is_under(url: str | None, base: str) -> bool:
    """Whether a callback URL is ``base`` or below it; host and scheme without regard to case."""
    if url is None:
        return False
    try:
        found, wanted = urlsplit(url), urlsplit(base)
        ports = found.port, wanted.port
    except ValueError:
        return False
    defaults = {"http": 80, "https": 443}
    if (found.scheme.lower(), found.hostname) != (
        wanted.scheme.lower(),
        wanted.hostname,
    ):
        return False
    if (ports[0] or defaults.get(found.scheme)) != (
        ports[1] or defaults.get(wanted.scheme)
    ):
        return False
    path, root = found.path.rstrip("/"), wanted.path.rstrip("/")
    return path == root or path.startswith(f"{root}/")


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
