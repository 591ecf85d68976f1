"""Batches: those that one sweep comes upon, each asked for as seldom as it can be.

Owns which of them are known, which could not be had this time, and from when on these are to be looked for
again. Made for one sweep, and gone with it: two that go on beside each other hide nothing from each other.
Knows nothing of lists, windows and cursors, nor of what is remembered of a batch.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from typing import Final

import structlog

from relay.core.delivery import HOUR
from relay.core.identity import Kind, RunKey, canonical
from relay.core.sweep import Listed, key_of, listed
from relay.runflow import NotFoundError, RateLimitedError, RunflowError, WrongRunError

__all__ = ["BATCHES_KEPT", "UNSEEN_BATCHES", "Batches"]

log: Final = structlog.stdlib.get_logger(__name__)

#: Batches whose callback URL is known, so that each is asked for once.
BATCHES_KEPT: Final = 10_000
#: After so many that cannot be had, a sweep asks for no further ones: where all are slow to fail it would not
#: end.
UNSEEN_BATCHES: Final = 10
#: How long a batch that cannot be had keeps the cursor where it is, microseconds.
UNSEEN_MAX_US: Final = 7 * 24 * HOUR


class Batches:
    """The batches of one sweep."""

    def __init__(self, source: str, *, ask: Callable[[str], Awaitable[object]]) -> None:
        """``ask`` gives a batch as the API has it, or raises a :class:`RunflowError`."""
        self._source = source
        self._ask = ask
        #: Those that were asked for, and what became of it.
        self._known: dict[str, Listed | None] = {}
        #: Those that could not be had, and may be the next time; and when a run of theirs was created.
        self._unseen: dict[str, int | None] = {}
        self._told: set[RunKey] = set()
        #: Whether one was said to be named in a way that nothing can be.
        self._odd = False

    def divide(
        self, runs: Iterable[Listed]
    ) -> tuple[Sequence[Listed], dict[str, Listed]]:
        """Runs that call back by themselves, and by batch one of those whose batch does so: the oldest.

        The newest come first. A batch calls back once for all of its runs; an id that names nothing is none.
        """
        alone: list[Listed] = []
        children: dict[str, Listed] = {}
        for run in runs:
            batch_id = self._caller(run)
            if batch_id is None:
                alone.append(run)
            else:
                children[batch_id] = run
        return alone, children

    async def fetch(self, batch_id: str, child: Listed) -> Listed | None:
        """The batch of a run; None where there is none, or where it cannot be had now.

        Raises:
            RateLimitedError: the API wants to be left in peace.
        """
        if batch_id in self._unseen:
            # Once a sweep is enough; the newest come first.
            self._unseen[batch_id] = child.created_at
            return None
        known = self._known.get(batch_id)
        if known is not None and known.outcome is not None:
            return known
        if len(self._unseen) >= UNSEEN_BATCHES:
            self._unseen[batch_id] = child.created_at
            return None
        batch = await self._fetch(batch_id, child)
        while len(self._known) >= BATCHES_KEPT:
            del self._known[next(iter(self._known))]
        self._known[batch_id] = batch
        return batch

    def to_be_seen(self, now: int) -> Sequence[int]:
        """When runs were created whose batch is to be looked for again; not what has been in vain for long."""
        oldest = now - UNSEEN_MAX_US
        return [at for at in self._unseen.values() if at is not None and at >= oldest]

    def untold(self, news: AbstractSet[RunKey]) -> AbstractSet[RunKey]:
        """Those of the news that were none before.

        The runs of a batch lie on many pages, and nothing remembers it where nothing is to be changed.
        """
        untold = news - self._told
        if len(self._told) < BATCHES_KEPT:
            self._told.update(key for key in untold if key.kind is Kind.BATCH)
        return untold

    def _caller(self, run: Listed) -> str | None:
        """The batch that calls back for a run; None where it does so by itself, or nobody does."""
        named = run.batch_id
        if named is None or run.callback_url is not None:
            return None
        if key_of(self._source, Kind.BATCH, named) is not None:
            return named
        if not self._odd:
            self._odd = True
            log.warning(
                "sweep.batch", source=self._source, reason="unusable_id", run_id=run.id
            )
        return None

    async def _fetch(self, batch_id: str, child: Listed) -> Listed | None:
        try:
            batch = listed(await self._ask(batch_id))
            if batch is not None and canonical(batch.id) != canonical(batch_id):
                raise WrongRunError(f"another batch came: {batch.id}", status=200)
        except RateLimitedError:
            raise
        except RunflowError as error:
            # One batch that cannot be had keeps nobody else from being found.
            log.warning("sweep.batch", source=self._source, reason=error.reason)
            if not isinstance(error, NotFoundError):
                self._unseen[batch_id] = child.created_at
            return None
        return batch
