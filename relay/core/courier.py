"""Courier: the decision that follows a call to a sender, for one destination.

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

__all__ = ["judge_gate", "settlements"]


def judge_gate(
    gate: Gate, outcomes: Sequence[Outcome], *, now_s: float, probe: bool
) -> Gate:
    """The gate after one call. One call counts once, however many parcels it carried."""
    faults = [
        outcome
        for outcome in outcomes
        if isinstance(outcome, Failed) and outcome.fault is Fault.DESTINATION
    ]
    if faults:
        return gate.failed(now_s, probe=probe)
    # A 400 is an answer too: the destination is there and speaks.
    if any(not isinstance(outcome, Released) for outcome in outcomes):
        return gate.worked()
    return gate


def settlements(
    parcels: Sequence[Parcel],
    outcomes: Sequence[Outcome],
    *,
    policy: Policy,
    gate: Gate,
    now_us: int,
) -> list[Settlement]:
    """What to write for each parcel of a call."""
    return [
        Settlement(
            parcel=parcel,
            outcome=outcome,
            step=follow(
                Tried(
                    created_at=parcel.created_at,
                    attempts=parcel.attempts,
                    # Most tries succeed and never look at the seed.
                    seed=b"" if isinstance(outcome, Delivered) else seed_of(parcel),
                ),
                outcome,
                policy=policy,
                now=now_us,
                gate_open=gate.open,
            ),
        )
        for parcel, outcome in zip(parcels, outcomes, strict=True)
    ]


def seed_of(parcel: Parcel) -> bytes:
    """What jitter is derived from: the same delivery gives the same waits on every machine."""
    head = parcel.letter.event.id.bytes
    return b"%b/%b/%d" % (head, parcel.destination.encode(), parcel.generation)
