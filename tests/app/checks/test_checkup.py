"""All looks together: where everything works, and where one stands still."""

import asyncio

from standardwebhooks import Webhook

from relay.app.service import Service
from relay.app.stores import read_ledger
from relay.core.ping import PING_TYPE
from relay.sandbox import Sandbox
from tests.app.checks.looking import SIGNING, Scene, create_run, only
from tests.deliver.endpoint import Connection, Endpoint, Request


async def test_where_everything_works_everything_is_said_to(
    scene: Scene, sandbox: Sandbox
) -> None:
    scene.ask(sandbox)
    scene.source += (
        f", channels: [{{name: org, scheme: standard-webhooks, secret: {SIGNING}}}]"
    )
    async with Endpoint() as endpoint:
        scene.send_to(endpoint.url)
        scene.destinations.append("{name: audit, kind: file, path: events.jsonl}")
        async with Service(await scene.settings()) as service:
            await create_run(sandbox, f"{scene.public_url}/callbacks/acme")
            found = await scene.look(send=True)
            ledger = await read_ledger(service._settings)
    assert [(one.check, one.about, one.result) for one in found] == [
        ("relay", "", "ok"),
        ("store", "", "ok"),
        ("api", "acme", "ok"),
        ("runs", "acme", "ok"),
        ("callbacks", "acme", "ok"),
        ("callbacks", "acme/org", "ok"),
        ("destination", "orders", "ok"),
        ("destination", "audit", "ok"),
    ]
    # Neither probes nor test events are in anybody's account.
    assert [
        (name, counts.receipts, counts.events)
        for name, counts in ledger.sources.items()
    ] in ([], [("acme", 0, 0)])
    assert [counts.created for counts in ledger.destinations.values()] == [0, 0]
    [ping] = endpoint.requests
    event = Webhook(SIGNING).verify(ping.body, ping.headers)
    assert (event["type"], event["subject"]) == (PING_TYPE, "orders")


async def test_without_a_relay_and_without_being_told_to_nothing_is_sent_anywhere(
    scene: Scene,
) -> None:
    async with Endpoint() as endpoint:
        scene.send_to(endpoint.url)
        scene.destinations.append("{name: audit, kind: file, path: events.jsonl}")
        found = await scene.look()
        await endpoint.ended.wait()
    assert endpoint.requests == []
    assert [*scene.directory.iterdir()] == []
    assert {one.check: one.result for one in found} == {
        "relay": "skipped",
        "store": "ok",
        "api": "skipped",
        "runs": "skipped",
        "callbacks": "unknown",
        "destination": "ok",
    }


async def test_what_stands_still_holds_up_nobody_else_and_is_left_in_time(
    scene: Scene,
) -> None:
    """Nobody answers before all have been asked: who asks one after the other is never answered."""
    asked = asyncio.Semaphore(0)
    all_asked = asyncio.Event()

    async def together(_request: Request, connection: Connection) -> None:
        asked.release()
        await all_asked.wait()
        await connection.say(b"HTTP/1.1 204 No Content\r\n\r\n")

    async def silent(_request: Request, _connection: Connection) -> None:
        asked.release()
        await asyncio.Event().wait()

    async with (
        Endpoint(together) as one,
        Endpoint(together) as two,
        Endpoint(silent) as way,
    ):
        scene.public_url = way.url.removesuffix("/hooks")
        scene.send_to(one.url)
        scene.destinations += [d.replace("orders", "other") for d in scene.destinations]
        scene.destinations[1] = scene.destinations[1].replace(one.url, two.url)
        async with asyncio.timeout(15), asyncio.TaskGroup() as tasks:
            looking = tasks.create_task(scene.look(send=True, limit_s=5.0))
            for _ in range(3):
                await asked.acquire()
            all_asked.set()
    found = looking.result()
    assert [one.result for one in found if one.check == "destination"] == ["ok", "ok"]
    late = only(found, "callbacks")
    assert (late.result, late.found) == ("failed", "no answer within 5 s")
    assert "firewall" in late.remedy
