"""The truth: what is so of every run and batch, to compare with what a consumer made of it.

Owns `Truth` and `BatchTruth` and how they are read off. The output is told with its links as they were
signed at the run's end, which is how the first callbacks have them; `relay.sandbox.links.unsigned` takes
the queries away where a later reading is compared.
"""

from dataclasses import dataclass

from relay.sandbox.links import signed
from relay.sandbox.state import Batch, Run
from relay.sandbox.wire import z_time

__all__ = ["BatchTruth", "Truth", "truth_of", "truth_of_batch"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What is true of a run, for comparing with what a consumer made of it.

    Attributes:
        number: Its place in the order of creation, from 1.
        id: The run id.
        batch_id: The batch it belongs to.
        client_ref: As the caller gave it.
        callback_url: Where its callbacks go; None where it has none.
        status: The ``status_code`` as spelt now; a cancelled run may have either spelling.
        outcome: How it ended in one spelling; None while it goes on.
        earlier: Outcomes that it had before, oldest first.
        told: The outcomes that its callbacks name, in the order in which they were made.
        output: The raw JSON text of its output; None is null.
        completed_at: When it ended, as the API prints it.
        cost: A decimal string.
        failure_code: Why it failed; None unless it did.
        failure_message: The same for people.
        failure_stage: Where it failed.
        injected: The faults that are in it, by the names of `Faults`.
        partial: Whether its callback lacks something.
        doubled: Whether its callback is sent twice.
        copies_accepted: How many deliveries were answered 2xx.
        attempts: How many tries there were, lost ones included.
        attempts_dropped: How many of them were lost on purpose.
        settled: Nothing more will come of it: it is over and its callbacks are heard or given up.
    """

    number: int
    id: str
    batch_id: str | None
    client_ref: str | None
    callback_url: str | None
    status: str
    outcome: str | None
    earlier: tuple[str, ...]
    told: tuple[str, ...]
    output: str | None
    completed_at: str | None
    cost: str | None
    failure_code: str | None
    failure_message: str | None
    failure_stage: str | None
    injected: tuple[str, ...]
    partial: bool
    doubled: bool
    copies_accepted: int
    attempts: int
    attempts_dropped: int
    settled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchTruth:
    """What is true of a batch: its runs by id, in order, and how it ended."""

    number: int
    id: str
    callback_url: str | None
    status: str
    outcome: str | None
    runs: tuple[str, ...]
    completed_at: str | None
    injected: tuple[str, ...]
    copies_accepted: int
    attempts: int
    attempts_dropped: int
    settled: bool


def truth_of(run: Run, *, base: str) -> Truth:
    """What is true of a run now.

    Args:
        run: The run.
        base: The sandbox's address, which stands in links.
    """
    tries = [try_ for sent in run.deliveries for try_ in sent.attempts]
    called = run.callback_url is not None
    at, failure = run.completed_at or run.created_at, run.failure
    output = signed(run.output, base=base, at=at, life_s=run.fate.link_s)
    return Truth(
        number=run.number,
        id=str(run.id),
        batch_id=None if run.batch_id is None else str(run.batch_id),
        client_ref=run.order.client_ref,
        callback_url=run.callback_url,
        status=run.status,
        outcome=None if run.outcome is None else run.outcome.value,
        earlier=tuple(run.earlier),
        told=tuple(sent.outcome.value for sent in run.deliveries if sent.outcome),
        output=None if output is None else output.text,
        completed_at=z_time(run.completed_at),
        cost=run.cost,
        failure_code=failure.code if failure else None,
        failure_message=failure.message if failure else None,
        failure_stage=failure.stage if failure else None,
        injected=tuple(_injected(run)),
        partial=called and run.fate.flaw is not None,
        doubled=called and len(run.fate.copies) > 1,
        copies_accepted=sum(sent.state == "succeeded" for sent in run.deliveries),
        attempts=len(tries),
        attempts_dropped=sum(try_.dropped for try_ in tries),
        settled=run.settled,
    )


def truth_of_batch(batch: Batch) -> BatchTruth:
    """What is true of a batch now."""
    tries = [try_ for sent in batch.deliveries for try_ in sent.attempts]
    return BatchTruth(
        number=batch.number,
        id=str(batch.id),
        callback_url=batch.callback_url,
        status=batch.status,
        outcome=None if batch.outcome is None else batch.outcome.value,
        runs=tuple(str(run.id) for run in batch.runs),
        completed_at=z_time(batch.completed_at),
        injected=tuple(_injected(batch)),
        copies_accepted=sum(sent.state == "succeeded" for sent in batch.deliveries),
        attempts=len(tries),
        attempts_dropped=sum(try_.dropped for try_ in tries),
        settled=batch.settled,
    )


#: What is in a run whether or not it calls back.
_WITHOUT_CALLBACK = {"empty_output", "revise", "revise_silently", "stale"}


def _injected(subject: Run | Batch) -> list[str]:
    found = subject.fate.injected
    if subject.callback_url is None:
        return [name for name in found if name in _WITHOUT_CALLBACK]
    return found
