"""Orders are read in one statement and counted in the next: what is told of them holds all the same."""

import asyncio
from collections.abc import Mapping
from typing import Any

from relay.core.delivery import State
from relay.core.replay import ReplayState
from relay.record.letters import BaseLetters


class _Between(BaseLetters):
    """Two more deliveries are made after the order was read."""

    async def ask(self, name: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        assert values["number"] == 7
        if name == "count_replayed":
            return [(State.DELIVERED, True, 1), (State.PENDING, False, 2)]
        whom = (7, 1, "ada", "orders", "orders", "{}", 100, None, 5)
        return [(*whom, ReplayState.RUNNING, 1, 0, 0, 0, None)]


def test_no_more_wait_than_were_made() -> None:
    [order] = asyncio.run(_Between().orders(7))
    assert (order.created, order.delivered, order.untried) == (3, 1, 2)
