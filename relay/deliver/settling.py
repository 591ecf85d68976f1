"""Settling: what became of tries is judged, said and written, all that waits at once.

Owns the outcomes of one destination between the try and the commit that keeps them. Must not know how
a try is made, or which parcel comes next.

Outcomes are worked through as a group, because the same work costs several times as much when it
stands alone between two tries.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

import structlog

from relay.core.courier import Suspects, settlement
from relay.core.delivery import Delivered, Failed, Outcome, Policy, Released, State
from relay.core.errors import StoreBusyError, StoreFullError
from relay.core.gate import Gate
from relay.core.ports import Amendment, Metrics, Outbox, Parcel, Settlement

__all__ = ["Attempt", "Settler"]

log: Final = structlog.stdlib.get_logger(__name__)

#: Outcomes that may wait for their commit before further tries wait too.
UNSETTLED_MAX: Final = 4096
#: Seconds until a store that was busy or full is asked again.
PAUSE_S: Final = 1.0


class Attempt(NamedTuple):
    """One try, or one parcel given back untried."""

    parcel: Parcel
    outcome: Outcome
    #: The gate as it was left.
    gate: Gate
    #: When it ended, wall microseconds: the next try is due from here, however long the commit takes.
    ended_at: int


class Settler:
    """Writes the outcomes of one destination."""

    def __init__(
        self,
        destination: str,
        *,
        outbox: Outbox,
        policy: Policy,
        metrics: Metrics,
        written: Callable[[], None],
    ) -> None:
        """``written`` is called after each commit of outcomes."""
        self._destination = destination
        self._outbox = outbox
        self._policy = policy
        self._metrics = metrics
        self._written = written
        self._attempts: list[Attempt] = []
        #: Judged and said; a crash of this task leaves them for the next one.
        self._unwritten: list[Settlement] = []
        self._suspects = Suspects(policy)
        #: Written after what is unwritten.
        self._amendments: list[Amendment] = []
        self._wake = asyncio.Event()
        self._shrunk = asyncio.Condition()
        self._ending = False

    def add(self, attempts: Iterable[Attempt]) -> None:
        """Take what happened; it is written with the next group."""
        self._attempts += attempts
        self._wake.set()

    async def make_room(self) -> None:
        """Wait while too much is unwritten."""
        if self._is_full():
            async with self._shrunk:
                await self._shrunk.wait_for(lambda: not self._is_full())

    def finish(self) -> None:
        """Nothing more will come: :meth:`run` ends when all is written."""
        self._ending = True
        self._wake.set()

    async def run(self) -> None:
        """Write until :meth:`finish`."""
        self._ending = False
        while True:
            self._wake.clear()
            self._judge()
            if not self._unwritten:
                if self._ending:
                    return
                await self._wake.wait()
                continue
            batch, self._unwritten = self._unwritten, []
            try:
                await self._write(batch)
            except BaseException:
                self._unwritten[:0] = batch
                raise
            async with self._shrunk:
                self._shrunk.notify_all()

    async def write_rest(self) -> None:
        """Write what :meth:`run`, which has ended before its time, has left."""
        self._judge()
        if self._unwritten:
            batch, self._unwritten = self._unwritten, []
            await self._write(batch)

    def _is_full(self) -> bool:
        return len(self._attempts) + len(self._unwritten) > UNSETTLED_MAX

    def _judge(self) -> None:
        attempts, self._attempts = self._attempts, []
        settlements = []
        for parcel, outcome, gate, ended in attempts:
            item = settlement(
                parcel,
                outcome,
                policy=self._policy,
                gate_open=gate.open,
                now_us=ended,
            )
            settlements.append(item)
            # Where all goes well there is nothing to remember.
            if gate.faults or self._suspects:
                self._amendments += self._suspects.see(item, gate, now_us=ended)
        self._unwritten += settlements
        self._report(settlements)

    async def _write(self, batch: Sequence[Settlement]) -> None:
        while True:
            try:
                kept = await self._outbox.settle(batch)
            except (StoreBusyError, StoreFullError) as error:
                # What happened has happened: it is written as soon as the store can.
                log.warning(
                    "settle.postponed", destination=self._destination, why=str(error)
                )
                await _pause(PAUSE_S)
                continue
            for item, held in zip(batch, kept, strict=True):
                if not held:
                    log.warning(
                        "lease.lost",
                        destination=self._destination,
                        delivery=item.parcel.number,
                    )
            await self._amend()
            self._written()
            return

    async def _amend(self) -> None:
        """What has been written of tries that failed before the gate opened was too hard on them."""
        amendments, self._amendments = self._amendments, []
        if not amendments:
            return
        try:
            await self._outbox.amend(amendments)
        except (StoreBusyError, StoreFullError) as error:
            # They keep the steps that they have taken: they come later, and are not lost.
            log.warning("amend.given_up", destination=self._destination, why=str(error))

    # --- what is said of it -----------------------------------------------------------------------

    def _report(self, settlements: Sequence[Settlement]) -> None:
        counts: Counter[tuple[str, str]] = Counter()
        for item in settlements:
            parcel, outcome, step = item.parcel, item.outcome, item.step
            if isinstance(outcome, Delivered):
                counts["delivered", ""] += 1
                self._metrics.observe(
                    "runflow_relay_attempt_seconds",
                    outcome.duration_us / 1e6,
                    destination=self._destination,
                )
            elif not isinstance(outcome, Released):
                final = not isinstance(outcome, Failed)
                counts["refused" if final else "failed", outcome.reason] += 1
                log.info(
                    "delivery.attempted",
                    destination=self._destination,
                    delivery=parcel.number,
                    event_id=str(parcel.letter.event_id),
                    run_id=parcel.letter.facts.key.id,
                    attempt=parcel.attempts + 1,
                    outcome=step.state.name.lower(),
                    reason=outcome.reason,
                    # Where it is not this try that ended it, but its age.
                    dead_of=step.reason if step.state is State.DEAD else None,
                    status=outcome.status,
                    detail=outcome.detail,
                    duration_ms=outcome.duration_us // 1000,
                )
        for (outcome_name, reason), count in counts.items():
            self._metrics.count(
                "runflow_relay_attempts_total",
                count,
                destination=self._destination,
                outcome=outcome_name,
                reason=reason,
            )


async def _pause(seconds: float) -> None:
    """Let time pass."""
    try:
        async with asyncio.timeout(seconds):
            await asyncio.get_running_loop().create_future()
    except TimeoutError:
        pass
