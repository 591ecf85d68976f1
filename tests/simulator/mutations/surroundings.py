"""Mistakes around the path: sources, kinds, routes, reloads, secrets, limits, and the machine's power.

Each shows only in histories in which such a thing is drawn.
"""

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pytest

import relay.deliver.verdict
import relay.deliver.worker
import relay.record.grouping
import relay.record.publishing
import relay.record.sqlite.connection
import relay.record.sqlite.outgoing
import relay.record.sqlite.store
from relay.app.deliveries import Deliveries
from relay.core.catalog import CALLBACK, Catalog, Channel, Current, Source
from relay.core.errors import RelayError, StoreBusyError, StoreFullError
from relay.core.event import Event
from relay.core.identity import Namespace, RunKey, event_id_bytes
from relay.core.identity import Outcome as RunOutcome
from relay.core.ports import Recorded
from relay.core.route import Router
from relay.core.run import Verdict
from relay.core.signature import RunflowVerifier
from relay.deliver.worker import Courier
from relay.record.accounts import Accounts
from relay.record.jobs import Job, Record
from relay.record.runs import RunRows
from relay.record.sqlite.store import SqliteStore
from relay.record.sqlite.writer import Writer

__all__ = ["MUTATIONS"]

Patch = pytest.MonkeyPatch


def identity_without_source(patch: Patch) -> None:
    """Two sources that use the same id share an event's id."""

    def nameless(key: RunKey, outcome: RunOutcome, revision: int) -> bytes:
        return known(RunKey("acme", key.kind, key.id), outcome, revision)

    known = event_id_bytes
    patch.setattr(relay.record.publishing, "event_id_bytes", nameless)


def run_without_source(patch: Patch) -> None:
    """Whoever says it first has the run."""
    known = RunRows.__init__

    def begin(
        self: RunRows, keys: Iterable[RunKey], source: Callable[[str], int], *more: Any
    ) -> None:
        # Asked for all the same: that is how a source comes to its number.
        known(self, keys, lambda name: min(source(name), 1), *more)

    patch.setattr(RunRows, "__init__", begin)


def batch_taken_for_a_run(patch: Patch) -> None:
    spaces = {
        Namespace.BATCH_UUID: Namespace.RUN_UUID,
        Namespace.BATCH_TEXT: Namespace.RUN_TEXT,
    }
    whole: Any = RunKey.__dict__["namespace"]
    known = whole.fget
    patch.setattr(
        RunKey, "namespace", property(lambda key: spaces.get(known(key), known(key)))
    )


def unrouted_is_not_counted(patch: Patch) -> None:
    """Neither when it happens nor when it is counted anew."""
    write = Writer._write_counters

    def uncounted(self: Writer, accounts: Accounts) -> None:
        for counts in accounts.sources.values():
            counts["unrouted"] = 0
        write(self, accounts)

    patch.setattr(Writer, "_write_counters", uncounted)


def nowhere_means_everywhere(patch: Patch) -> None:
    known = Router.route

    def route(
        self: Router, event: Callable[[], Event], *, about: str | None = None
    ) -> tuple[str, ...]:
        return known(self, event, about=about) or self._everywhere

    patch.setattr(Router, "route", route)


def routes_of_the_start(patch: Patch) -> None:
    """A reload changes secrets and destinations, and no route."""
    known = Current.swap

    def swap(self: Current, catalog: Catalog) -> None:
        router = self.catalog.router
        known(self, Catalog(sources=catalog.sources, router=router))

    patch.setattr(Current, "swap", swap)


def reload_forgets_what_is_pending(patch: Patch) -> None:
    """Who is let go keeps what he holds."""

    async def let_go(
        self: Deliveries, posts: Mapping[str, Any], *, within_s: float
    ) -> None:
        for post in posts.values():
            post.courier._ready.clear()
        names = [f"deliver.{name}" for name in posts]
        await self._supervisor.stop(names, within_s=within_s)

    patch.setattr(Deliveries, "_let_go", let_go)


def retired_secrets_still_count(patch: Patch) -> None:
    known = Current.swap

    def swap(self: Current, catalog: Catalog) -> None:
        before = self.catalog.sources
        known(self, catalog)
        for name, source in catalog.sources.items():
            old, new = (s.channels[CALLBACK].verifier for s in (before[name], source))
            assert isinstance(old, RunflowVerifier)
            assert isinstance(new, RunflowVerifier)
            both = RunflowVerifier(credentials=old.credentials + new.credentials)
            channel = Channel(name=CALLBACK, verifier=both)
            self.catalog.sources[name] = Source(  # type: ignore[index] # a dict all the same
                name=name, channels={CALLBACK: channel}
            )

    patch.setattr(Current, "swap", swap)


def no_limit(patch: Patch) -> None:
    patch.setattr(SqliteStore, "_measure", lambda _: None)


def full_store_acknowledged(patch: Patch) -> None:
    """What found no room is answered as if it had been there."""
    known = Writer._while_full

    def while_full(self: Writer, jobs: Sequence[Job], *rest: Any) -> Sequence[object]:
        answers = known(self, jobs, *rest)
        return [
            [Recorded(verdict=Verdict.DUPLICATE)] if isinstance(job, Record) else answer
            for job, answer in zip(jobs, answers, strict=True)
        ]

    patch.setattr(Writer, "_while_full", while_full)


def full_store_stands_still(patch: Patch) -> None:
    """Nothing is taken in, and nothing goes out either."""

    def while_full(_: Writer, jobs: Sequence[Job], *rest: Any) -> Sequence[object]:
        return [StoreFullError(rest[-1])] * len(jobs)

    patch.setattr(Writer, "_while_full", while_full)


def synced_now_and_then(patch: Patch) -> None:
    """``synchronous=NORMAL``: a commit returns before it is on disk."""
    known = relay.record.sqlite.connection.connect

    def connect(path: Path, **_: str) -> sqlite3.Connection:
        return known(path, synchronous="NORMAL")

    patch.setattr(relay.record.sqlite.store, "connect", connect)


def comes_when_it_likes(patch: Patch) -> None:
    patch.setattr(relay.deliver.verdict, "retry_after_us", lambda *_, **__: None)


def survives_what_nobody_expected(patch: Patch) -> None:
    """The worker that commits is started again, whoever was to be handed what."""

    def told(error: BaseException) -> RelayError:
        return StoreBusyError(type(error).__name__)

    patch.setattr(relay.record.grouping, "_told", told)


def leaves_without_a_word(patch: Patch) -> None:
    async def leave(_: Courier) -> None:
        """As it was."""

    patch.setattr(Courier, "leave", leave)


#: What is wrong, and the promises of which at least one has to be seen broken.
MUTATIONS: Final[Mapping[str, tuple[Callable[[Patch], None], str]]] = {
    "identity without source": (identity_without_source, "P2"),
    "run without source": (run_without_source, "P2 P5"),
    "batch taken for a run": (batch_taken_for_a_run, "P2 P5"),
    "unrouted is not counted": (unrouted_is_not_counted, "P7"),
    "nowhere means everywhere": (nowhere_means_everywhere, "P3"),
    "routes of the start": (routes_of_the_start, "P3"),
    "reload forgets what is pending": (reload_forgets_what_is_pending, "P3 P4"),
    "retired secrets still count": (retired_secrets_still_count, "P8"),
    "no limit": (no_limit, "P10"),
    "full store acknowledged": (full_store_acknowledged, "P1"),
    "full store stands still": (full_store_stands_still, "P4"),
    "synced now and then": (synced_now_and_then, "P1"),
    "comes when it likes": (comes_when_it_likes, "Retry-After"),
    "survives what nobody expected": (survives_what_nobody_expected, "P3 P4"),
    "leaves without a word": (leaves_without_a_word, "P3 P4"),
}
