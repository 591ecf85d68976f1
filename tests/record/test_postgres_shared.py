"""Several relays on one database, and a database that is not what it should be."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import asyncpg
import pytest

from relay.core.errors import MisconfiguredError, StoreBusyError
from relay.core.identity import Outcome
from relay.core.ports import Recorded, Wish
from relay.core.replay import Selection
from relay.core.run import Verdict
from relay.record.postgres import resending
from relay.record.postgres.store import PostgresStore
from tests.fakes import NOW_US
from tests.postgres.fixtures import Database
from tests.postgres.local_postgres import LocalPostgres
from tests.record.answers import ask
from tests.record.harness import Bounds
from tests.record.holding_law import hold, resume
from tests.record.postgres_harness import PostgresHarness
from tests.record.receipts import EVERYWHERE, callback, odd, partial
from tests.record.replaying import die, order, work
from tests.record.telling_law import alarm, heard, listening

pytestmark = pytest.mark.postgres


@pytest.fixture
async def pair(
    database: Database,
) -> AsyncIterator[tuple[PostgresHarness, PostgresHarness]]:
    one, two = PostgresHarness(database.url), PostgresHarness(database.url)
    await asyncio.gather(one.open(), two.open())
    try:
        yield one, two
        await one.audit()
    finally:
        await one.vanish()
        await two.vanish()


@pytest.fixture
async def place(database: Database) -> AsyncIterator[PostgresHarness]:
    harness = PostgresHarness(database.url)
    yield harness
    await harness.vanish()


async def silence(harness: PostgresHarness) -> None:
    """From now on it beats by hand alone: its own beat could come between any two lines of a test.

    One that is under way has ended when this returns: a connection does one thing at a time.
    """
    assert isinstance(harness.store, PostgresStore)
    assert harness.store._thread is not None
    assert harness.store._leases is not None
    beating = harness.store._leases._beating
    assert beating is not None

    async def cease() -> None:
        beating.cancel()
        await asyncio.wait([beating])

    await harness.store._thread.run(cease())


async def beat(harness: PostgresHarness) -> None:
    assert isinstance(harness.store, PostgresStore)
    assert harness.store._thread is not None
    assert harness.store._leases is not None
    await harness.store._thread.run(harness.store._leases._beat())


# --- several relays -------------------------------------------------------------------------------


async def test_relays_that_start_together_make_one_schema(
    pair: tuple[PostgresHarness, PostgresHarness],
) -> None:
    one, two = pair
    assert one.store.installation == two.store.installation != ""
    assert one.store.incarnation != two.store.incarnation


async def test_a_run_that_several_relays_hear_of_at_once_is_one_event(
    pair: tuple[PostgresHarness, PostgresHarness],
) -> None:
    names = [f"run_{number}" for number in range(40)]
    jobs = [
        harness.store.record([callback(run, note=note)])
        for run in names
        for harness, note in zip(pair, ("", "again"), strict=True)
    ]
    answers = await asyncio.gather(*jobs)
    verdicts = [a.verdict for [a] in answers if isinstance(a, Recorded)]
    assert verdicts.count(Verdict.FIRST) == verdicts.count(Verdict.DUPLICATE) == 40
    assert await pair[0].count("events") == await pair[0].count("runs") == 40


async def test_equal_bytes_in_quarantine_are_one_row_whoever_keeps_them(
    pair: tuple[PostgresHarness, PostgresHarness],
) -> None:
    await asyncio.gather(*(it.one(odd(b"[]")) for it in pair for _ in range(5)))
    assert await pair[0].receipts() == [("quarantined", 10)]


async def test_a_delivery_is_leased_to_one_relay(
    pair: tuple[PostgresHarness, PostgresHarness],
) -> None:
    one, _ = pair
    await one.store.record([callback(f"run_{number}") for number in range(60)])
    found = await asyncio.gather(*(it.claim(limit=7) for _ in range(10) for it in pair))
    numbers = [parcel.number for parcels in found for parcel in parcels]
    assert len(numbers) == len(set(numbers)) == 60
    mine = [p for parcels in found[::2] for p in parcels]
    assert all(await one.settle(*mine))


async def test_what_one_relay_has_fresh_another_leaves_alone(
    pair: tuple[PostgresHarness, PostgresHarness],
) -> None:
    one, two = pair
    one.handover.left = {"lake": 1}
    await one.one(callback())
    assert await two.claim("lake") == []
    assert len(await two.claim("orders")) == 1


async def test_a_living_relay_keeps_its_leases_and_a_dead_one_loses_them(
    pair: tuple[PostgresHarness, PostgresHarness],
) -> None:
    one, two = pair
    await silence(one)
    await silence(two)
    await one.store.record([callback("run_1"), callback("run_2")])
    [held] = await one.claim(limit=1)
    [dead] = await two.claim(limit=1)
    await beat(one)
    assert await one.claim() == []
    await one.execute(
        "UPDATE incarnations SET expires_at = now() - interval '1 second' WHERE number = ?",
        two.store.incarnation,
    )
    await beat(one)
    [again] = await one.claim()
    assert again.number == dead.number
    assert await two.settle(dead) == [False]
    assert await one.settle(held, again) == [True, True]


async def test_who_was_taken_for_dead_begins_anew(
    pair: tuple[PostgresHarness, PostgresHarness],
) -> None:
    one, two = pair
    await silence(one)
    await silence(two)
    before = two.store.incarnation
    await one.execute(
        "UPDATE incarnations SET expires_at = now() - interval '1 second' WHERE number = ?",
        before,
    )
    await beat(one)
    # What it leased now would never be freed, should it really die.
    two.handover.left = {"lake": 1}
    await two.one(callback("run_0"))
    assert await two.claim("lake") == []
    assert [delivery.leased for delivery in await two.deliveries()] == [False, False]
    two.handover.left = {}
    await beat(two)
    assert two.store.incarnation > before
    assert len(await two.deliver_all("lake")) == 1
    await two.one(callback())
    [parcel] = await two.claim("lake")
    await beat(one)
    assert await two.settle(parcel) == [True]


async def test_a_relay_hears_of_what_another_has_stored(
    pair: tuple[PostgresHarness, PostgresHarness],
) -> None:
    """Once for all of a moment, and never of its own."""
    one, two = pair
    await one.store.record([callback("run_1"), callback("run_2")])
    async with asyncio.timeout(5):
        while not two.handover.hinted:
            await asyncio.wait(
                [asyncio.get_running_loop().create_future()], timeout=0.01
            )
    assert sorted(two.handover.hinted) == ["lake", "orders"]
    # What its own commit said, and nothing from outside.
    assert sorted(one.handover.hinted) == ["lake", "orders"]


async def test_a_relay_that_stops_frees_what_it_held_at_once(
    pair: tuple[PostgresHarness, PostgresHarness],
) -> None:
    one, two = pair
    await one.one(callback())
    assert len(await one.claim("lake")) == 1
    await one.close()
    assert len(await two.claim("lake")) == 1
    await one.open()


async def test_a_later_revision_waits_for_the_earlier_one_at_another_relay(
    pair: tuple[PostgresHarness, PostgresHarness],
) -> None:
    one, two = pair
    await one.one(callback("run_1"))
    [first] = await two.claim("lake")
    await one.revise("run_1", outcome=Outcome.FAILED, to=["lake"])
    assert await one.claim("lake") == []
    assert await two.settle(first) == [True]
    assert len(await one.claim("lake")) == 1


async def test_what_waits_of_a_source_that_only_another_relay_heard_of_is_asked_for(
    pair: tuple[PostgresHarness, PostgresHarness],
) -> None:
    one, two = pair
    await one.one(partial())
    assert await two.store.next_inquiry("acme") == NOW_US
    assert len(await ask(two)) == 1


async def test_a_relay_sends_again_of_a_source_that_it_has_not_heard_of(
    pair: tuple[PostgresHarness, PostgresHarness],
) -> None:
    one, two = pair
    await die(one, "run_1")
    await order(one, Selection(source="acme"))
    assert await work(two) == 1


async def test_sources_that_are_not_wanted_are_left_alone_whoever_heard_of_them(
    pair: tuple[PostgresHarness, PostgresHarness],
) -> None:
    one, two = pair
    await one.one(callback("run_1"))
    await one.one(callback("run_2", source="other"))
    wish = Wish(first=9, size=1 << 20, now=NOW_US, but=("acme",))
    [parcel] = await two.store.claim("lake", wish)
    assert parcel.letter.facts.key.source == "other"


async def test_what_another_relay_sends_again_between_look_and_lock_is_not_sent_twice(
    pair: tuple[PostgresHarness, PostgresHarness], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two orders that overlap, each worked at by a relay of its own."""
    one, two = pair
    await die(one, "run_1")
    await order(one)
    await order(one)
    loop, look = asyncio.get_running_loop(), resending._look
    looks = []

    async def looked(*given: Any) -> Any:
        found = await look(*given)
        looks.append(found)
        if len(looks) == 1:
            other = two.store.resend(EVERYWHERE)
            await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(other, loop))
        return found

    monkeypatch.setattr(resending, "_look", looked)
    resent = await one.store.resend(EVERYWHERE)
    assert resent is not None
    assert resent.made == 0
    rows = await one.rows("SELECT generation FROM deliveries ORDER BY generation")
    assert [row[0] for row in rows] == [1, 2]


# --- a server that fails --------------------------------------------------------------------------


async def test_what_was_acknowledged_survives_the_servers_death(
    place: PostgresHarness, database: Database
) -> None:
    await place.open()
    await place.one(callback("run_1"))
    await asyncio.to_thread(database.server.kill)
    with pytest.raises(StoreBusyError):
        await place.store.record([callback("run_2")])
    await asyncio.to_thread(database.server.start)
    assert (await place.one(callback("run_1"))).verdict is Verdict.DUPLICATE
    assert (await place.one(callback("run_2"))).verdict is Verdict.FIRST
    await place.audit()


async def test_a_server_that_hangs_keeps_nobody_waiting_for_ever(
    place: PostgresHarness, database: Database
) -> None:
    place.bounds = Bounds(ack_timeout_s=0.1)
    await place.open()
    await asyncio.to_thread(database.server.pause)
    with pytest.raises(StoreBusyError, match="in time"):
        await place.store.record([callback("run_1")])
    await asyncio.to_thread(database.server.resume)
    place.bounds = Bounds()
    await place.restart()
    recorded = await place.one(callback("run_1"))
    assert recorded.verdict in (Verdict.FIRST, Verdict.DUPLICATE)
    await place.audit()


async def test_an_idle_connection_that_broke_off_is_made_again(
    place: PostgresHarness,
) -> None:
    await place.open()
    await place.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'runflow-relay'"
    )
    # Found out before it is used, or by using it: then this one is told to come again.
    with suppress(StoreBusyError):
        await place.store.record([callback("run_1")])
    assert (await place.one(callback("run_2"))).verdict is Verdict.FIRST
    await place.audit()


# --- a server that cannot be trusted ---------------------------------------------------------------


@pytest.mark.parametrize("setting", ["fsync", "full_page_writes"])
async def test_a_server_that_may_forget_is_refused(setting: str) -> None:
    server = await asyncio.to_thread(LocalPostgres, settings={setting: "off"})
    try:
        await asyncio.to_thread(server.start)
        place = PostgresHarness(server.url("postgres"))
        with pytest.raises(MisconfiguredError, match=f"{setting}=off"):
            await place.open()
        await place.vanish()
    finally:
        await asyncio.to_thread(server.close)


async def test_a_database_that_does_not_wait_for_its_log_is_refused(
    place: PostgresHarness, database: Database
) -> None:
    admin = await asyncpg.connect(database.server.administrator_url(database.name))
    await admin.execute(
        f'ALTER DATABASE "{database.name}" SET synchronous_commit = off'
    )
    await admin.close()
    with pytest.raises(MisconfiguredError, match="synchronous_commit=off"):
        await place.open()


async def test_a_schema_of_a_newer_program_is_refused(place: PostgresHarness) -> None:
    await place.open()
    await place.close()
    await place.execute("UPDATE meta SET value = '999' WHERE key = 'schema'")
    with pytest.raises(MisconfiguredError, match="start the newer program"):
        await place.open()


async def test_nobody_there_is_no_mistake_of_the_configuration() -> None:
    place = PostgresHarness("postgresql://relay@127.0.0.1:9/relay")
    with pytest.raises(StoreBusyError, match="does not answer"):
        await place.open()
    await place.vanish()


async def test_a_wrong_password_is_a_mistake_and_is_not_repeated(
    database: Database,
) -> None:
    url = database.url.replace(database.server.password, "whsec-wrong")
    place = PostgresHarness(url)
    with pytest.raises(MisconfiguredError) as told:
        await place.open()
    assert "whsec-wrong" not in str(told.value)
    await place.vanish()


async def test_what_two_relays_do_at_once_is_told_once(
    pair: tuple[PostgresHarness, PostgresHarness],
) -> None:
    """Whoever is second finds nothing to change; and of what is told, the order is that of the changes."""
    one, two = pair
    one.router = two.router = listening("orders")
    for turn in range(6):
        again = [hold(it) if turn % 2 == 0 else resume(it) for it in (one, two, one)]
        found, *_ = await asyncio.gather(
            asyncio.gather(*again),
            one.store.record([callback(f"run_{turn}")]),
            two.store.record([callback(f"run_{turn}"), callback(f"other_{turn}")]),
        )
        assert sum(change.is_news for change in found) == 1
    assert sorted(await asyncio.gather(*(it.store.alarm(alarm()) for it in pair))) == [
        False,
        True,
    ]
    events = await heard(one)
    states = [event["data"]["state"] for event in events]
    assert states == ["paused", "resumed"] * 3 + ["failing"]
    assert [event["revision"] for event in events] == [1, 2, 3, 4, 5, 6, 7]
