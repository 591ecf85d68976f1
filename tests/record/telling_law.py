"""What the relay tells of itself: the law of operational events, for every store."""

import asyncio
import json
from typing import Any

import pytest

from relay.core.delivery import Refused
from relay.core.errors import RelayError
from relay.core.holding import Alarm, Note
from relay.core.ledger import DestinationCounts, SourceCounts
from relay.core.notice import RELAY_SOURCE
from relay.core.replay import Selection
from relay.core.route import Route, Router, compile_match
from tests.fakes import NOW_US
from tests.record.harness import StoreHarness, Stumbled
from tests.record.holding_law import condition, hold, resume
from tests.record.receipts import callback
from tests.record.replaying import order, work

__all__ = ["TellingLaw", "alarm", "heard", "listening"]


def listening(*to: str, when: object = ()) -> Router:
    """Routes that tell these destinations of what happens to others; runs go everywhere."""
    match = compile_match(list(when) if when == () else when)
    return Router(
        routes=[Route(name="ops", match=match, to=to, operational=True)],
        destinations=["lake", "orders"],
    )


def alarm(step: int = 1, destination: str = "lake") -> Alarm:
    day = 24 * 3600 * 1_000_000
    return Alarm(
        destination=destination,
        since=NOW_US - day,
        at=NOW_US,
        disabled_at=NOW_US + 4 * day,
        step=step,
    )


async def heard(
    harness: StoreHarness, destination: str = "orders"
) -> list[dict[str, Any]]:
    """Operational events that can be claimed there, until there are no more: one after the other."""
    found = []
    while parcels := await harness.claim(destination):
        for parcel in parcels:
            assert parcel.letter.event.id == parcel.letter.event_id
            found.append(json.loads(parcel.letter.event.structured))
        await harness.settle(*parcels)
    return [event for event in found if event["source"].startswith("/relay/")]


def _stumble() -> None:
    raise Stumbled


class TellingLaw:
    """Whatever happens to a destination is told once, with the change, and to others alone."""

    async def test_all_that_happens_is_told_once_and_in_order(
        self, harness: StoreHarness
    ) -> None:
        harness.router = listening("orders")
        await hold(harness)
        await hold(harness, kind="disabled")
        await resume(harness)
        assert await harness.store.alarm(alarm())
        assert await harness.store.fall_behind("lake")
        events = await heard(harness)
        assert [event["type"].rpartition(".")[2] for event in events] == [
            "paused",
            "disabled",
            "resumed",
            "failing",
            "behind",
        ]
        assert [event["revision"] for event in events] == [1, 2, 3, 4, 5]
        assert len({event["id"] for event in events}) == 5
        assert {event["source"] for event in events} == {
            f"/relay/{harness.store.installation}"
        }
        assert await heard(harness, "lake") == []
        ledger = await harness.audit()
        assert ledger.sources[RELAY_SOURCE] == SourceCounts(
            receipts=5, first=5, opened=5, events=5
        )
        assert ledger.destinations["orders"] == DestinationCounts(
            created=5, delivered=5
        )

    async def test_what_changes_nothing_is_not_told(
        self, harness: StoreHarness
    ) -> None:
        """Also not of two relays that find out the same: the store knows which of them was first."""
        harness.router = listening("orders")
        await resume(harness)
        await hold(harness, kind="disabled")
        await hold(harness)
        assert await harness.store.alarm(alarm(2))
        assert not await harness.store.alarm(alarm(2))
        assert not await harness.store.alarm(alarm(1))
        assert not await harness.store.alarm(alarm(1, "nowhere"))
        assert await harness.store.fall_behind("lake")
        assert not await harness.store.fall_behind("lake")
        assert await harness.count("events") == 3

    async def test_who_works_again_is_warned_of_anew(
        self, harness: StoreHarness
    ) -> None:
        assert await harness.store.alarm(alarm())
        await resume(harness)
        assert not await harness.store.alarm(alarm())
        await hold(harness)
        await resume(harness)
        assert await harness.store.alarm(alarm())
        for since, told in ((1, False), (1, False), (2, True), (None, True)):
            # It fails, fails on, fails anew after a silence, and works.
            await harness.store.note([Note(destination="lake", failing_since=since)])
            assert await harness.store.alarm(alarm()) is told

    async def test_nothing_is_told_of_a_change_that_was_not_committed(
        self, harness: StoreHarness
    ) -> None:
        """Whether the process died there, or something went wrong."""
        harness.router = listening("orders")
        await harness.killed_at("before-commit", hold(harness))
        await harness.reopen()
        assert (await condition(harness)).hold is None
        harness.checkpoints.at("before-commit", _stumble)
        with pytest.raises(RelayError):
            await harness.store.fall_behind("lake")
        harness.checkpoints.clear()
        assert (await condition(harness)).behind_from is None
        assert await harness.count("events") == 0

    async def test_a_change_that_was_committed_is_told_after_any_end(
        self, harness: StoreHarness
    ) -> None:
        """In the same bytes each time it is read."""
        harness.router = listening("orders")
        await harness.killed_at("after-commit", hold(harness))
        await harness.reopen()
        [first] = await harness.claim("orders")
        await harness.reopen()
        [again] = await harness.claim("orders")
        assert first.letter.event.structured == again.letter.event.structured
        await harness.settle(again)

    async def test_nobody_is_told_of_themselves(self, harness: StoreHarness) -> None:
        """So that who is told of pauses alone, and is paused, makes no circle."""
        harness.router = listening("lake", "orders")
        await hold(harness, "orders")
        await resume(harness, "orders")
        assert await heard(harness, "orders") == []
        assert len(await heard(harness, "lake")) == 2

    async def test_where_nobody_listens_nothing_is_made(
        self, harness: StoreHarness
    ) -> None:
        """Neither without routes nor with such as are for runs: the audit has it in any case."""
        await hold(harness)
        assert await harness.count("events") == 0
        assert await harness.count("audit") == 1
        assert RELAY_SOURCE not in (await harness.audit()).sources

    async def test_what_no_route_takes_is_counted(self, harness: StoreHarness) -> None:
        harness.router = listening(
            "orders", when={"exact": {"type": "io.runflow.relay.destination.behind"}}
        )
        await hold(harness)
        account = (await harness.audit()).sources[RELAY_SOURCE]
        assert (account.events, account.unrouted) == (1, 1)
        assert await harness.store.fall_behind("lake")
        assert [event["data"]["state"] for event in await heard(harness)] == ["behind"]

    async def test_it_shares_a_commit_with_callbacks(
        self, harness: StoreHarness
    ) -> None:
        """Each with numbers of its own."""
        harness.router = listening("orders")
        await harness.together(
            harness.store.record([callback("run_1")]),
            hold(harness),
            harness.store.record([callback("run_2")]),
            resume(harness),
        )
        assert len(await heard(harness)) == 2
        assert await harness.count("events") == 4

    async def test_whoever_delivers_is_told_that_something_waits(
        self, harness: StoreHarness
    ) -> None:
        harness.router = listening("orders")
        await hold(harness)
        assert harness.handover.hinted == ["orders"]

    async def test_a_dead_one_is_found_and_sent_again(
        self, harness: StoreHarness
    ) -> None:
        harness.router = listening("orders")
        await hold(harness)
        [parcel] = await harness.claim("orders")
        refused = Refused(reason="too_large", detail="")
        await harness.settle(parcel, outcome=refused)
        [ended] = (await harness.letters().page(Selection(), "orders", limit=9)).items
        assert ended.event_id == str(parcel.letter.event_id)
        assert (ended.outcome.value, ended.is_kept) == ("paused", True)
        findings = await harness.find(ended.event_id, None)
        assert findings.histories[0].events[0].id == ended.event_id
        await order(harness, origin="orders")
        assert await work(harness, harness.router) == 1
        [again] = await harness.claim("orders")
        assert again.letter.event.structured == parcel.letter.event.structured
        await harness.settle(again)

    async def test_a_backfill_sends_it_to_nobody_whom_no_route_tells(
        self, harness: StoreHarness
    ) -> None:
        """Also where runs go everywhere, and least of all to whom it is about."""
        harness.router = listening("lake")
        await hold(harness, "orders")
        for target in ("orders", "lake"):
            await order(harness, Selection(what="missing"), target=target)
            assert await work(harness, harness.router) == 0
        await resume(harness, "orders")
        assert len(await heard(harness, "lake")) == 2

    async def test_it_is_forgotten_when_its_time_is_over(
        self, harness: StoreHarness
    ) -> None:
        harness.router = listening("orders")
        await hold(harness)
        await heard(harness)
        harness.days_pass(3650)
        await harness.forget()
        await harness.audit()
        await asyncio.gather(resume(harness))
        assert [event["data"]["state"] for event in await heard(harness)] == ["resumed"]
