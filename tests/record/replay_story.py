"""Replays in any order of events, with kills in between: what happens, and what must hold at the end.

Owns playing a list of actions on a store and judging the rows. Knows nothing of how a step is taken.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Literal

from hypothesis import strategies as st

from relay.core.delivery import Delivered, Failed, Fault, Outcome, Refused, State
from relay.core.ports import Checkpoint
from relay.core.route import Router
from tests.record.harness import StoreHarness
from tests.record.receipts import EVERYWHERE, callback
from tests.record.replaying import order, work

__all__ = ["ACTIONS", "Action", "play"]

Word = Literal["die", "order", "step", "kill-before", "kill-after", "end", "cancel"]
#: What happens, and a small number that says how.
Action = tuple[Word, int]
ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(
            ["die", "die", "order", "order", "step", "step", "step", "kill-before",
             "kill-after", "end", "end", "cancel"]
        ),
        st.integers(0, 5),
    ),
    max_size=30,
)  # fmt: skip
_ONLY_LAKE = Router(routes=[], destinations=["lake"])
_ENDS: tuple[Outcome, ...] = (
    Delivered(),
    Refused(reason="status_410", status=410),
    Failed(reason="status_400", fault=Fault.EVENT, detail="no"),
)


async def play(harness: StoreHarness, actions: Sequence[Action]) -> None:
    """Let it all happen, then let everything come to its end; judged all along and at the end."""
    await harness.open()
    player = _Player(harness)
    for word, how in actions:
        await player.do(word, how)
        harness.clock.advance(seconds=0.1)
    await player.finish()


class _Player:
    def __init__(self, harness: StoreHarness) -> None:
        self._harness = harness
        self._runs = 0
        #: What each run's event was sent as.
        self._sent: defaultdict[str, set[bytes]] = defaultdict(set)

    async def do(self, word: Word, how: int) -> None:
        harness = self._harness
        match word:
            case "die":
                await self._die(how + 1)
            case "order":
                await order(harness, rate=50 * (how + 1), most=how or None)
            case "step":
                await harness.store.resend(EVERYWHERE)
            case "kill-before":
                await self._kill("before-commit")
            case "kill-after":
                await self._kill("after-commit")
            case "end":
                await self._end(_ENDS[how % len(_ENDS)])
            case "cancel":
                await harness.store.cancel_replay(how, by="somebody")

    async def finish(self) -> None:
        """What was ordered is made, and then all that is left dead is ordered and arrives."""
        harness = self._harness
        await self._work()
        await order(harness)
        await self._work()
        await self._judge_orders()
        [(runs,)] = await harness.rows("SELECT COUNT(*) FROM events")
        rows = await harness.rows(
            "SELECT event, generation, state FROM deliveries ORDER BY event, generation"
        )
        found: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
        for event, generation, state in rows:
            found[event].append((generation, state))
        assert len(found) == runs == self._runs
        for generations in found.values():
            *earlier, (_, last) = generations
            assert [number for number, _ in generations] == [
                *range(1, len(generations) + 1)
            ]
            assert {state for _, state in earlier} <= {State.DEAD}
            assert last == State.DELIVERED
        assert {len(bodies) for bodies in self._sent.values()} <= {1}
        await harness.audit()

    async def _judge_orders(self) -> None:
        """Each has made what it says, and nothing twice."""
        rows = await self._harness.rows(
            "SELECT p.number, p.created, COUNT(d.number), COUNT(DISTINCT d.event) FROM replays AS p"
            " LEFT JOIN deliveries AS d ON d.replay = p.number GROUP BY p.number, p.created"
        )
        for number, created, made, events in rows:
            assert created == made == events, number

    async def _work(self) -> None:
        """Until no order is under way; whatever fails meanwhile is tried until it arrives."""
        while (await self._harness.store.next_resend(EVERYWHERE))[1]:
            await work(self._harness)
            await self._end(Delivered())
        self._harness.clock.advance(seconds=3600)
        await self._end(Delivered())

    async def _die(self, count: int) -> None:
        harness, first = self._harness, self._runs
        self._runs += count
        await harness.store.record(
            [
                callback(f"run_{n}", router=_ONLY_LAKE, at=harness.clock.now_us())
                for n in range(first, self._runs)
            ]
        )
        await self._end(_ENDS[1])

    async def _kill(self, point: Checkpoint) -> None:
        await self._harness.killed_at(point, self._harness.store.resend(EVERYWHERE))
        await self._harness.reopen()

    async def _end(self, outcome: Outcome) -> None:
        """All that is due is tried, and ends so."""
        harness = self._harness
        parcels = await harness.claim()
        for parcel in parcels:
            event = parcel.letter.event
            self._sent[str(event.attributes["subject"])].add(event.structured)
        await harness.settle(*parcels, outcome=outcome)
