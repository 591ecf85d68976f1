"""Sweeps: who sweeps a source, or why nobody can, whether or not a relay runs.

Owns making a sweeper of a source's settings, and the few objects that a sweep by hand needs where nothing
runs: the clients and the sweepers. Knows nothing of who asks for a sweep.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from relay.app.alone import store_alone
from relay.app.stores import keeping_of
from relay.app.system import System
from relay.core.pace import Pace
from relay.core.ports import Clock, Inquiries, Metrics
from relay.core.retention import Keeping
from relay.core.sweep import SweepPolicy
from relay.observe.metrics import PrometheusMetrics
from relay.operate.actions.explaining import Why
from relay.operate.actions.sweeping import Sweeping
from relay.receive.sweep import ApiList, Sweeper, SweepOptions
from relay.reconcile.turns import Turns
from relay.runflow import Runflow, Timeouts
from relay.settings import Settings, Source

__all__ = ["build_client", "build_sweeper", "sweep_policy", "sweeping_alone", "unswept"]


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


def build_sweeper(
    source: Source,
    client: Runflow | None,
    *,
    pace: Pace,
    public_url: str | None,
    keeping: Keeping,
    inquiries: Inquiries,
    clock: Clock,
    metrics: Metrics,
    found: Callable[[], None],
) -> Sweeper | None:
    """Who sweeps a source, whether or not it does so by itself; None where nobody can.

    It keeps to the pace, which others may keep to as well, and looks for nobody whom the store may have
    forgotten (``keeping``).
    """
    policy = sweep_policy(source, public_url, keeping)
    if client is None or policy is None:
        return None
    return Sweeper(
        source.name,
        runs=ApiList(
            client.with_options(pacer=Turns(pace)),
            source=source.name,
            organization=source.api.organization_id,
        ),
        inquiries=inquiries,
        clock=clock,
        found=found,
        metrics=metrics,
        options=SweepOptions(policy=policy, rate=source.api.rate),
    )


def sweep_policy(
    source: Source, public_url: str | None, keeping: Keeping
) -> SweepPolicy | None:
    """How a source is swept; None where nobody can tell which runs are ours."""
    sweep = source.sweep
    if sweep.only == "own_callbacks" and public_url is None:
        return None
    own = f"{(public_url or '').rstrip('/')}/callbacks/{source.name}"
    return SweepPolicy(
        every=sweep.every.us,
        overlap=sweep.overlap.us,
        grace=sweep.grace.us,
        reach=sweep.since.us,
        callback_urls=(own,) if sweep.only == "own_callbacks" else None,
        keeping=keeping,
    )


def unswept(source: Source) -> Why:
    """Why a source has no sweeper."""
    if source.api.token is None:
        return Why(
            reason="no_token",
            text="nobody can ask Runflow: set the source's `api.token` (scope `runs:read`)",
        )
    if source.enrich == "never":
        return Why(
            reason="never_asked",
            text="nobody may ask Runflow: the source says `enrich: never`",
        )
    return Why(
        reason="no_public_url",
        text="nobody can tell which runs are this relay's: set `public.url`, or the source's"
        " `sweep.only: all`",
    )


class _Alone:
    """Sweepers of a relay that does not run."""

    def __init__(self, sweepers: Mapping[str, Sweeper | Why]) -> None:
        self._sweepers = sweepers

    @property
    def sources(self) -> Sequence[str]:
        return list(self._sweepers)

    def sweeper(self, source: str, /) -> Sweeper | Why:
        return self._sweepers[source]


@asynccontextmanager
async def sweeping_alone(
    settings: Settings, *, system: System | None = None
) -> AsyncIterator[Sweeping]:
    """Open the store and sweep; whoever serves it next, or beside, asks about what was found.

    Raises:
        StoreTakenError: a relay is serving the store, which only one process may.
        MisconfiguredError: the store cannot work as configured.
        StoreBusyError: it does not answer.
    """
    world = system or System.real()
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(store_alone(settings, system=world))
        sweepers: dict[str, Sweeper | Why] = {}
        for source in settings.sources:
            client = build_client(source)
            if client is not None:
                stack.push_async_callback(client.close)
            sweeper = build_sweeper(
                source,
                client,
                pace=Pace(source.api.rate),
                public_url=settings.public.url,
                keeping=keeping_of(settings),
                inquiries=store,
                clock=world.clock,
                # Nobody asks a command for its metrics.
                metrics=PrometheusMetrics(),
                found=_nobody,
            )
            sweepers[source.name] = sweeper or unswept(source)
        yield Sweeping(_Alone(sweepers), clock=world.clock)


def _nobody() -> None:
    """Nobody asks here."""
