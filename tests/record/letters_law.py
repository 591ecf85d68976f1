"""What has ended is looked at: the law of that, for every store."""

from collections.abc import Mapping
from typing import Any

import pytest

from relay.core.deadletter import Ended, UnknownNameError
from relay.core.delivery import Delivered, Failed, Fault, Refused
from relay.core.replay import ReplayState, Selection, What
from relay.record.letters import BaseLetters
from tests.record.harness import StoreHarness
from tests.record.receipts import callback, routed
from tests.record.replaying import order, runs_of, work

GONE = Refused(reason="status_410", status=410)
LARGE = Refused(reason="too_large")
UNFIT = Failed(reason="status_422", fault=Fault.EVENT, status=422)
TIMEOUT = Failed(reason="timeout", fault=Fault.EVENT)
MINUTE = 60_000_000
NOT_NOW = Failed(reason="status_400", fault=Fault.EVENT, detail="no")


class LettersLaw:
    """Everything that is dead is counted, listed once, and found under any of its names."""

    async def test_the_dead_are_counted_by_destination_and_reason(
        self, harness: StoreHarness
    ) -> None:
        await _ended(harness)
        heaps = await harness.letters().heaps(Selection(), None)
        found = [(one.destination, one.reason, one.count, one.expired) for one in heaps]
        assert found == [
            ("lake", "status_410", 2, 0),
            ("lake", "too_large", 1, 0),
            ("orders", "status_410", 1, 0),
        ]
        [large] = await harness.letters().heaps(Selection(reason="too_large"), "lake")
        assert large.first == large.last
        assert large.oldest == large.newest

    async def test_who_died_of_age_is_found_by_its_last_try_too(
        self, harness: StoreHarness
    ) -> None:
        """And is sent again by the same word; what was said before the last try does not count."""
        tries = {
            "run_1": (NOT_NOW, UNFIT),
            "run_2": (UNFIT, TIMEOUT),
            "run_3": (TIMEOUT, NOT_NOW),
        }
        for run in tries:
            await harness.one(callback(run))
        for number in range(2):
            for parcel in await harness.claim():
                end = tries[parcel.letter.facts.key.id][number]
                await harness.settle(parcel, outcome=end)
            harness.clock.advance(seconds=8 * 24 * 3600)
        letters = harness.letters()
        for reason, expected in (
            ("expired", {"run_1", "run_2", "run_3"}),
            ("status_422", {"run_1"}),
            ("timeout", {"run_2"}),
            ("status_410", set()),
        ):
            chosen = Selection(reason=reason)
            page = await letters.page(chosen, None, limit=9)
            assert {one.key.id for one in page.items} == expected
            heaps = await letters.heaps(chosen, "lake")
            assert sum(heap.count for heap in heaps) == len(expected)
        # Tries may be forgotten before the letter is; the list shows its last status all the same.
        await harness.close()
        await harness.execute("DELETE FROM attempts")
        await harness.open()
        await order(harness, Selection(reason="status_422"))
        assert await work(harness) == 1
        assert runs_of(await harness.claim()) == ["run_1"]

    async def test_pages_are_newest_first_and_leave_nothing_out(
        self, harness: StoreHarness
    ) -> None:
        await _ended(harness)
        letters, before = harness.letters(), None
        seen: list[Ended] = []
        while True:
            page = await letters.page(Selection(), None, limit=2, before=before)
            seen += page.items
            before = page.next
            if before is None:
                break
        assert len(seen) == 4
        assert [one.settled_at for one in seen] == sorted(
            (one.settled_at for one in seen), key=lambda at: -(at or 0)
        )
        assert {one.key.id for one in seen} == {"run_1", "run_2", "run_3", "run_4"}
        [large] = [one for one in seen if one.reason == "too_large"]
        assert (large.client_ref, large.is_kept) == ("order-3", True)

    @pytest.mark.parametrize("text", ["caf\udcff", "\ud800"])
    async def test_a_name_that_no_store_can_have_is_not_known(
        self, harness: StoreHarness, text: str
    ) -> None:
        """No fault of the store, and none of its library's errors."""
        await _ended(harness)
        letters = harness.letters()
        with pytest.raises(UnknownNameError):
            await letters.resolve([text], None)
        with pytest.raises(UnknownNameError):
            await letters.heaps(Selection(reason=text), None)

    async def test_a_number_that_no_store_can_have_is_not_known(
        self, harness: StoreHarness
    ) -> None:
        for number in (1 << 63, -(1 << 63) - 1, 10**40):
            with pytest.raises(UnknownNameError):
                await harness.letters().orders(number)
            with pytest.raises(UnknownNameError):
                await harness.letters().event_of(number)

    async def test_what_was_sent_again_is_not_listed(
        self, harness: StoreHarness
    ) -> None:
        await _ended(harness)
        await order(harness, Selection(reason="too_large"))
        await work(harness)
        page = await harness.letters().page(Selection(), "lake", limit=10)
        assert [one.key.id for one in page.items] == ["run_2", "run_1"]

    async def test_an_order_is_told_with_what_became_of_it(
        self, harness: StoreHarness
    ) -> None:
        await _ended(harness)
        number = await order(harness)
        letters = harness.letters()
        [before] = await letters.orders(number)
        assert (before.state, before.created) == (ReplayState.RUNNING, 0)
        assert not before.is_settled
        await work(harness)
        first, second, _ = await harness.claim()
        await harness.settle(first, outcome=Delivered())
        await harness.settle(second, outcome=NOT_NOW)
        [after] = await letters.orders(None)
        assert (after.delivered, after.failing, after.untried) == (1, 1, 1)
        assert (after.looked_at, after.dead, after.is_settled) == (3, 0, False)
        with pytest.raises(UnknownNameError, match="no replay 99"):
            await letters.orders(99)

    async def test_an_event_is_found_under_any_of_its_names(
        self, harness: StoreHarness
    ) -> None:
        await _ended(harness)
        letters = harness.letters()
        page = await letters.page(Selection(reason="too_large"), None, limit=1)
        [one] = page.items
        for name in (one.event_id, "run_3", "order-3"):
            [number] = await letters.resolve([name], None)
            again = await letters.page(Selection(events=(number,)), None, limit=9)
            assert again.items == page.items
        assert await letters.event_of(one.number) == one.event_id
        assert await letters.event_of(10_000) is None
        for name in ("run_9", "a\0b"):
            with pytest.raises(UnknownNameError, match="there is no event under"):
                await letters.resolve([name], "acme")

    async def test_names_that_nobody_has_are_refused(
        self, harness: StoreHarness
    ) -> None:
        await _ended(harness)
        letters = harness.letters()
        with pytest.raises(UnknownNameError, match="no source 'nobody'"):
            await letters.heaps(Selection(source="nobody"), None)
        with pytest.raises(UnknownNameError, match="no destination 'nobody'"):
            await letters.page(Selection(), "nobody", limit=1)
        with pytest.raises(UnknownNameError, match="no source 'nobody'"):
            await letters.resolve(["run_1"], "nobody")

    async def test_what_arrived_and_what_never_came_is_counted_by_event(
        self, harness: StoreHarness
    ) -> None:
        await harness.one(callback("run_1", router=routed("lake", known=["orders"])))
        await harness.one(callback("run_2"))
        await harness.deliver_all()
        letters = harness.letters()
        [had] = await letters.heaps(Selection(what="delivered"), "lake")
        assert (had.destination, had.reason, had.count) == ("lake", None, 2)
        [never] = await letters.heaps(Selection(what="missing"), "orders")
        assert never.count == 1
        page = await letters.page(Selection(what="missing"), "orders", limit=5)
        assert [(one.key.id, one.generation) for one in page.items] == [("run_1", 0)]

    async def test_a_stretch_of_time_is_found_whatever_the_clock_has_done(
        self, harness: StoreHarness
    ) -> None:
        """Events do not always have the numbers that their times would give them."""
        begin = harness.clock.now_us()
        await _at_minutes(harness, 0, 60, 120, 30, 150)
        letters = harness.letters()
        for since, until, expected in (
            (0, 200, [0, 60, 120, 30, 150]),
            (20, 40, [30]),
            (50, 130, [60, 120]),
            (130, 200, [150]),
            (31, 59, []),
        ):
            chosen = Selection(
                what="delivered",
                since=begin + since * MINUTE,
                until=begin + until * MINUTE,
            )
            page = await letters.page(chosen, "lake", limit=9)
            assert [one.key.id for one in page.items] == [
                f"run_{minute}" for minute in expected
            ]
            heaps = await letters.heaps(chosen, "lake")
            assert sum(heap.count for heap in heaps) == len(expected)

    @pytest.mark.parametrize("what", ["delivered", "missing"])
    async def test_what_lies_outside_of_it_is_not_walked_over(
        self, harness: StoreHarness, monkeypatch: pytest.MonkeyPatch, what: What
    ) -> None:
        begin = harness.clock.now_us()
        await _at_minutes(harness, *range(9))
        events = [row[0] for row in await harness.rows("SELECT number FROM events")]
        letters = harness.letters()
        assert isinstance(letters, BaseLetters)
        ask, walked = letters.ask, []

        async def listen(name: str, values: Mapping[str, Any]) -> list[Any]:
            if name.endswith("_told"):
                walked.append((values["low"], values["high"]))
            return await ask(name, values)

        monkeypatch.setattr(letters, "ask", listen)
        recent = Selection(what=what, since=begin + 7 * MINUTE)
        named = Selection(what=what, events=(sorted(events)[3],))
        for chosen in (recent, named):
            await letters.heaps(chosen, "lake")
            await letters.page(chosen, "lake", limit=1)
        two, one = sorted(events)[7:], sorted(events)[3]
        assert walked == [tuple(two)] * 2 + [(one, one)] * 2

    async def test_what_waits_behind_a_target_is_told_before_it_is_ordered(
        self, harness: StoreHarness
    ) -> None:
        """By where it would be sent, and not by where it died."""
        only = routed("lake", known=["orders"])
        for run in ("run_1", "run_2"):
            await harness.one(callback(run, router=only))
            if run == "run_1":
                await harness.store.fall_behind("orders")
        await harness.deliver_all("lake")
        letters = harness.letters()
        for target, behind in (("orders", 1), (None, 0), ("new", 0)):
            [heap] = await letters.heaps(
                Selection(what="delivered"), "lake", target=target
            )
            assert (heap.count, heap.behind) == (2, behind)
        await order(harness, Selection(what="delivered"))
        await work(harness)
        await harness.settle(*await harness.claim(), outcome=GONE)
        for target, behind in (("orders", 1), (None, 0), ("new", 0)):
            [heap] = await letters.heaps(Selection(), None, target=target)
            assert (heap.count, heap.behind) == (2, behind)


async def _at_minutes(harness: StoreHarness, *minutes: int) -> None:
    """Runs that end at these minutes from now, in this order, and arrive at the lake."""
    begin = harness.clock.now_us()
    for minute in minutes:
        harness.clock.time_us = begin + minute * MINUTE
        await harness.one(callback(f"run_{minute}", at=harness.clock.now_us()))
    await harness.deliver_all()


async def _ended(harness: StoreHarness) -> None:
    """Three dead letters at the lake, one of its own kind, and one at orders; a second apart."""
    for number, (destination, end) in enumerate(
        [("lake", GONE), ("lake", GONE), ("lake", LARGE), ("orders", GONE)], 1
    ):
        only = routed(destination, known=["lake", "orders"])
        await harness.one(
            callback(f"run_{number}", client_ref=f"order-{number}", router=only)
        )
        [parcel] = await harness.claim(destination)
        await harness.settle(parcel, outcome=end)
        harness.clock.advance(seconds=1)
