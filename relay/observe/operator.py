"""Operator listener: liveness, readiness and metrics.

Owns ``GET /healthz``, ``GET /readyz`` and ``GET /metrics``. Whoever is answered on the first knows that the process
runs; that is asked here because senders cannot fill this listener, and a relay that is full is not dead. Readiness
fails only when this process cannot do its work on the store; a destination that does not answer is *degraded* in
the body of a 200, because traffic must keep coming in. Error texts are never shown.
"""

import os
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Literal, Protocol

from aiohttp import web
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from relay.core.errors import MisconfiguredError, RelayError
from relay.core.ledger import Ledger
from relay.core.ports import Metrics

__all__ = ["Health", "OperatorListener", "Readiness"]

State = Literal["starting", "ready", "draining", "failed"]


class Readiness(Protocol):
    """What readiness is made of."""

    @property
    def state(self) -> State:
        """Where the process is in its life."""
        ...

    @property
    def reasons(self) -> Sequence[str]:
        """Why it is not ready, in closed words."""
        ...

    @property
    def degraded(self) -> Sequence[str]:
        """Destinations that do not answer now."""
        ...


class Health:
    """The body of ``/readyz``, decided from a Readiness."""

    def __init__(self, readiness: Readiness) -> None:
        self._readiness = readiness

    def report(self) -> tuple[bool, dict[str, object]]:
        """Whether it is ready, and what to show."""
        reasons = list(self._readiness.reasons)
        ready = self._readiness.state == "ready" and not reasons
        return ready, {
            "ready": ready,
            "state": self._readiness.state,
            "reasons": reasons,
            "degraded": list(self._readiness.degraded),
        }


class OperatorListener:
    """Serves the operator's routes."""

    def __init__(
        self,
        *,
        host: str,
        port: int,
        health: Health,
        exposition: Callable[[], bytes],
        metrics: Metrics,
        ledger: Callable[[], Awaitable[Ledger]],
    ) -> None:
        self._host = host
        self.port = port
        self._health = health
        self._exposition = exposition
        self._metrics = metrics
        self._ledger = ledger
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Bind and listen.

        Raises:
            MisconfiguredError: the address cannot be bound.
        """
        app = web.Application()
        app.on_response_prepare.append(_tell_no_versions)
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/metrics", self._metrics_page)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=2.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self.port)
        try:
            await site.start()
        except OSError as error:
            raise MisconfiguredError(
                f"cannot listen on {self._host}:{self.port}: "
                f"{os.strerror(error.errno) if error.errno else error}"
            ) from error
        self.port = self._runner.addresses[0][1]

    async def close(self) -> None:
        """Stop listening. Idempotent and bounded."""
        if self._runner is not None:
            runner, self._runner = self._runner, None
            await runner.cleanup()

    async def _healthz(self, _: web.Request) -> web.Response:
        return web.json_response({"result": "ok"})

    async def _readyz(self, _: web.Request) -> web.Response:
        ready, body = self._health.report()
        return web.json_response(body, status=200 if ready else 503)

    async def _metrics_page(self, _: web.Request) -> web.Response:
        ready, _body = self._health.report()
        self._metrics.gauge("runflow_relay_ready", int(ready))
        # What is counted in memory is still worth showing when the store is not.
        with suppress(RelayError):
            self._show(await self._ledger())
        return web.Response(
            body=self._exposition(), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )

    def _show(self, ledger: Ledger) -> None:
        for name, source in ledger.sources.items():
            for counter, value in source.items():
                self._metrics.gauge(
                    "runflow_relay_source_outcomes", value, source=name, outcome=counter
                )
        for name, destination in ledger.destinations.items():
            for counter, value in destination.items():
                self._metrics.gauge(
                    "runflow_relay_deliveries", value, destination=name, outcome=counter
                )


async def _tell_no_versions(_: web.Request, response: web.StreamResponse) -> None:
    """Where this is missing, aiohttp names itself and Python, with their versions."""
    response.headers["Server"] = "runflow-relay"
