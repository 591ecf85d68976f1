"""Runs and their lives: what the sandbox knows, and how a run moves from state to state.

Owns `Run`, its deliveries and tries, and the `Book` that holds them all. The moves are
plain method calls: who waits between them, and who sends, is not known here.
"""

import asyncio
import uuid
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from relay.sandbox.faults import Fate, Faults, Outcome, fate, stream
from relay.sandbox.orders import Order
from relay.sandbox.outputs import Failure, result
from relay.sandbox.wire import Raw, uuid7

__all__ = ["RUNS_MAX", "Attempt", "Book", "BookFullError", "Delivery", "Run", "Truth"]

#: Runs kept before new ones are refused, unless told otherwise; none is forgotten.
RUNS_MAX = 100_000


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
    """One callback on its way: bytes that are frozen, and the tries at sending them."""

    id: uuid.UUID
    body: bytes
    created_at: datetime
    attempts: list[Attempt] = field(default_factory=list)
    state: Literal["pending", "succeeded", "failed"] = "pending"
    next_attempt_at: datetime | None = None
    completed_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What is true of a run, for comparing with what a consumer made of it.

    Attributes:
        number: Its place in the order of creation, from 1.
        id: The run id.
        client_ref: As the caller gave it.
        status: The ``status_code`` as spelt now; a cancelled run may have either spelling.
        outcome: How it ended in one spelling; None while it goes on.
        output: The raw JSON text of its output; None is null.
        partial: Whether its callback lacks something.
        doubled: Whether its callback is sent twice.
        copies_accepted: How many deliveries were answered 2xx.
        attempts: How many tries there were, lost ones included.
        attempts_dropped: How many of them were lost on purpose.
        settled: True when nothing more will come of it: it is over and its callback is
            heard or given up (or the sandbox was stopped).
    """

    number: int
    id: str
    client_ref: str | None
    status: str
    outcome: str | None
    output: str | None
    partial: bool
    doubled: bool
    copies_accepted: int
    attempts: int
    attempts_dropped: int
    settled: bool


@dataclass(slots=True, kw_only=True)
class Run:
    """One run, from ``queued`` to its end and the end of its callback.

    `fate` says what will become of it; the fields after it say what has.
    """

    number: int
    seed: int
    id: uuid.UUID
    request_id: uuid.UUID
    model: str
    order: Order
    fate: Fate
    created_at: datetime
    status: str = "queued"
    outcome: Outcome | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    output: Raw | None = None
    cost: str | None = None
    failure: Failure | None = None
    deliveries: list[Delivery] = field(default_factory=list)
    settled: bool = False

    def dispatch(self) -> None:
        """A provider is being asked: ``queued`` -> ``dispatching``."""
        self.status = "dispatching"

    def begin(self, at: datetime) -> None:
        """The provider works: ``dispatching`` -> ``running``."""
        self.status = "running"
        self.started_at = at

    def finish(self, at: datetime) -> None:
        """It is over, in the way that its fate says: ``running`` -> terminal."""
        made = result(
            self.fate.outcome,
            stream(self.seed, self.number, "output"),
            run_id=self.id,
            at=at,
        )
        self.output, self.cost, self.failure = made.output, made.cost, made.failure
        self.completed_at = at
        self.status = self.fate.status
        self.outcome = self.fate.outcome

    @property
    def duration_ms(self) -> int | None:
        """Wall-clock milliseconds from creation to the end; None before the end."""
        if self.completed_at is None:
            return None
        passed = self.completed_at - self.created_at
        return max(0, round(passed.total_seconds() * 1000))

    def truth(self) -> Truth:
        """What is true of it now."""
        attempts = [try_ for sent in self.deliveries for try_ in sent.attempts]
        called_back = self.order.callback_url is not None
        return Truth(
            number=self.number,
            id=str(self.id),
            client_ref=self.order.client_ref,
            status=self.status,
            outcome=None if self.outcome is None else self.outcome.value,
            output=None if self.output is None else self.output.text,
            partial=called_back and self.fate.flaw is not None,
            doubled=called_back and len(self.fate.copies) > 1,
            copies_accepted=sum(sent.state == "succeeded" for sent in self.deliveries),
            attempts=len(attempts),
            attempts_dropped=sum(try_.dropped for try_ in attempts),
            settled=self.settled,
        )


class BookFullError(RuntimeError):
    """As many runs are kept as may be."""


class Book:
    """Every run that was created, in order."""

    def __init__(
        self, *, seed: int, faults: Faults, tries_max: int, runs_max: int
    ) -> None:
        self._seed = seed
        self._faults = faults
        self._tries_max = tries_max
        self._runs_max = runs_max
        self._runs: dict[str, Run] = {}
        self._open = 0
        self._quiet = asyncio.Event()
        self._quiet.set()

    def open(self, order: Order, *, model: str, at: datetime) -> Run:
        """Enter a new run, ``queued``.

        Its id is a UUIDv7 of this moment whose chance comes from the seed, so that two
        sandboxes of one seed make runs of one fate under ids of their own.

        Raises:
            BookFullError: No more runs may be kept.
        """
        if len(self._runs) >= self._runs_max:
            raise BookFullError(f"{self._runs_max} runs are kept, none is forgotten")
        number = len(self._runs) + 1
        dice = stream(self._seed, number, "ids")
        run = Run(
            number=number,
            seed=self._seed,
            id=uuid7(at, dice),
            request_id=uuid7(at, dice),
            model=model,
            order=order,
            fate=fate(self._seed, number, self._faults, tries_max=self._tries_max),
            created_at=at,
        )
        self._runs[str(run.id)] = run
        self._open += 1
        self._quiet.clear()
        return run

    def find(self, run_id: str) -> Run | None:
        """The run with this id in any case of its letters; None when there is none."""
        return self._runs.get(run_id.lower())

    def settle(self, run: Run) -> None:
        """Nothing more will come of the run."""
        run.settled = True
        self._open -= 1
        if not self._open:
            self._quiet.set()

    async def settled(self) -> None:
        """Wait until nothing is under way."""
        await self._quiet.wait()

    def truths(self) -> list[Truth]:
        """What is true of every run, in the order of creation."""
        return [run.truth() for run in self._runs.values()]
