"""Warden: how destinations stand is looked at again and again, and couriers are told who is held.

Owns the view of the store that couriers go by, and writing down what their tries say in the long run:
that a destination fails or works, and the holds that follow from it; and having the store make no more
deliveries than it may. Decides nothing itself (:mod:`relay.core.health` and :mod:`relay.core.backlog` do). Knows nothing of how a try is made, or of who else changes a hold.

What another relay on the same database changes is seen with the next look. The store's own claim looks at
the hold as well, so that nothing is taken from there meanwhile.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Final

import structlog

from relay.core.audit import RELAY, Entry
from relay.core.backlog import LIMIT, STEP, next_step
from relay.core.delivery import Delivered, Outcome, Queue
from relay.core.errors import StoreBusyError, StoreFullError
from relay.core.health import (
    Health,
    HealthPolicy,
    Ruling,
    adopt,
    judge_health,
    note_of,
)
from relay.core.holding import Alarm, Change, Condition, Hold, Posts
from relay.core.ports import Clock, Metrics
from relay.deliver.dispatch import Dispatch

__all__ = ["Warden"]

log: Final = structlog.stdlib.get_logger(__name__)

_AWAY: Final = (StoreBusyError, StoreFullError)
#: What each hold is in the metrics.
STATES: Final = ("active", "paused", "disabled")
#: Commits that fill one destination between two looks.
FILLS: Final = 16


class Warden:
    """Keeps couriers away from who is held, and holds who is beyond help."""

    def __init__(
        self,
        posts: Posts,
        dispatch: Dispatch,
        *,
        clock: Clock,
        metrics: Metrics,
        every_s: float,
        backlog: int = LIMIT,
    ) -> None:
        """``every_s``: seconds between two looks, where nothing makes one happen sooner.

        ``backlog``: open deliveries that a destination may have.
        """
        self._posts = posts
        self._dispatch = dispatch
        self._clock = clock
        self._metrics = metrics
        self._every_s = every_s
        self._backlog = backlog
        self._step = max(1, min(STEP, backlog // 5))
        self._looking = asyncio.Lock()
        self._policies: Mapping[str, HealthPolicy] = {}
        self._health: dict[str, Health] = {}
        #: Who works, and of whom nothing else is to be said.
        self._well: set[str] = set()
        #: Holds that the relay wants by itself, and that are not written yet.
        self._wanted: dict[str, Change] = {}
        #: Alarms that are due, and that the store was not told of yet.
        self._due: dict[str, Alarm] = {}
        self.conditions: Mapping[str, Condition] = {}
        self._orphans: frozenset[str] = frozenset()
        self._wake = asyncio.Event()
        self._stopping = False

    def appoint(self, policies: Mapping[str, HealthPolicy]) -> None:
        """Look after these destinations from now on."""
        for name in self._policies.keys() - policies.keys():
            self._health.pop(name, None)
            # What was measured last would stand for ever.
            self._set_gauges(
                name, states=dict.fromkeys(STATES), failing_since_s=None, behind=None
            )
        self._policies = policies

    @property
    def names(self) -> Collection[str]:
        """Who is looked after."""
        return self._policies.keys()

    @property
    def held(self) -> Mapping[str, Hold]:
        """Who is held, as far as is known; also who is not looked after any more, or not yet."""
        wanted = {n: c.hold for n, c in self._wanted.items() if c.hold is not None}
        known = {n: c.hold for n, c in self.conditions.items() if c.hold is not None}
        return wanted | known

    def ear(self, name: str) -> Callable[[Queue, Sequence[Outcome]], None]:
        """What a courier tells of its tries, call by call."""
        return partial(self._hear, name)

    def _hear(self, name: str, queue: Queue, outcomes: Sequence[Outcome]) -> None:
        health = self._health.get(name)
        # Nearly always, and on the way of every delivery.
        if health is None or health.is_well:
            for outcome in outcomes:
                if not isinstance(outcome, Delivered):
                    break
            else:
                self._well.add(name)
                return
        now = self._clock.now_us()
        if name in self._well:
            # It has worked since the last look, and now it does not: the next look is not to forget this.
            self._well.discard(name)
            health = Health(worked_at=now)
        ruling = judge_health(
            health or Health(),
            outcomes,
            queue=queue,
            policy=self._policies.get(name, HealthPolicy()),
            now=now,
        )
        self._health[name] = ruling.health
        if ruling.warning is not None:
            self._warn(name, ruling)
        if ruling.unwell is not None and self._is_news(name, ruling):
            self._want(name, ruling)

    def _warn(self, name: str, ruling: Ruling) -> None:
        now, since = self._clock.now_us(), ruling.health.failing_since or 0
        after = self._policies[name].disable_after or 0
        log.warning(
            "destination.failing",
            destination=name,
            since_h=(now - since) // 3_600_000_000,
            disabled_after_h=after // 3_600_000_000,
        )
        self._due[name] = Alarm(
            destination=name,
            since=since,
            at=now,
            disabled_at=since + after,
            step=ruling.warning or 0,
        )
        self._wake.set()

    def _is_news(self, name: str, ruling: Ruling) -> bool:
        """Whether a hold would change anything: tries that were under way when it came say the same again."""
        hold = self.held.get(name)
        return hold is None or (hold.kind, ruling.kind) == ("paused", "disabled")

    def _want(self, name: str, ruling: Ruling) -> None:
        """Nothing more is tried from here on; the store is told with the next look."""
        now, reason = self._clock.now_us(), str(ruling.unwell)
        verb = "destinations " + ("pause" if ruling.kind == "paused" else "disable")
        self._wanted[name] = Change(
            destination=name,
            hold=Hold(kind=ruling.kind, reason=reason, by=RELAY, since=now),
            entry=Entry(at=now, actor=RELAY, verb=verb, subject=name, detail=reason),
        )
        self._dispatch.hold(self.held.keys())
        self._wake.set()

    # --- life -------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Look until :meth:`stop`; what is still to be written then is written."""
        while not self._stopping:
            self._wake.clear()
            await self.round()
            await self._until_next()
        await self.look()

    async def _until_next(self) -> None:
        try:
            async with asyncio.timeout(self._every_s):
                await self._wake.wait()
        except TimeoutError:
            pass

    def stop(self) -> None:
        """Look once more, and no more. Idempotent."""
        self._stopping = True
        self._wake.set()

    async def round(self) -> None:
        """Look, and have the store do what follows from it. It takes its time: nobody else waits for it."""
        if await self._see():
            await self._keep_up()

    async def look(self) -> None:
        """Write what is owed, see how all of them stand, and have the couriers go by it.

        A store that is away is looked at again the next time; meanwhile what was last seen holds.
        """
        await self._see()

    async def _see(self) -> bool:
        """Look; gives whether the store has answered."""
        async with self._looking:
            try:
                await self._write_holds()
                found = {one.name: one for one in await self._posts.conditions()}
                self._adopt(found)
                self._metrics_of(found)
                await self._write_notes(found)
            except _AWAY:
                return False
        return True

    async def _write_holds(self) -> None:
        for name, change in list(self._wanted.items()):
            await self._posts.change(change)
            # Only now: until it is in the store, what is read there says nothing of it.
            del self._wanted[name]
        for name, alarm in list(self._due.items()):
            await self._posts.alarm(alarm)
            # A later one may be due meanwhile.
            if self._due[name] is alarm:
                del self._due[name]

    def _adopt(self, found: Mapping[str, Condition]) -> None:
        now = self._clock.now_us()
        before, self.conditions = self.conditions, found
        self._dispatch.hold(self.held.keys())
        for name in self._policies:
            condition = found.get(name)
            if condition is None:
                continue
            old = before.get(name)
            self._tell(name, None if old is None else old.hold, condition)
            if old is not None and old.hold is not None and condition.hold is None:
                # Whoever resumed it gives it all its time again.
                self._health.pop(name, None)
            health = self._health.get(name, Health())
            if name in self._well:
                health = Health(worked_at=now)
            self._health[name] = adopt(health, condition, now=now)
        self._well.clear()
        self._tell_orphans(found)

    async def _write_notes(self, found: Mapping[str, Condition]) -> None:
        now = self._clock.now_us()
        notes = [
            note
            for name, health in self._health.items()
            if name in found and (note := note_of(health, found[name], now=now))
        ]
        if notes:
            await self._posts.note(notes)

    async def _keep_up(self) -> None:
        """Have nobody get more deliveries than may be open, and whoever is behind get theirs."""
        found = self.conditions
        for name in self._policies:
            condition = found.get(name)
            if condition is None or self._stopping:
                continue
            # Who cannot have it now has it after the next look; those behind him do not wait for it.
            with suppress(*_AWAY):
                await self._keep_one_up(condition)

    async def _keep_one_up(self, condition: Condition) -> None:
        name, step = condition.name, next_step(condition, limit=self._backlog)
        if step == "fall":
            if await self._posts.fall_behind(name):
                log.warning("destination.behind", destination=name, open=condition.open)
        elif step == "fill":
            await self._fill(condition)

    async def _fill(self, condition: Condition) -> None:
        name, room = condition.name, self._backlog - condition.open + condition.behind
        for _ in range(max(1, min(FILLS, room // self._step))):
            if not await self._posts.fill(name, limit=self._step):
                log.info("destination.caught_up", destination=name)
                break
        else:
            # There is more, and the store may have something else to do first.
            self._wake.set()
        self._dispatch.hint([name])

    # --- what is said of it -----------------------------------------------------------------------

    def _tell(self, name: str, before: Hold | None, condition: Condition) -> None:
        hold = condition.hold
        if hold == before:
            return
        if hold is None:
            log.info("destination.resumed", destination=name)
            return
        tell = partial(log.warning, destination=name, reason=hold.reason, by=hold.by)
        if hold.kind == "paused":
            tell("destination.paused")
        else:
            tell("destination.disabled")

    def _tell_orphans(self, found: Mapping[str, Condition]) -> None:
        """Say once of whom deliveries wait that nobody looks after any more."""
        orphans = {
            name: condition.open
            for name, condition in found.items()
            if condition.open and name not in self._policies
        }
        for name in orphans.keys() - self._orphans:
            log.warning("destination.orphaned", destination=name, open=orphans[name])
        self._orphans = frozenset(orphans)

    def _metrics_of(self, found: Mapping[str, Condition]) -> None:
        for name in self._policies:
            condition = found.get(name, Condition(name=name, kind=""))
            since = self._health.get(name, Health()).failing_since
            state = condition.hold.kind if condition.hold else "active"
            self._set_gauges(
                name,
                states={one: one == state for one in STATES},
                failing_since_s=(since or 0) / 1e6,
                behind=condition.behind,
            )

    def _set_gauges(
        self,
        name: str,
        *,
        states: Mapping[str, bool | None],
        failing_since_s: float | None,
        behind: int | None,
    ) -> None:
        for state, value in states.items():
            self._metrics.gauge(
                "runflow_relay_destination_state",
                value,
                destination=name,
                outcome=state,
            )
        self._metrics.gauge(
            "runflow_relay_destination_failing_since_seconds",
            failing_since_s,
            destination=name,
        )
        self._metrics.gauge(
            "runflow_relay_destination_behind", behind, destination=name
        )
