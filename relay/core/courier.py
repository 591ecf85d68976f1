"""Courier: the decisions that follow a call to a sender, for one destination.

Owns joining outcomes, the delivery table and the gate. Pure: time is passed in. The worker that
makes the calls is :mod:`relay.deliver.worker`.
"""

from collections.abc import Sequence

from relay.core.delivery import (
    Delivered,
    Failed,
    Fault,
    Outcome,
    Policy,
    Released,
    Tried,
    follow,
)
from relay.core.gate import Gate
from relay.core.ports import Parcel, Settlement

__all__ = ["judge_gate", "seed_of", "settlement"]


def judge_gate(
    gate: Gate, outcomes: Sequence[Outcome], *, now_s: float, probe: bool
) -> Gate:
    """The gate after one call. One call counts once, however many parcels it carried."""
    spoke = False
    for outcome in outcomes:
        if isinstance(outcome, Failed) and outcome.fault is Fault.DESTINATION:
            return gate.failed(now_s, probe=probe)
        # A 400 is an answer too: the destination is there and speaks.
        spoke = spoke or not isinstance(outcome, Released)
    return gate.worked() if spoke else gate


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


def seed_of(parcel: Parcel) -> bytes:
    """What jitter is derived from: the same delivery gives the same waits on every machine."""
    head = parcel.letter.event_id.bytes
    return b"%b/%b/%d" % (head, parcel.destination.encode(), parcel.generation)
