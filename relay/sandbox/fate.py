"""What can become of a run, and what can go wrong with its callbacks.

Owns `Fate`, all that is decided of a run before it begins, and the words for it. How it is decided is
`relay.sandbox.chance`'s. Knows nothing of time, HTTP or how a payload is written.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

__all__ = ["Copy", "Evaluation", "Fate", "Flaw", "Outcome", "Revision"]


class Outcome(StrEnum):
    """How a run ends; the value is the ``status_code`` with the enums' spelling."""

    SUCCEEDED = "succeeded"
    PARTIAL_SUCCEEDED = "partial_succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def gives(self) -> bool:
        """Whether there is an output of the model's."""
        return self in {Outcome.SUCCEEDED, Outcome.PARTIAL_SUCCEEDED}


@dataclass(frozen=True, slots=True)
class Flaw:
    """What a partial callback lacks.

    Attributes:
        field: The field of the payload.
        absent: Whether it is left out; else it is there and null.
    """

    field: str
    absent: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """One delivery of a run's callback.

    Attributes:
        client_ref: Whether the body names ``client_ref``, names it not, or names another.
        dropped: The numbers of the tries, from 1, that are lost.
        outcome: What it says of the run's end; None is the truth.
        key: What signs it: the current secret, the one before it, or one that nobody knows.
    """

    client_ref: Literal["named", "absent", "other"]
    dropped: frozenset[int] = frozenset()
    outcome: Outcome | None = None
    key: Literal["current", "old", "wrong"] = "current"


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """A second end: after its callbacks the run turns out to have ended otherwise.

    Attributes:
        outcome: How it ended after all.
        copies: The callbacks that say so; none where nothing is said.
    """

    outcome: Outcome
    copies: tuple[Copy, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What the evaluation of a run's output gave. A verdict may be missing."""

    passed: bool | None
    score: float
    category: str | None = None
    subcategory: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """All that chance decides of one run before it begins.

    Attributes:
        outcome: How it ends.
        cancelled: How the record and the callbacks spell "cancelled".
        span: Where its length lies between the shortest (0) and the longest (1).
        flaw: What its callbacks lack; None where they are whole.
        copies: The deliveries of its callback, one or two.
        delay_s: How long its callback is held back, in seconds.
        overtaken: Whether its callback waits until a later one has come.
        empty: Whether it has no output although it succeeds.
        stale_reads: For how many reads after its end the API says that it runs.
        link_s: How long links of its output live, in seconds; 0 is by the link.
        revision: Its second end, if it has one.
        evaluation: Of its output, if there is one.
    """

    outcome: Outcome
    cancelled: str
    span: float
    flaw: Flaw | None
    copies: tuple[Copy, ...]
    delay_s: float = 0.0
    overtaken: bool = False
    empty: bool = False
    stale_reads: int = 0
    link_s: int = 0
    revision: Revision | None = None
    evaluation: Evaluation | None = None

    def status(self, outcome: Outcome) -> str:
        """The word for an outcome, as this run spells it."""
        return self.cancelled if outcome is Outcome.CANCELLED else outcome.value

    @property
    def injected(self) -> list[str]:
        """The faults that are in it, by the names that `Faults` has for them."""
        copies, second = self.copies, self.revision
        true = [copy.outcome is None for copy in copies]
        found = {
            "empty_output": self.empty,
            "revise": second is not None and bool(second.copies),
            "revise_silently": second is not None and not second.copies,
            "drop": any(copy.dropped and not _lost(copy) for copy in copies),
            "lose": any(_lost(copy) for copy in copies),
            "double": len(copies) > 1,
            "reorder": self.overtaken,
            "delay": self.delay_s > 0,
            "wrong_secret": copies[0].key == "wrong",
            "old_secret": copies[0].key == "old",
            "partial": self.flaw is not None,
            "conflict": not any(true),
            "contradict": len(set(true)) > 1,
            "client_ref_conflict": any(c.client_ref == "other" for c in copies),
            "stale": self.stale_reads > 0,
        }
        return [name for name, there in found.items() if there]


def _lost(copy: Copy) -> bool:
    return 0 in copy.dropped
