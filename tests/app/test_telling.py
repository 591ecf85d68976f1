"""What the relay tells of itself arrives: signed as any event, at others than whom it is about."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from standardwebhooks.webhooks import Webhook

from relay.app.alone import store_alone
from relay.app.holds import holding_alone, holding_of
from relay.app.service import Service
from relay.app.stores import read_ledger
from relay.app.system import System
from relay.core.ledger import DestinationCounts
from relay.core.notice import RELAY_SOURCE
from relay.events import DestinationEvent
from relay.operate.actions.holding import Order
from relay.settings import Settings, parse

pytestmark = pytest.mark.timeout(60, func_only=True)

SECRET = "whsec_b25lIHRoYXQgdGhlIGVuZHBvaW50IGFuZCB0aGUgcmVsYXk="
CONFIG = """
data_dir: {directory}
public: {{listen: "127.0.0.1:0", stop_timeout: 2s}}
operator: {{listen: "127.0.0.1:0"}}
limits: {{min_free_disk: 1MiB}}
sources: [{{name: acme, secret: whsec_c291cmNl}}]
destinations:
  - {{name: orders, kind: file, path: orders.jsonl}}
  - {{name: pager, kind: http, url: "{url}", private: true, secret: "{secret}"}}
routes:
  - {{name: runs, match: [], to: [orders]}}
  - {{name: ops, match: [], to: [pager, orders], operational: true}}
"""


class Pager:
    """An endpoint that believes only what is signed."""

    def __init__(self) -> None:
        self.heard: list[DestinationEvent] = []
        self.news = asyncio.Event()

    async def handle(self, request: web.Request) -> web.Response:
        raw = await request.read()
        Webhook(SECRET).verify(raw, dict(request.headers))
        self.heard.append(DestinationEvent.model_validate_json(raw))
        assert request.headers["webhook-id"] == self.heard[-1].id
        self.news.set()
        return web.Response(status=204)

    async def hears(self, count: int) -> list[str]:
        """What has happened to whom, in the order in which it was told."""
        async with asyncio.timeout(15):
            while len(self.heard) < count:
                self.news.clear()
                await self.news.wait()
        return [f"{one.subject} {one.data.state}" for one in self.heard]


@pytest.fixture
async def pager() -> Pager:
    return Pager()


@pytest.fixture
async def settings(tmp_path: Path, pager: Pager) -> AsyncIterator[Settings]:
    app = web.Application()
    app.router.add_post("/hooks", pager.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/hooks"
    text = CONFIG.format(directory=tmp_path, secret=SECRET, url=url)
    yield await asyncio.to_thread(parse, text, {}, file="relay.yaml")
    await runner.cleanup()


async def test_a_pause_is_told_to_the_others(settings: Settings, pager: Pager) -> None:
    """Nobody else hears of it, the destination itself least of all; and the account balances."""
    async with Service(settings) as service:
        holding = holding_of(
            service.deliveries.warden, service.store, system=System.real()
        )
        await holding.pause("orders", Order(reason="they move"), actor="ada")
        await holding.pause("orders", Order(reason="again"), actor="bob")
        await holding.resume("orders", Order(), actor="ada")
        assert await pager.hears(2) == ["orders paused", "orders resumed"]
        [paused, _] = pager.heard
        assert (paused.data.reason, paused.data.by) == ("they move", "ada")
        assert paused.source == f"/relay/{service.store.installation}"
        await holding.pause("pager", Order(), actor="ada")
    account = await read_ledger(settings)
    assert account.balance().faults == ()
    assert account.sources[RELAY_SOURCE].events == 3
    assert account.destinations["pager"] == DestinationCounts(created=2, delivered=2)
    assert account.destinations["orders"].created == 1


async def test_what_is_ordered_while_no_relay_runs_is_told_when_one_does(
    settings: Settings, pager: Pager
) -> None:
    async with Service(settings):
        pass
    async with store_alone(settings) as store:
        holding = holding_alone(settings, store, system=System.real())
        await holding.pause("orders", Order(), actor="ada")
    async with Service(settings):
        assert await pager.hears(1) == ["orders paused"]
