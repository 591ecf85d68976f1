"""Runs, batches and their callbacks: what the sandbox knows of each, and how a run moves.

Owns `Run`, `Batch`, their deliveries and tries, and callback secrets. The moves are plain method calls:
who waits between them, who sends, and where all of this is kept, is not known here.
"""

import uuid
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from relay.sandbox.chance import stream
from relay.sandbox.fate import Fate, Outcome
from relay.sandbox.orders import Order
from relay.sandbox.outputs import Failure, Result, result
from relay.sandbox.wire import Raw, uuid7

__all__ = [
    "Attempt",
    "Batch",
    "Delivery",
    "Log",
    "Run",
    "Secret",
    "Subject",
    "milliseconds",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try at a delivery.

    Attributes:
        status_code: The receiver's HTTP status; None when no answer came.
        response_body: The beginning of its answer; None when no answer came.
        error_message: Why no answer came; None when one did.
        dropped: True when it was lost on purpose and never sent.
    """

    id: uuid.UUID
    number: int
    status_code: int | None
    response_body: str | None
    response_time_ms: int | None
    error_message: str | None
    created_at: datetime
    dropped: bool = False

    @property
    def accepted(self) -> bool:
        """Whether the receiver answered 2xx: the only success there is."""
        return self.status_code is not None and 200 <= self.status_code <= 299


@dataclass(slots=True, kw_only=True)
class Delivery:
    """One callback on its way: bytes and signature that are frozen, and the tries at sending them.

    Attributes:
        copy: Which of the fate's copies it is, from 0; None for one that was asked for by hand.
        secret_id: The secret that its record names; None where the organisation has none.
        dropped: The numbers of the tries that are lost.
        outcome: The outcome it names; None where it names that of a batch.
    """

    id: uuid.UUID
    copy: int | None
    body: bytes
    signature: str | None
    secret_id: uuid.UUID | None
    created_at: datetime
    outcome: Outcome | None = None
    dropped: frozenset[int] = frozenset()
    attempts: list[Attempt] = field(default_factory=list)
    state: Literal["pending", "succeeded", "failed"] = "pending"
    next_attempt_at: datetime | None = None
    completed_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """One line of a run's log."""

    id: uuid.UUID
    level: Literal["info", "warning", "error"]
    message: str
    at: datetime
    meta: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Secret:
    """A callback secret of the organisation: the whole text is the key."""

    number: int
    id: uuid.UUID
    plain: str
    label: str | None
    is_current: bool
    created_at: datetime
    updated_at: datetime
    last_used_at: datetime | None = None


@dataclass(slots=True, kw_only=True)
class Run:
    """One run, from ``queued`` to its end and the end of its callbacks.

    `fate` says what will become of it; the fields after `created_at` say what has.

    Attributes:
        place: Where its dice are: its number in the order of creation, from 1.
        kind: What ran.
        target: ``owner/slug`` of the model or workflow.
        earlier: Outcomes that it had before the one it has.
        stale_left: For how many more reads the API says that it runs.
        revised: It has had its second end.
        touched: Somebody else has ended or changed it: its fate's second end is void.
        calls: How many calls of the API asked for it.
        settled: Nothing more will come of it.
    """

    number: int
    seed: int
    id: uuid.UUID
    request_id: uuid.UUID
    kind: Literal["model", "comfyui"]
    target: str
    order: Order
    fate: Fate
    created_at: datetime
    batch_id: uuid.UUID | None = None
    callback_url: str | None = None
    status: str = "queued"
    outcome: Outcome | None = None
    earlier: list[Outcome] = field(default_factory=list)
    started_at: datetime | None = None
    completed_at: datetime | None = None
    output: Raw | None = None
    cost: str | None = None
    failure: Failure | None = None
    duration_ms: int | None = None
    nodes_total: int | None = None
    nodes_completed: int | None = None
    stale_left: int = 0
    revised: bool = False
    touched: bool = False
    calls: int = 0
    logs: list[Log] = field(default_factory=list)
    deliveries: list[Delivery] = field(default_factory=list)
    settled: bool = False

    @property
    def place(self) -> int:
        """Where its dice are."""
        return self.number

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self.outcome is not None

    def dispatch(self, at: datetime) -> None:
        """A provider is being asked: ``queued`` -> ``dispatching``."""
        self.status = "dispatching"
        self.log(at, "Dispatched to the provider.")

    def begin(self, at: datetime) -> None:
        """The provider works: ``dispatching`` -> ``running``."""
        self.status = "running"
        self.started_at = at
        self.log(at, "The provider has begun.")

    def finish(self, at: datetime) -> None:
        """It is over, in the way that its fate says: ``running`` -> terminal."""
        self.stale_left = self.fate.stale_reads
        made = self.result_of(self.fate.outcome, "output")
        self.end(self.fate.outcome, made, at)

    def revise(self, at: datetime) -> None:
        """It has ended otherwise after all, as its fate's revision says."""
        if self.fate.revision is not None and not self.revised:
            self.revised = True
            made = self.result_of(self.fate.revision.outcome, "revision")
            self.end(self.fate.revision.outcome, made, at)

    def cancel(self, at: datetime, reason: str | None) -> None:
        """An administrator ended it; what the provider gives later is dropped."""
        self.touched = True
        self.log(at, "Cancelled by an administrator.", "warning", reason=reason or "")
        self.end(Outcome.CANCELLED, Result(None, None, None), at)

    def result_of(self, outcome: Outcome, aspect: str) -> Result:
        """What it gives if it ends like this; other aspects give other results."""
        made = result(outcome, stream(self.seed, self.number, aspect), run_id=self.id)
        if self.fate.empty and outcome.gives:
            return Result(None, made.cost, made.failure)
        return made

    def end(self, outcome: Outcome, made: Result, at: datetime) -> None:
        """It is over, or over anew."""
        self.output, self.cost, self.failure = made.output, made.cost, made.failure
        self.completed_at = at
        self.duration_ms = milliseconds(self.created_at, at)
        self.status = self.fate.status(outcome)
        self.become(outcome)
        if made.failure is None:
            self.log(at, f"The run has ended: {self.status}.")
        else:
            self.log(at, made.failure.message, "error", code=made.failure.code)

    def become(self, outcome: Outcome) -> None:
        """Note the outcome, and the one before it if it was another."""
        if self.outcome is not None and self.outcome is not outcome:
            self.earlier.append(self.outcome)
        self.outcome = outcome

    def log(
        self,
        at: datetime,
        message: str,
        level: Literal["info", "warning", "error"] = "info",
        **meta: str,
    ) -> None:
        """Add a line to its log."""
        dice = stream(self.seed, self.number, f"log {len(self.logs)}")
        self.logs.append(
            Log(id=uuid7(at, dice), level=level, message=message, at=at, meta=meta)
        )


@dataclass(slots=True, kw_only=True)
class Batch:
    """Runs that were asked for together, and the one callback when all of them are over.

    Attributes:
        items: The id of each item, in order.
        runs: The runs of the items, in order.
        inputs: The inputs as they were sent, in order.
    """

    number: int
    seed: int
    id: uuid.UUID
    target: str
    inputs: tuple[Raw, ...]
    metadata: Raw | None
    callback_url: str | None
    fate: Fate
    created_at: datetime
    items: list[uuid.UUID]
    runs: list[Run]
    completed_at: datetime | None = None
    deliveries: list[Delivery] = field(default_factory=list)
    settled: bool = False

    @property
    def place(self) -> str:
        """Where its dice are."""
        return f"batch-{self.number}"

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self.completed_at is not None

    @property
    def outcome(self) -> Outcome | None:
        """How it ended, from how its runs did; None while it goes on."""
        return self._sum() if self.over else None

    def _sum(self) -> Outcome:
        ends = {run.outcome for run in self.runs}
        if len(ends) == 1:
            return ends.pop() or Outcome.FAILED
        if Outcome.SUCCEEDED in ends or Outcome.PARTIAL_SUCCEEDED in ends:
            return Outcome.PARTIAL_SUCCEEDED
        return Outcome.FAILED

    @property
    def status(self) -> str:
        """The word for where it stands."""
        if self.outcome is not None:
            return self.fate.status(self.outcome)
        begun = any(run.status != "queued" for run in self.runs)
        return "running" if begun else "queued"

    @property
    def started_at(self) -> datetime | None:
        """When the first of its runs began."""
        begun = [run.started_at for run in self.runs if run.started_at]
        return min(begun, default=None)

    @property
    def duration_ms(self) -> int | None:
        """Wall-clock milliseconds from creation to the end; None before the end."""
        if self.completed_at is None:
            return None
        return milliseconds(self.created_at, self.completed_at)

    def count(self, *ends: Outcome) -> int:
        """How many of its runs ended in one of these ways."""
        return sum(run.outcome in ends for run in self.runs)


Subject = Run | Batch


def milliseconds(since: datetime, until: datetime) -> int:
    """Whole milliseconds between two moments, never below zero."""
    return max(0, round((until - since).total_seconds() * 1000))
