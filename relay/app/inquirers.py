"""Inquirers: the workers that ask each source's API.

Owns hiring them, letting them go, and replacing those whose settings have changed while all others work
on. Knows nothing of what comes in or goes out.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from relay.app.system import System
from relay.core.gate import GatePolicy
from relay.core.inquiry import AskPolicy
from relay.core.ports import Inquiries, Metrics
from relay.core.route import Router
from relay.reconcile.upstream import ApiUpstream
from relay.reconcile.worker import Inquirer, InquirerOptions
from relay.runflow import Runflow, Timeouts
from relay.settings import Source
from relay.supervise import Supervisor, Worker

__all__ = ["Inquirers", "build_client"]

#: The last wait between probes of an API that does not answer, in seconds.
PROBE_LAST_S: Final = 30.0


def build_client(source: Source) -> Runflow | None:
    """The client of a source's API; None where nothing may be asked.

    It repeats nothing by itself.
    """
    token = source.api.token
    if token is None or source.enrich == "never":
        return None
    timeout_s = source.api.timeout.seconds
    return Runflow(
        token.reveal(),
        base_url=source.api.base_url,
        organization_id=source.api.organization_id,
        retries=0,
        timeouts=Timeouts(
            connect_s=min(5.0, timeout_s), silence_s=timeout_s, total_s=timeout_s
        ),
        body_bytes_max=source.api.response_bytes,
        user_agent="runflow-relay",
    )


@dataclass(frozen=True, slots=True)
class _Post:
    """One source as it is asked."""

    source: Source
    client: Runflow | None
    inquirer: Inquirer


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
    ) -> None:
        self._inquiries = inquiries
        self._router = router
        self._system = system
        self._metrics = metrics
        self._supervisor = supervisor
        self._posts: dict[str, _Post] = {}

    @property
    def workers(self) -> Sequence[str]:
        """The names under which inquirers work."""
        return [_worker(name) for name in self._posts]

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

    def employ(self, sources: Iterable[Source]) -> None:
        """Ask for these from now on."""
        for source in sources:
            self._start(source)

    async def replace(self, sources: Sequence[Source], *, within_s: float) -> None:
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
                self._start(source)

    async def close(self) -> None:
        """Close every client."""
        for post in self._posts.values():
            if post.client is not None:
                await post.client.close()

    async def _let_go(self, posts: Mapping[str, _Post], *, within_s: float) -> None:
        await self._supervisor.stop([_worker(n) for n in posts], within_s=within_s)
        for post in posts.values():
            if post.client is not None:
                await post.client.close()

    def _start(self, source: Source) -> None:
        client = build_client(source)
        inquirer = Inquirer(
            source.name,
            upstream=None if client is None else _upstream(client, source),
            inquiries=self._inquiries,
            router=self._router,
            clock=self._system.clock,
            metrics=self._metrics,
            options=_options(source, asked=client is not None),
        )
        self._posts[source.name] = _Post(source, client, inquirer)
        self._supervisor.start(
            Worker(_worker(source.name), inquirer.run, inquirer.stop)
        )


def _upstream(client: Runflow, source: Source) -> ApiUpstream:
    return ApiUpstream(
        client,
        organization=source.api.organization_id,
        timeout_s=source.api.timeout.seconds,
    )


def _options(source: Source, *, asked: bool) -> InquirerOptions:
    return InquirerOptions(
        policy=AskPolicy(
            asks=asked,
            deadline=source.api.give_up_after.us,
            on_unconfirmed=source.on_unconfirmed,
        ),
        gate=GatePolicy(probe_last_s=PROBE_LAST_S),
        concurrency=source.api.concurrency,
        rate=source.api.rate,
        enriched=source.enrich == "always",
    )


def _asked_alike(one: Source, other: Source) -> bool:
    return (one.api, one.enrich, one.on_unconfirmed) == (
        other.api,
        other.enrich,
        other.on_unconfirmed,
    )


def _worker(source: str) -> str:
    return f"reconcile.{source}"
