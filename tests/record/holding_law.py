"""What is held: the law of pause, disable and resume, for every store."""

from relay.core.audit import Entry
from relay.core.holding import Change, Changed, Condition, Hold, HoldKind, Note
from relay.core.ledger import DestinationCounts
from tests.fakes import NOW_US
from tests.record.harness import StoreHarness
from tests.record.receipts import callback

__all__ = ["HoldingLaw", "change", "condition", "hold", "resume"]


def _hold(kind: HoldKind = "paused", by: str = "ada", at: int = NOW_US) -> Hold:
    return Hold(kind=kind, reason="the shop is moving", by=by, since=at)


def change(destination: str, hold: Hold | None, *, by: str = "ada") -> Change:
    verb = "destinations resume" if hold is None else "destinations pause"
    entry = Entry(at=NOW_US, actor=by, verb=verb, subject=destination, detail="why")
    return Change(destination=destination, hold=hold, entry=entry)


async def hold(
    harness: StoreHarness, destination: str = "lake", kind: HoldKind = "paused"
) -> Changed:
    found = await harness.store.change(change(destination, _hold(kind)))
    assert found is not None
    return found


async def resume(harness: StoreHarness, destination: str = "lake") -> Changed:
    found = await harness.store.change(change(destination, None))
    assert found is not None
    return found


async def condition(harness: StoreHarness, destination: str = "lake") -> Condition:
    found = {one.name: one for one in await harness.store.conditions()}
    return found[destination]


class HoldingLaw:
    """Nothing goes to who is held, nothing is lost there, and who did it is written down."""

    async def test_nothing_is_claimed_for_who_is_held(
        self, harness: StoreHarness
    ) -> None:
        """And everything is, in its order, when that ends."""
        await harness.one(callback("run_1"))
        await hold(harness)
        await harness.one(callback("run_2"))
        assert await harness.claim("lake") == []
        assert len(await harness.claim("orders")) == 2
        await resume(harness)
        found = [parcel.letter.facts.key.id for parcel in await harness.claim("lake")]
        assert found == ["run_1", "run_2"]

    async def test_what_is_under_way_when_the_hold_comes_is_settled(
        self, harness: StoreHarness
    ) -> None:
        await harness.one(callback())
        parcels = await harness.claim("lake")
        await hold(harness)
        assert await harness.settle(*parcels) == [True]
        assert (await condition(harness)).counts.delivered == 1

    async def test_the_first_hold_stays(self, harness: StoreHarness) -> None:
        """What holds already is not held once more, by whomever."""
        first = await hold(harness)
        assert first == Changed(before=None, after=_hold())
        second = await harness.store.change(
            change("lake", _hold(by="bob", at=NOW_US + 1), by="bob")
        )
        assert second == Changed(before=_hold(), after=_hold())
        assert await harness.count("audit") == 1

    async def test_a_disable_takes_the_place_of_a_pause_and_not_the_reverse(
        self, harness: StoreHarness
    ) -> None:
        await hold(harness)
        assert (await hold(harness, kind="disabled")).after == _hold("disabled")
        assert not (await hold(harness)).is_news
        assert (await condition(harness)).hold == _hold("disabled")

    async def test_a_hold_outlives_the_process(self, harness: StoreHarness) -> None:
        """Also one whose end was not orderly; a configuration that is loaded anew changes nothing."""
        await hold(harness, kind="disabled")
        await harness.one(callback())
        await harness.reopen()
        await harness.store.register(harness.destinations)
        assert (await condition(harness)).hold == _hold("disabled")
        assert await harness.claim("lake") == []

    async def test_who_is_not_held_is_resumed_without_a_trace(
        self, harness: StoreHarness
    ) -> None:
        assert not (await resume(harness)).is_news
        assert await harness.count("audit") == 0

    async def test_nobody_knows_a_destination_that_never_was(
        self, harness: StoreHarness
    ) -> None:
        assert await harness.store.change(change("nowhere", _hold())) is None
        assert await harness.count("audit") == 0

    async def test_what_waits_behind_a_hold_is_held_in_the_account(
        self, harness: StoreHarness
    ) -> None:
        """No row of a delivery is touched for it, and counting anew gives the same."""
        await harness.store.record([callback(f"run_{n}") for n in range(3)])
        await harness.settle(*(await harness.claim("lake", limit=1)))
        before = await harness.deliveries()
        await hold(harness)
        assert await harness.deliveries() == before
        account = (await harness.audit()).destinations
        assert account["lake"] == DestinationCounts(created=3, delivered=1, held=2)
        assert account["orders"] == DestinationCounts(created=3, pending=3)
        assert (await condition(harness)).counts == account["lake"]
        await resume(harness)
        account = (await harness.audit()).destinations
        assert account["lake"] == DestinationCounts(created=3, delivered=1, pending=2)

    async def test_how_tries_go_is_remembered(self, harness: StoreHarness) -> None:
        """A moment that this process does not know leaves the one that is known."""
        note = Note(destination="lake", failing_since=None, worked_at=NOW_US)
        await harness.store.note([note])
        await harness.store.note([Note(destination="lake", failing_since=NOW_US + 5)])
        await harness.reopen()
        found = await condition(harness)
        assert (found.failing_since, found.worked_at) == (NOW_US + 5, NOW_US)

    async def test_what_a_clock_that_was_ahead_has_written_is_written_anew(
        self, harness: StoreHarness
    ) -> None:
        """Nobody would believe it until then, and it would be noted again each time."""
        ahead = NOW_US + 86_400_000_000
        for at in (ahead, NOW_US):
            await harness.store.note(
                [Note(destination="lake", failing_since=None, worked_at=at)]
            )
        assert (await condition(harness)).worked_at == NOW_US

    async def test_whoever_resumes_gives_it_all_its_time_again(
        self, harness: StoreHarness
    ) -> None:
        await harness.store.note([Note(destination="lake", failing_since=NOW_US)])
        await hold(harness, kind="disabled")
        assert (await condition(harness)).failing_since == NOW_US
        await resume(harness)
        assert (await condition(harness)).failing_since is None

    async def test_who_has_changed_what_is_written_down(
        self, harness: StoreHarness
    ) -> None:
        """In the words that were given, whatever they are made of."""
        odd = change("lake", _hold())
        entry = Entry(
            at=5, actor="ada", verb="v", subject="lake", detail="\0 \ud800 \u2603"
        )
        await harness.store.change(
            Change(destination="lake", hold=odd.hold, entry=entry)
        )
        await resume(harness)
        rows = await harness.rows(
            "SELECT at, actor, verb, subject, detail FROM audit ORDER BY number"
        )
        assert rows == [
            (5, "ada", "v", "lake", "\\0 \\ud800 \u2603"),
            (NOW_US, "ada", "destinations resume", "lake", "why"),
        ]
