"""Who is held or behind, as rules of the store's machine.

Owns these rules; what has to hold after each is the machine's.
"""

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from tests.record.draws import places
from tests.record.holding_law import condition, hold, resume
from tests.record.machine import StoreMachine

__all__ = ["HoldingMachine"]


class HoldingMachine(StoreMachine):
    """Drives a store whose destinations are paused, fall behind and are given up."""

    @rule(place=places)
    def pause(self, place: str) -> None:
        found = self.run(hold(self.harness, place))
        assert found.is_news is (place not in self.model.shut)
        self.model.shut.add(place)

    @precondition(lambda self: self.model.shut)
    @rule(data=st.data())
    def resume(self, data: st.DataObject) -> None:
        place = data.draw(st.sampled_from(sorted(self.model.shut)))
        assert self.run(resume(self.harness, place)).is_news
        self.model.shut.remove(place)

    @rule(place=places)
    def fall_behind(self, place: str) -> None:
        news = self.run(self._fall(place))
        assert news is (place not in self.model.behind)
        self.model.behind.setdefault(place, [])

    @precondition(lambda self: self.model.behind)
    @rule(data=st.data(), limit=st.integers(1, 3), step=st.booleans())
    def fill(self, data: st.DataObject, limit: int, *, step: bool) -> None:
        """One step, or as many as it takes."""
        place = data.draw(st.sampled_from(sorted(self.model.behind)))
        now = self.harness.clock.now_us()
        if step:
            self._take_step(place, limit, now)
        while not step and place in self.model.behind:
            self._take_step(place, limit, now)

    def _take_step(self, place: str, limit: int, now: int) -> None:
        before = self.run(condition(self.harness, place)).behind
        more = self.run(self._fill(place, limit))
        made = before - self.run(condition(self.harness, place)).behind
        # How far a step looks is the store's own matter; that it gets on is not.
        assert made or not more or not before
        self.model.fill(place, made, now)
        if not more:
            assert not self.model.behind[place]
            del self.model.behind[place]

    @precondition(lambda self: self.model.ways)
    @rule(place=places)
    def give_up(self, place: str) -> None:
        """What nobody holds, and is not behind; the numbers say which."""
        self._number_ways()
        now = self.harness.clock.now_us()
        assert self.run(self._abandon(place)) == self.model.abandon(place, now)

    async def _abandon(self, place: str) -> int:
        return await self.harness.store.abandon(place, limit=1000, entry=None)

    async def _fall(self, place: str) -> bool:
        return await self.harness.store.fall_behind(place)

    async def _fill(self, place: str, limit: int) -> bool:
        return await self.harness.store.fill(place, limit=limit)
