"""Who has left the configuration is given up: all that waits for it, and what it is behind with."""

from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from relay.core.delivery import State
from relay.core.errors import StoreFullError
from relay.operate.actions import holding
from relay.operate.actions.holding import Holding, Order, Report
from tests.record.holding_law import condition
from tests.record.receipts import callback
from tests.record.sqlite_harness import SqliteHarness


@pytest.fixture
async def ground(tmp_path: Path) -> AsyncIterator[SqliteHarness]:
    harness = SqliteHarness(tmp_path)
    await harness.open()
    yield harness
    await harness.audit()
    await harness.vanish()


async def forget(ground: SqliteHarness, name: str = "lake") -> Report:
    async def nobody() -> None:
        """Nobody delivers here."""

    verbs = Holding(
        ground.store,
        configured=lambda: ["orders"],
        clock=ground.clock,
        changed=nobody,
    )
    return await verbs.forget(name, Order(reason="closed"), actor="ada")


async def states(ground: SqliteHarness) -> Counter[State]:
    return Counter(
        d.state for d in await ground.deliveries() if d.destination == "lake"
    )


async def test_who_is_behind_with_nothing_is_not_behind_any_more(
    ground: SqliteHarness,
) -> None:
    """Its limit was reached, and nothing came for it since: the cut would stay for ever."""
    await ground.store.fall_behind("lake")
    report = await forget(ground)
    assert (report.changed, report.forgotten) == (True, 0)
    assert (await condition(ground)).behind_from is None
    again = await forget(ground)
    assert not again.changed


async def test_never_more_than_a_step_of_what_it_was_behind_with_is_open(
    ground: SqliteHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is behind because there must not be more."""
    monkeypatch.setattr(holding, "STEP", 2)
    await ground.store.record([callback(f"run_{n}") for n in range(3)])
    await ground.store.fall_behind("lake")
    await ground.store.record([callback(f"run_{n}") for n in range(3, 10)])
    most = 0
    fill = ground.store.fill

    async def watched(name: str, /, *, limit: int) -> bool:
        nonlocal most
        more = await fill(name, limit=limit)
        found = await condition(ground)
        most = max(most, found.open - found.behind)
        return more

    monkeypatch.setattr(ground.store, "fill", watched)
    report = await forget(ground)
    assert most == 2
    assert report.forgotten == 10
    assert (report.open, report.behind) == (0, 0)
    assert await states(ground) == {State.DEAD: 10}
    assert await ground.rows("SELECT actor, verb, detail FROM audit") == [
        ("ada", "destinations forget", "closed")
    ]


async def test_where_there_is_no_room_for_a_step_what_is_there_dies_all_the_same(
    ground: SqliteHarness,
) -> None:
    """And whoever asked is told why that is not all."""
    await ground.one(callback("run_1"))
    await ground.store.fall_behind("lake")
    await ground.one(callback("run_2"))
    ground.leave_full()
    with pytest.raises(StoreFullError, match="is reached"):
        await forget(ground)
    assert await states(ground) == {State.DEAD: 1}
    ground.leave_full(full=False)
    assert (await forget(ground)).forgotten == 1
