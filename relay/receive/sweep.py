"""Sweep: looks through a source's own list of runs for those whose callback never came.

Owns walking the list, how far it has got, and when to look again. What is ours, and what is remembered of
it, is decided in ``core``; how each run really ended is asked by whoever asks for all. So the memory that
a sweep needs is a page, however many runs were missed; what it knows of batches is theirs
(:mod:`relay.receive.batches`).
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

import structlog

from relay.core.errors import CalledOffError, RelayError
from relay.core.identity import Kind, RunKey, canonical
from relay.core.inquiry import Sighting
from relay.core.pace import HUSH_MAX_S
from relay.core.ports import Clock, Inquiries, Metrics
from relay.core.sweep import Listed, Progress, SweepPolicy, listed, sighted, since
from relay.receive.batches import Batches
from relay.runflow import (
    BadRequestError,
    Listing,
    Q,
    Retries,
    Run,
    Runflow,
    RunflowError,
    UnprocessableError,
    WrongRunError,
)

__all__ = ["ApiList", "Progress", "RunList", "SweepOptions", "Sweeper"]

log: Final = structlog.stdlib.get_logger(__name__)

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
#: All that a sweep looks at; an answer that has more is none the worse.
_FIELDS: Final = (
    "id",
    "status_code",
    "created_at",
    "completed_at",
    "callback_url",
    "batch_id",
)
PAGE: Final = 500
#: After a sweep that failed, in seconds; a sweep that is due sooner is made sooner.
RETRY_S: Final = 30.0
#: A page is asked for so often until a sweep has failed: a long list is not begun anew for each answer that
#: is lost on the way, or it might never be read to its end.
RETRIES: Final = Retries(attempts=5)
#: A batch that cannot be had is left to the next sweep: nobody waits long for it.
BATCH_RETRIES: Final = Retries(attempts=2)


class RunList(Protocol):
    """One source's runs."""

    def pages(self, *, since: int) -> AsyncIterator[Sequence[object]]:
        """Pages of runs created since then (wall microseconds), the newest first.

        Raises:
            RunflowError: a page cannot be had.
        """
        ...

    async def batch(self, batch_id: str) -> object:
        """One batch.

        Raises:
            RunflowError: it cannot be had.
        """
        ...


class ApiList:
    """The list as ``GET /v1/runs`` gives it."""

    def __init__(
        self, client: Runflow, *, source: str, organization: str | None
    ) -> None:
        """``organization`` is the id that a batch has to name, where one is known."""
        self._source = source
        #: Whether filters are understood, as far as is known.
        self._filters = True
        self._client = client.with_options(retries=RETRIES)
        self._batches = client.with_options(retries=BATCH_RETRIES).batches
        self._organization = organization

    async def pages(self, *, since: int) -> AsyncIterator[Sequence[object]]:
        """See :class:`RunList`; where no filter is understood, back to the beginning for whoever reads on.

        The documented filter is one of two forms that are known ("concepts/requests"); of the other only
        that it compares for equality.
        """
        refusal: RunflowError | None = None
        if self._filters:
            begin = Q.ge("created_at", _EPOCH + timedelta(microseconds=since))
            pages = self._search(begin).pages()
            try:
                first = await anext(pages)
            except (BadRequestError, UnprocessableError) as error:
                refusal = error
            else:
                yield first.rows
                async for page in pages:
                    yield page.rows
                return
        async for page in self._search(None).pages():
            if self._filters:
                # It was the filter, then, and will be the next time.
                self._filters = False
                log.info("sweep.unfiltered", source=self._source, why=str(refusal))
            yield page.rows

    def _search(self, q: Q | None) -> Listing[Run]:
        """The newest first."""
        return self._client.runs.search(
            q=q, limit=PAGE, sort_by="created_at:desc", fields=_FIELDS
        )

    async def batch(self, batch_id: str) -> object:
        """See :class:`RunList`."""
        answer = await self._batches.fetch(batch_id)
        found = answer.document
        named = found.get("org_id") if isinstance(found, dict) else None
        ours = self._organization
        if ours and isinstance(named, str) and canonical(named) != canonical(ours):
            raise WrongRunError(
                f"{answer.request}: another organisation's", status=answer.status
            )
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepOptions:
    """What bounds one source's sweeps."""

    policy: SweepPolicy
    #: Requests a second, of everybody who asks this source's API; the list keeps to it.
    rate: float = 100.0


class Sweeper:
    """Sweeps one source now and then."""

    def __init__(
        self,
        source: str,
        *,
        runs: RunList,
        inquiries: Inquiries,
        clock: Clock,
        found: Callable[[], None],
        metrics: Metrics,
        options: SweepOptions,
    ) -> None:
        """``found`` is called when there is something to ask for."""
        self.source = source
        self._list = runs
        self._inquiries = inquiries
        self._clock = clock
        self._found = found
        self._metrics = metrics
        self._policy = options.policy
        self.rate = options.rate
        self._started = clock.now_us()
        self._stopping = asyncio.Event()
        #: Sweeps by hand that are under way; each ends when its time is set to now.
        self._by_hand: set[asyncio.Timeout] = set()

    async def run(self) -> None:
        """Sweep at once, and then every so often, until :meth:`stop`.

        A sweep that is under way then is left where it is: the next one begins where it began.
        """
        async with asyncio.TaskGroup() as tasks:
            sweeping = tasks.create_task(self._sweep_for_ever())
            await self._stopping.wait()
            sweeping.cancel()

    async def _sweep_for_ever(self) -> None:
        while True:
            await self._rest(await self._sweep_once())

    def stop(self) -> None:
        """Look no further; sweeps by hand end as well. Idempotent."""
        self._stopping.set()
        self.call_off()

    def call_off(self) -> None:
        """End sweeps by hand, and no others."""
        for leash in self._by_hand:
            leash.reschedule(asyncio.get_running_loop().time())

    async def sweep_by_hand(
        self,
        *,
        begin: int | None,
        end: int | None,
        told: Callable[[Progress], None],
        dry: bool,
    ) -> Progress:
        """:meth:`sweep` beside the sweeps of :meth:`run`, at one pace with them, until :meth:`call_off`.

        Raises:
            CalledOffError: it was ended by :meth:`call_off` or :meth:`stop`.
            RunflowError: the list cannot be had.
            RelayError: what was found cannot be remembered.
        """
        leash = asyncio.timeout(None)
        with suppress(TimeoutError):
            try:
                async with leash:
                    self._by_hand.add(leash)
                    progress = await self.sweep(
                        begin=begin, end=end, told=told, dry=dry
                    )
                # Told to stop, it may have come back before its time was up, and not with all.
                if not self._stopping.is_set():
                    return progress
            finally:
                self._by_hand.discard(leash)
        raise CalledOffError(f"the sweep of {self.source} was ended")

    async def sweep(
        self,
        *,
        begin: int | None = None,
        end: int | None = None,
        told: Callable[[Progress], None] = lambda _: None,
        dry: bool = False,
    ) -> Progress:
        """Look through all runs created between two moments (wall microseconds).

        Without a ``begin`` it goes on where the last sweep has got to, and without an ``end`` either it
        remembers how far it got: what lies after an end has not been looked at. ``told`` hears how it goes, page by page; ``dry`` remembers nothing.

        Raises:
            RunflowError: the list cannot be had.
            RelayError: what was found cannot be remembered.
        """
        cursor = await self._inquiries.swept(self.source)
        start = begin
        if start is None:
            start = since(cursor, self._policy, first_start=self._started)
            if cursor is end is None and not dry:
                # Whoever starts anew before a sweep has got through begins here as well.
                first = start + self._policy.overlap
                await self._inquiries.watch(self.source, [], cursor=first)
        progress, newest = Progress(start=start), cursor
        # What a batch was at the last sweep it need not be at this one: an end may be corrected.
        batches = Batches(self.source, ask=self._list.batch)
        async for rows in self._list.pages(since=start):
            page = [run for row in rows if (run := listed(row))]
            created = [run.created_at for run in page if run.created_at is not None]
            seen = [run for run in page if _within(run, start, end)]
            sightings = await self._sightings(seen, batches)
            progress.pages += 1
            progress.runs += len(seen)
            progress.ours += len(sightings)
            progress.reached = min(created, default=progress.reached)
            news = batches.untold(await self._watch(sightings, dry=dry))
            progress.news = tuple(one for one in sightings if one.key in news)
            progress.missed += len(news)
            progress.going += sum(one.outcome is None for one in progress.news)
            newest = max(
                [*created, *([] if newest is None else [newest])], default=None
            )
            told(progress)
            # An API that takes no notice of the filter gives its whole history.
            if self._stopping.is_set() or (created and max(created) < start):
                break
        if begin is end is None and not dry and not self._stopping.is_set():
            # Whatever the API calls the future must not hide what is created until then.
            now = self._clock.now_us()
            reached = self._started if newest is None else newest
            await self._inquiries.watch(
                self.source, [], cursor=min(reached, now, *batches.to_be_seen(now))
            )
        return progress

    async def _sweep_once(self) -> float:
        """One sweep; seconds until the next."""
        again_s, is_done = await self._attempted()
        self._metrics.count(
            "runflow_relay_sweeps_total",
            source=self.source,
            outcome="done" if is_done else "failed",
        )
        return again_s

    async def _attempted(self) -> tuple[float, bool]:
        """One sweep: seconds until the next, and whether it got through."""
        try:
            progress = await self.sweep()
        except RunflowError as error:
            log.warning(
                "sweep.failed", source=self.source, reason=error.reason, why=str(error)
            )
            wait_s = min(error.retry_after or 0.0, HUSH_MAX_S)
            return max(self._retry_s, wait_s), False
        except RelayError as error:
            log.warning(
                "sweep.failed", source=self.source, reason="store", why=str(error)
            )
            return self._retry_s, False
        except Exception:
            # A defect of ours, or a row that nobody has thought of: callbacks come in all the same.
            log.exception("sweep.crashed", source=self.source)
            return self._retry_s, False
        if progress.missed:
            log.info(
                "sweep.found",
                source=self.source,
                runs=progress.runs,
                missed=progress.missed,
            )
        return self._policy.every / 1e6, True

    @property
    def _retry_s(self) -> float:
        return min(RETRY_S, self._policy.every / 1e6)

    async def _watch(self, sightings: Sequence[Sighting], *, dry: bool) -> set[RunKey]:
        if not sightings:
            return set()
        news = await self._inquiries.watch(self.source, sightings, dry=dry)
        if news and not dry:
            self._found()
        return set(news)

    async def _sightings(
        self, runs: Sequence[Listed], batches: Batches
    ) -> list[Sighting]:
        now = self._clock.now_us()
        alone, children = batches.divide(runs)
        found = [
            sighted(self.source, run, Kind.RUN, self._policy, now=now) for run in alone
        ]
        for batch_id, child in children.items():
            batch = await batches.fetch(batch_id, child)
            if batch is not None:
                found.append(
                    sighted(self.source, batch, Kind.BATCH, self._policy, now=now)
                )
        return list({one.key: one for one in found if one is not None}.values())

    async def _rest(self, seconds: float) -> None:
        if seconds <= 0:
            return
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            pass


def _within(run: Listed, start: int, end: int | None) -> bool:
    """Whether a run was created in the window; one that does not say when is looked at."""
    if run.created_at is None:
        return True
    return start <= run.created_at and (end is None or run.created_at < end)
