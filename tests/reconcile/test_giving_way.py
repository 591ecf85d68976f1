"""Whoever waits for a 2xx is answered before anybody asks; but asking never ends."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from relay.core.pace import Pace
from relay.reconcile.worker import CROWD, GIVEN_UP_MAX
from tests.reconcile.test_worker import Desk
from tests.record.receipts import partial


class Counted(Pace):
    """Remembers how many turns were taken."""

    turns = 0

    def wait(self, now: float) -> float:
        self.turns += 1
        return super().wait(now)


class Visited:
    """A store at which as many call back as it is told."""

    def __init__(self, store: Any, crowd: int) -> None:
        self._store = store
        self.crowd = crowd

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    desk = Desk(tmp_path)
    await desk.harness.open()
    try:
        yield desk
        await desk.stop()
    finally:
        await desk.harness.vanish()


@pytest.mark.parametrize(
    "crowd,turns", [(0, 1), (CROWD - 1, 1), (CROWD, 1 + GIVEN_UP_MAX)]
)
async def test_turns_are_given_up_to_a_crowd_and_not_for_ever(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, crowd: int, turns: int
) -> None:
    pace = desk.pace = Counted(10_000)
    await desk.harness.store.record([partial()])
    monkeypatch.setattr(desk.harness, "store", Visited(desk.harness.store, crowd))
    desk.start()
    await desk.events(1)
    assert (desk.upstream.asked, pace.turns) == (["run_1"], turns)
