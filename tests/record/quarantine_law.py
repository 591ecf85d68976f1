"""What lies in quarantine is read once more: the law of that, for every store.

The ledger is looked over after each test as after any other: a row that leaves quarantine is counted where it goes.
"""

import msgspec
import pytest

from relay.core.audit import Entry
from relay.core.ports import Checkpoint, Recorded
from relay.core.receipt import Receipt
from relay.core.run import Verdict
from tests.fakes import NOW_US
from tests.record.harness import StoreHarness
from tests.record.keeping import DAY_S
from tests.record.receipts import callback, odd

#: A run that ended before anything is remembered, as the tests' stores keep it.
LONG_AGO = "2011-03-01T12:00:00Z"
ENTRY = Entry(at=NOW_US, actor="somebody", verb="quarantine replay", subject="1")


class QuarantineLaw:
    """It goes through its door again, and becomes what it would have become; or stays."""

    async def test_what_can_be_read_by_now_becomes_its_event(
        self, harness: StoreHarness
    ) -> None:
        """With the time and origin of when it came; its deliveries are as young as any."""
        old = await _quarantined(harness, times=3)
        await _remember_longer(harness)
        now = harness.clock.advance(seconds=3600)
        [again] = await _readmit(harness, old)
        assert again.verdict is Verdict.FIRST
        assert again.letter is not None
        assert again.letter.facts.received_at == old.received_at
        [lake] = await harness.claim("lake")
        assert lake.created_at == now
        counts = (await harness.ledger()).sources["acme"]
        assert (counts.receipts, counts.first, counts.duplicate) == (3, 1, 2)
        assert counts.quarantined == 0
        [said] = await harness.rows("SELECT actor, verb, subject FROM audit")
        assert said == ("somebody", "quarantine replay", "1")

    async def test_what_still_cannot_be_read_stays(self, harness: StoreHarness) -> None:
        await harness.store.record([odd(), odd()])
        [again] = await _readmit(harness, odd())
        assert (again.verdict, again.reasons) == (Verdict.QUARANTINED, ("not_json",))
        assert await _rows(harness) == [(None, 5, 2)]

    async def test_nothing_leaves_quarantine_twice(self, harness: StoreHarness) -> None:
        """Nor who was never there, or has been forgotten."""
        old = await _quarantined(harness)
        await _remember_longer(harness)
        found = await _readmit(harness, old, old)
        assert [one.verdict for one in found] == [Verdict.FIRST, Verdict.QUARANTINED]
        assert found[1].reasons == ("gone",)
        [never] = await _readmit(harness, callback("run_9"))
        assert never.reasons == ("gone",)
        assert len(await harness.claim("lake")) == 1

    async def test_it_is_a_duplicate_of_what_came_since(
        self, harness: StoreHarness
    ) -> None:
        old = await _quarantined(harness, times=2)
        await _remember_longer(harness)
        await harness.one(callback("run_1", note="again"))
        [again] = await _readmit(harness, old)
        assert (again.verdict, again.letter) == (Verdict.DUPLICATE, None)
        counts = (await harness.ledger()).sources["acme"]
        assert (counts.first, counts.duplicate, counts.quarantined) == (1, 2, 0)

    async def test_what_is_partial_waits_for_the_truth(
        self, harness: StoreHarness
    ) -> None:
        """From now on, however long it has lain there."""
        old = await _quarantined(harness)
        await _remember_longer(harness)
        now = harness.clock.advance(seconds=3600)
        strict = msgspec.structs.replace(old, require=("metadata",))
        [again] = await _readmit(harness, strict)
        assert again.reasons == ("missing_metadata",)
        [(opened_at,)] = await harness.rows("SELECT opened_at FROM inquiries")
        assert opened_at == now

    @pytest.mark.parametrize("point", ["before-commit", "after-commit"])
    async def test_a_kill_in_between_loses_and_doubles_nothing(
        self, point: Checkpoint, harness: StoreHarness
    ) -> None:
        old = await _quarantined(harness, times=2)
        await _remember_longer(harness)
        await harness.killed_at(point, _readmit(harness, old))
        await harness.reopen()
        await _readmit(harness, old)
        assert await harness.count("events") == 1
        assert len(await harness.claim("lake")) == 1
        counts = (await harness.ledger()).sources["acme"]
        assert (counts.first, counts.duplicate, counts.quarantined) == (1, 1, 0)


async def _quarantined(harness: StoreHarness, *, times: int = 1) -> Receipt:
    """A body that is older than the memory of identities."""
    old = callback("run_1", completed_at=LONG_AGO, at=harness.clock.now_us())
    for _ in range(times):
        recorded = await harness.one(old)
        assert recorded.reasons == ("too_old",)
    return old


async def _remember_longer(harness: StoreHarness) -> None:
    """The configuration is changed, and the relay started again."""
    harness.keeping = msgspec.structs.replace(
        harness.keeping, identities=40 * 365 * DAY_S * 1_000_000
    )
    await harness.restart()


async def _readmit(harness: StoreHarness, *receipts: Receipt) -> list[Recorded]:
    now = harness.clock.now_us()
    again = [
        msgspec.structs.replace(one, received_at=now, quarantined_at=one.received_at)
        for one in receipts
    ]
    return [*await harness.store.readmit(again, entry=ENTRY)]


async def _rows(harness: StoreHarness) -> list[tuple[object, ...]]:
    return await harness.rows("SELECT run, verdict, count FROM receipts")
