"""Inquirers: the workers that ask each source's API, about runs that wait and for runs that were missed.

Owns hiring them, letting them go, and replacing those whose settings have changed while all others work
on. Knows nothing of what comes in or goes out.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from relay.app.sweeps import build_client, build_sweeper, unswept
from relay.app.system import System
from relay.core.gate import GatePolicy
from relay.core.inquiry import AskPolicy
from relay.core.pace import Pace
from relay.core.ports import Inquiries, Metrics
from relay.core.retention import Keeping
from relay.core.route import Router
from relay.operate.actions.explaining import Why
from relay.receive.sweep import Sweeper
from relay.reconcile.upstream import ApiUpstream
from relay.reconcile.worker import POLL_S, Inquirer, InquirerOptions
from relay.runflow import Runflow
from relay.settings import Source
from relay.supervise import Supervisor, Worker

__all__ = ["Inquirers"]

#: The last wait between probes of an API that does not answer, in seconds.
PROBE_LAST_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class _Post:
    """One source as it is asked."""

    source: Source
    client: Runflow | None
    inquirer: Inquirer
    #: None where runs that were missed cannot be looked for.
    sweeper: Sweeper | None


class Inquirers:
    """Asks for every source, each by an inquirer that the supervisor keeps alive."""

    def __init__(
        self,
        *,
        inquiries: Inquiries,
        router: Callable[[], Router],
        system: System,
        metrics: Metrics,
        supervisor: Supervisor,
        poll_s: float = POLL_S,
        keeping: Keeping,
    ) -> None:
        """``keeping`` is how long the store remembers whom it has told of."""
        self._inquiries = inquiries
        self._keeping = keeping
        self._router = router
        self._system = system
        self._metrics = metrics
        self._supervisor = supervisor
        self._poll_s = poll_s
        self._posts: dict[str, _Post] = {}
        #: By source, the pace at which it was asked last.
        self._paces: dict[str, tuple[object, Pace]] = {}

    @property
    def workers(self) -> Sequence[str]:
        """The names under which inquirers work."""
        return [name for post in self._posts.values() for name in _workers(post)]

    @property
    def degraded(self) -> Sequence[str]:
        """Sources whose API does not answer now."""
        posts = self._posts.items()
        return [name for name, post in posts if post.inquirer.gate.open]

    def question(self, sources: Iterable[str]) -> None:
        """Runs of these sources wait for the truth."""
        for name in sources:
            post = self._posts.get(name)
            if post is not None:
                post.inquirer.hint()

    @property
    def sources(self) -> Sequence[str]:
        """See :class:`relay.operate.actions.sweeping.Sweepers`."""
        return list(self._posts)

    def sweeper(self, source: str, /) -> Sweeper | Why:
        """See :class:`relay.operate.actions.sweeping.Sweepers`: at one pace with what it does by itself."""
        post = self._posts.get(source)
        if post is None:
            return Why(reason="gone", text="the source is being changed: try again")
        return post.sweeper or unswept(post.source)

    def call_off(self) -> None:
        """End sweeps by hand."""
        for post in self._posts.values():
            if post.sweeper is not None:
                post.sweeper.call_off()

    def employ(self, sources: Iterable[Source], *, public_url: str | None) -> None:
        """Ask for these from now on. ``public_url`` is where their callbacks come."""
        for source in sources:
            self._start(source, public_url)

    async def replace(
        self, sources: Sequence[Source], *, public_url: str | None, within_s: float
    ) -> None:
        """Ask for these and for no others; what stays as it was is not disturbed."""
        wanted = {source.name: source for source in sources}
        leaving = {
            name: post
            for name, post in self._posts.items()
            if (source := wanted.get(name)) is None
            or not _asked_alike(source, post.source)
        }
        for name in leaving:
            del self._posts[name]
        await self._let_go(leaving, within_s=within_s)
        for name, source in wanted.items():
            if name not in self._posts:
                self._start(source, public_url)

    async def close(self) -> None:
        """Close every client."""
        for post in self._posts.values():
            if post.client is not None:
                await post.client.close()

    async def _let_go(self, posts: Mapping[str, _Post], *, within_s: float) -> None:
        names = [name for post in posts.values() for name in _workers(post)]
        for post in posts.values():
            # One that sweeps only by hand is nobody's worker.
            if post.sweeper is not None:
                post.sweeper.stop()
        await self._supervisor.stop(names, within_s=within_s)
        for post in posts.values():
            if post.client is not None:
                await post.client.close()

    def _client(self, source: Source) -> Runflow | None:
        return build_client(source)

    def _pace(self, source: Source) -> Pace:
        """How often a source is asked: an API that wanted peace wants it of whoever asks next, too.

        Another address or another token are somebody else.
        """
        pace, who = Pace(source.api.rate), (source.api.base_url, source.api.token)
        known = self._paces.get(source.name)
        if known is not None and known[0] == who:
            pace.hush(known[1].quiet_until)
        self._paces[source.name] = who, pace
        return pace

    def _start(self, source: Source, public_url: str | None) -> None:
        client, pace = self._client(source), self._pace(source)
        inquirer = Inquirer(
            source.name,
            upstream=None if client is None else _upstream(client, source),
            inquiries=self._inquiries,
            router=self._router,
            clock=self._system.clock,
            metrics=self._metrics,
            pace=pace,
            options=_options(source, asked=client is not None, poll_s=self._poll_s),
        )
        sweeper = build_sweeper(
            source,
            client,
            pace=pace,
            public_url=public_url,
            keeping=self._keeping,
            inquiries=self._inquiries,
            clock=self._system.clock,
            metrics=self._metrics,
            found=inquirer.hint,
        )
        post = self._posts[source.name] = _Post(source, client, inquirer, sweeper)
        for name, work in _workers(post).items():
            self._supervisor.start(Worker(name, work.run, work.stop))


def _upstream(client: Runflow, source: Source) -> ApiUpstream:
    return ApiUpstream(
        client,
        organization=source.api.organization_id,
        timeout_s=source.api.timeout.seconds,
    )


def _options(source: Source, *, asked: bool, poll_s: float) -> InquirerOptions:
    return InquirerOptions(
        policy=AskPolicy(
            asks=asked,
            deadline=source.api.give_up_after.us,
            on_unconfirmed=source.on_unconfirmed,
            redeliver=source.sweep.redeliver,
            grace=source.sweep.grace.us,
            watch_every=source.sweep.every.us,
        ),
        gate=GatePolicy(probe_last_s=PROBE_LAST_S),
        concurrency=source.api.concurrency,
        poll_s=poll_s,
        enriched=source.enrich == "always",
        collapses=source.collapse_client_ref == "first_success",
    )


def _asked_alike(one: Source, other: Source) -> bool:
    return _asking(one) == _asking(other)


def _asking(source: Source) -> tuple[object, ...]:
    """Everything that a post is made of."""
    return (
        source.api,
        source.enrich,
        source.on_unconfirmed,
        source.collapse_client_ref,
        source.sweep,
    )


def _workers(post: _Post) -> dict[str, Inquirer | Sweeper]:
    """Who works for a source, by the names under which they do."""
    name = post.source.name
    found: dict[str, Inquirer | Sweeper] = {f"reconcile.{name}": post.inquirer}
    if post.sweeper is not None and post.source.sweep.enabled:
        found[f"sweep.{name}"] = post.sweeper
    return found
