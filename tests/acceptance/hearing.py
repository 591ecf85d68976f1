"""Hearing: what a sink was told of each run, held against what the upstream knows.

Owns that comparison, in words. Pure; shares no code with the relay, so that neither hides the other's
mistakes. Links are compared without their signatures, everything else as it is written.
"""

import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from itertools import pairwise

import msgspec
from aiokafka.structs import ConsumerRecord

from relay.sandbox import BatchTruth, Truth, unsigned

#: The namespace of every event's id.
NAMESPACE = uuid.UUID("8a0def7b-d79e-47aa-8d40-2bccf4a180cb")
#: With one of these a run has more than one story: more than one event may tell it.
CONTESTED = {
    "conflict",
    "contradict",
    "client_ref_conflict",
    "revise",
    "revise_silently",
}


class Data(msgspec.Struct, frozen=True, kw_only=True):
    """What is compared of ``data``."""

    kind: str
    status: str
    client_ref: str | None
    completed_at: str | None
    cost: str | None
    failure: dict[str, str | None] | None
    nodes: dict[str, int | None] | None
    output: msgspec.Raw
    metadata: msgspec.Raw


class _Structured(msgspec.Struct):
    source: str
    subject: str
    revision: int
    confirmed: bool
    data: msgspec.Raw


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """One event as a sink got it. The same event twice is two of these."""

    id: str
    source: str
    subject: str
    revision: int
    confirmed: bool
    #: All that must be the same whenever it comes again.
    wire: bytes
    told: Data
    data: bytes


def over_http(name: str, body: bytes) -> Heard:
    """An event as it was posted, under its ``webhook-id``."""
    found = msgspec.json.decode(body, type=_Structured)
    return Heard(
        id=name,
        source=found.source.rpartition("/")[2],
        subject=found.subject,
        revision=found.revision,
        confirmed=found.confirmed,
        wire=body,
        told=msgspec.json.decode(found.data, type=Data),
        data=bytes(found.data),
    )


def over_kafka(record: ConsumerRecord) -> Heard:
    """An event as it stands in a topic, in CloudEvents' binary mode."""
    said = {name: value.decode() for name, value in record.headers}
    value = record.value or b""
    return Heard(
        id=said["ce_id"],
        source=said["ce_source"].rpartition("/")[2],
        subject=said["ce_subject"],
        revision=int(said["ce_revision"]),
        confirmed=said["ce_confirmed"] == "true",
        wire=b"\n".join([repr(sorted(said.items())).encode(), value]),
        told=msgspec.json.decode(value, type=Data),
        data=value,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A run as it was asked for: where its callbacks go, and what the sandbox's truth does not repeat."""

    source: str
    #: The raw JSON.
    metadata: str
    #: Whether its events say all that the API knows.
    enriched: bool


@dataclass(slots=True)
class Hearing:
    """All that one sink was told, run by run, and in which order."""

    sink: str
    #: First occurrences only, in order of arrival.
    events: dict[str, list[Heard]] = field(default_factory=dict)
    seen: dict[str, Heard] = field(default_factory=dict)
    repeats: int = 0
    faults: list[str] = field(default_factory=list)

    def hear(self, event: Heard) -> None:
        """Take one event."""
        known = self.seen.setdefault(event.id, event)
        if known is not event:
            self.repeats += 1
            if known.wire != event.wire:
                self.faults.append(f"{event.id} of {event.subject} came in two forms")
            return
        chain = self.events.setdefault(event.subject, [])
        if chain and chain[-1].revision >= event.revision:
            last = chain[-1].revision
            self.faults.append(
                f"{event.subject}: revision {event.revision} came after {last}"
            )
        chain.append(event)

    def is_true(self, run: Truth) -> bool:
        """Whether the last that was heard of a run is how it ended."""
        chain = self.events.get(run.id)
        return chain is not None and chain[-1].told.status == run.outcome

    def differences(
        self,
        runs: Iterable[Truth],
        batches: Iterable[BatchTruth],
        orders: Mapping[str, Order],
    ) -> list[str]:
        """Everything in which it differs from what is true, run by run."""
        found = list(self.faults)
        strangers = set(self.events)
        for run in runs:
            if run.callback_url is None:
                continue
            strangers.discard(run.id)
            order, chain = orders[run.id], self.events.get(run.id, [])
            found += [
                f"{run.id} (run {run.number} of {order.source}, {_story(run)}): {why}"
                f"; heard {_said(chain)}"
                for why in _wrong(run, order, chain)
            ]
        for batch in batches:
            strangers.discard(batch.id)
            chain = self.events.get(batch.id, [])
            found += [
                f"{batch.id} (batch {batch.number}, {batch.outcome}): {why}"
                f"; heard {_said(chain)}"
                for why in _wrong_batch(batch, chain)
            ]
        found += [f"{name} is none of ours" for name in sorted(strangers)]
        return [f"{self.sink}: {one}" for one in found]


def _wrong(run: Truth, order: Order, chain: Sequence[Heard]) -> list[str]:
    """What is wrong with all that was heard of a run."""
    if not chain:
        return ["was never heard of"]
    found = _wrong_chain(chain, "run", order.source)
    if not CONTESTED.intersection(run.injected) and len(chain) != 1:
        found.append(f"is told in {len(chain)} events")
    invented = {event.told.status for event in chain} - {
        *run.earlier,
        *run.told,
        run.outcome,
    }
    if invented:
        found.append(f"{sorted(invented)} is neither true nor was it ever called so")
    last = chain[-1].told
    if last.status != run.outcome:
        return [*found, f"ended {run.outcome}"]
    if _was_foretold(run):
        return found
    return found + _wrong_content(run, order, last)


def _was_foretold(run: Truth) -> bool:
    """Whether it was falsely said to have ended as it later did: then the false word stands for the true one.

    Whole callbacks that name one outcome are one event, whatever else they say: nobody is asked.
    """
    revised = "revise" in run.injected
    early = run.told[:-1] if revised else run.told
    lied = not {"conflict", "contradict"}.isdisjoint(run.injected)
    return bool(run.earlier) and lied and run.outcome in early


def _wrong_batch(batch: BatchTruth, chain: Sequence[Heard]) -> list[str]:
    if len(chain) != 1:
        return [f"is told in {len(chain)} events"]
    found = _wrong_chain(chain, "batch", chain[0].source)
    if chain[0].told.status != batch.outcome:
        found.append("ended otherwise")
    if not _same_moment(chain[0].told.completed_at, batch.completed_at):
        found.append(f"completed_at is {batch.completed_at}")
    return found


def _wrong_chain(chain: Sequence[Heard], kind: str, source: str) -> list[str]:
    """What is wrong with a run's events, whatever is true of it."""
    found = []
    for number, event in enumerate(chain, 1):
        parts = [source, kind, event.subject, event.told.status, str(event.revision)]
        if event.id != str(uuid.uuid5(NAMESPACE, "\n".join(parts))):
            found.append(f"the id {event.id} is not that of {parts}")
        if event.revision != number:
            found.append(f"revision {event.revision} in the place of {number}")
        if not event.confirmed:
            found.append(f"revision {event.revision} is not confirmed")
    found += [
        f"revisions {one.revision} and {other.revision} say the same"
        for one, other in pairwise(chain)
        if one.data == other.data
    ]
    return found


def _wrong_content(run: Truth, order: Order, last: Data) -> list[str]:
    """Fields of the last event that are not what the upstream knows.

    Callbacks need not name all; where only what they leave open is asked for, such a field may be null.
    """
    found = []
    output = bytes(last.output).decode()
    if unsigned(output) != unsigned(run.output or "null"):
        found.append(f"the output is {run.output}, not {output}")
    if not _same_moment(last.completed_at, run.completed_at):
        found.append(f"completed_at is {run.completed_at}, not {last.completed_at}")
    metadata = bytes(last.metadata).decode()
    lacking = metadata == "null" and run.partial and not order.enriched
    if metadata != order.metadata and not lacking:
        found.append(f"metadata is {order.metadata}, not {metadata}")
    unnamed = last.client_ref is None and not order.enriched
    # Signed bytes that nothing contradicts are believed: of two that disagree one never came.
    alone = "client_ref_conflict" in run.injected and run.copies_accepted < 2
    if last.client_ref != run.client_ref and not unnamed and not alone:
        found.append(f"client_ref is {run.client_ref}, not {last.client_ref}")
    if not _same_failure(run, last.failure, enriched=order.enriched):
        found.append(f"the failure is {run.failure_code}, not {last.failure}")
    if order.enriched and not _same_cost(run.cost, last.cost):
        found.append(f"the cost is {run.cost}, not {last.cost}")
    return found


def _same_failure(
    run: Truth, told: Mapping[str, str | None] | None, *, enriched: bool
) -> bool:
    if told is None:
        return run.failure_code is None or not enriched
    true = (run.failure_code, run.failure_message)
    stages = {run.failure_stage} if enriched else {run.failure_stage, None}
    return (told["code"], told["message"]) == true and told["stage"] in stages


def _same_cost(true: str | None, told: str | None) -> bool:
    if true is None or told is None:
        return true == told
    return Decimal(true) == Decimal(told)


def _same_moment(told: str | None, true: str | None) -> bool:
    if told is None or true is None:
        return told == true
    return datetime.fromisoformat(told) == datetime.fromisoformat(true)


def _story(run: Truth) -> str:
    """What became of a run, and what went wrong with it."""
    ends = " then ".join([*run.earlier, run.outcome or "running"])
    return f"{ends}, told {'+'.join(run.told) or 'never'}, {'+'.join(run.injected) or 'no fault'}"


def _said(chain: Sequence[Heard]) -> str:
    said = [f"{event.revision} {event.told.status}" for event in chain]
    return json.dumps(said)
