"""Jobs: what can ride with a group commit, whatever the store.

Owns their shapes and which of them make the store grow. Knows no database.
"""

from collections.abc import Sequence

import msgspec

from relay.core.ports import Refusal, Settlement
from relay.core.receipt import Receipt
from relay.core.retention import PassStep

__all__ = [
    "Claim",
    "Forget",
    "Job",
    "Keep",
    "Record",
    "Register",
    "Settle",
    "is_intake",
]


class Record(msgspec.Struct, frozen=True):
    """Commit receipts."""

    receipts: Sequence[Receipt]


class Settle(msgspec.Struct, frozen=True):
    """Write what became of tries."""

    settlements: Sequence[Settlement]


class Claim(msgspec.Struct, frozen=True):
    """Lease due deliveries of a destination."""

    destination: str
    limit: int
    #: Bytes of the bodies behind them.
    size: int
    now: int


class Register(msgspec.Struct, frozen=True):
    """Make sure that destinations have numbers (name, kind)."""

    destinations: Sequence[tuple[str, str]]


class Keep(msgspec.Struct, frozen=True):
    """Count requests that failed verification; ``most`` rows are kept."""

    refusals: Sequence[Refusal]
    most: int


class Forget(msgspec.Struct, frozen=True):
    """Take one step of retention."""

    step: PassStep


Job = Record | Settle | Claim | Register | Keep | Forget


def is_intake(job: Job) -> bool:
    """Whether a job makes the store grow by what comes from outside."""
    return isinstance(job, Record | Keep)
