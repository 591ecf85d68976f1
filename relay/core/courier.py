"""Courier: the decisions that follow a call to a sender, for one destination.

Owns joining outcomes, the delivery table and the gate, and what is made good when a gate opens. Pure:
time is passed in. The worker that makes the calls is :mod:`relay.deliver.worker`.
"""

from collections.abc import Sequence
from typing import Final

from relay.core.delivery import (
    Delivered,
    Failed,
    Fault,
    Outcome,
    Policy,
    Queue,
    Released,
    State,
    Tried,
    follow,
)
from relay.core.gate import Gate
from relay.core.ports import Amendment, Parcel, Settlement

__all__ = ["Suspects", "judge_gate", "seed_of", "settlement", "strains"]

#: The destination's own word that less would be better, whoever it says it to.
_SLOW_DOWN: Final = (429, 503)


def judge_gate(
    gate: Gate,
    outcomes: Sequence[Outcome],
    *,
    now_s: float,
    probe: bool,
    queue: Queue = Queue.FIRST,
    peace_max_us: int = 0,
) -> Gate:
    """The gate after one call out of ``queue``. One call counts once, however many parcels it carried.

    A ``Retry-After`` is obeyed by the probes as well, up to ``peace_max_us`` microseconds.
    """
    spoke = False
    for outcome in outcomes:
        if isinstance(outcome, Failed) and outcome.fault.is_of_destination:
            if outcome.fault is Fault.GONE:
                return gate.gone(now_s, probe=probe)
            peace_us = min(outcome.retry_after_us or 0, peace_max_us)
            return gate.failed(now_s, probe=probe, queue=queue, peace_s=peace_us / 1e6)
        # A 400 is an answer too: the destination is there and speaks.
        spoke = spoke or not isinstance(outcome, Released)
    return gate.worked() if spoke else gate


def strains(outcomes: Sequence[Outcome], queue: Queue) -> bool:
    """Whether a call shows that the destination has too much to do.

    What has failed before may fail for a reason of its own: then only an answer that asks for less counts.
    """
    return any(
        isinstance(outcome, Failed)
        and outcome.fault is Fault.DESTINATION
        and (queue is Queue.FIRST or outcome.status in _SLOW_DOWN)
        for outcome in outcomes
    )


def settlement(
    parcel: Parcel, outcome: Outcome, *, policy: Policy, gate_open: bool, now_us: int
) -> Settlement:
    """What to write of one try; ``gate_open`` is the gate as the try left it."""
    tried = Tried(
        created_at=parcel.created_at,
        attempts=parcel.attempts,
        # Most tries succeed and never look at the seed.
        seed=b"" if isinstance(outcome, Delivered) else seed_of(parcel),
    )
    step = follow(tried, outcome, policy=policy, now=now_us, gate_open=gate_open)
    return Settlement(parcel=parcel, outcome=outcome, step=step)


class Suspects:
    """Faults in a row that have not opened the gate so far.

    Each took a step of its ladder, as if the destination worked. When the gate opens they turn out to be
    its first signs: the steps are given back, and what they waited for is due at once.
    """

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        #: What was written of each, and when its try ended.
        self._kept: dict[int, tuple[Settlement, int]] = {}

    def __bool__(self) -> bool:
        return bool(self._kept)

    def see(self, item: Settlement, gate: Gate, *, now_us: int) -> Sequence[Amendment]:
        """Take note of a try that ended at ``now_us`` and left the gate so; gives what is to be amended."""
        if gate.open:
            kept, self._kept = self._kept, {}
            return [self._amended(*suspect) for suspect in kept.values()]
        outcome = item.outcome
        if not gate.faults:
            self._kept.clear()
        elif (
            isinstance(outcome, Failed)
            and outcome.fault is Fault.DESTINATION
            and item.step.state is State.PENDING
        ):
            self._kept[item.parcel.number] = (item, now_us)
        return ()

    def _amended(self, item: Settlement, ended_us: int) -> Amendment:
        blameless = settlement(
            item.parcel,
            item.outcome,
            policy=self._policy,
            gate_open=True,
            now_us=ended_us,
        )
        return Amendment(
            number=item.parcel.number, written=item.step, step=blameless.step
        )


def seed_of(parcel: Parcel) -> bytes:
    """What jitter is derived from: the same delivery gives the same waits on every machine."""
    head = parcel.letter.event_id.bytes
    return b"%b/%b/%d" % (head, parcel.destination.encode(), parcel.generation)
