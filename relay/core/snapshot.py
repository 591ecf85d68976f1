"""Snapshot: a run or batch as the API answers it, and the document that an event is built from.

Owns reading the answer of ``GET /v1/runs/{id}`` and ``GET /v1/batches/{id}``, telling an answer that is
about something else from one that can be believed, and distilling it. The document has the shape of a
callback, so that whatever reads callbacks reads it too; ``output`` and ``metadata`` are in it byte for
byte as they were received. Knows nothing of how the answer was fetched.

Sources: Runflow, "Get run" (the key is ``id``, the state ``status_code``) and "Get batch detail".
"""

from collections.abc import Iterable
from typing import Final, Literal

import msgspec
from msgspec import Raw

from relay.core.callback import Reading, Unreadable, read
from relay.core.callback.reader import is_usable_ref, outcome_of
from relay.core.callback.wire import NULL, Wire, decode, text
from relay.core.identity import Kind, Outcome, RunKey, canonical
from relay.core.moment import read_moment

__all__ = ["Snapshot", "Unfinished", "WrongAnswer", "document", "read_answer"]

WrongReason = Literal[
    "not_json", "unexpected_shape", "wrong_run", "other_organization", "no_status"
]

#: What a callback carries, as far as the API knows it: what events say unless more was asked for.
_USUAL: Final = (
    "status_code",
    "created_at",
    "completed_at",
    "duration_ms",
    "output",
    "metadata",
    "client_ref",
    "failure_code",
    "failure_message",
    "failure_stage_code",
)
#: What only the API tells.
_RICHER: Final = (
    "batch_id",
    "started_at",
    "cost",
    "org_id",
    "nodes_total",
    "nodes_completed",
    "target_type",
    "target_version",
    "model_id",
    "flow_id",
    "comfyui_workflow_id",
)
_encode: Final = msgspec.json.encode


class _Head(msgspec.Struct):
    id: Raw = NULL


_head: Final = msgspec.json.Decoder(_Head)


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that says how a run or batch ended."""

    key: RunKey
    outcome: Outcome
    wire: Wire


class Unfinished(msgspec.Struct, frozen=True):
    """An answer that says that it has not ended yet."""

    status: str


class WrongAnswer(msgspec.Struct, frozen=True):
    """An answer with status 200 that must not be believed."""

    reason: WrongReason
    detail: str = ""


def read_answer(
    body: bytes, key: RunKey, *, organization: str | None = None
) -> Snapshot | Unfinished | WrongAnswer:
    """Read what the API answered when it was asked for ``key``; never raises for anything it can hold.

    ``organization`` is the id that the answer has to name, where one is known.
    """
    wire = decode(body)
    if isinstance(wire, Unreadable):
        reason: WrongReason = (
            "not_json"
            if wire.reason in ("not_json", "not_utf8")
            else "unexpected_shape"
        )
        return WrongAnswer(reason, wire.reason)
    named = text(_head.decode(body).id)
    if named is None:
        return WrongAnswer("unexpected_shape", "no id")
    if canonical(named) != key.id:
        return WrongAnswer("wrong_run", "another id")
    org_id = wire.org_id
    if organization and org_id and canonical(org_id) != canonical(organization):
        return WrongAnswer("other_organization", "another org_id")
    return _judged(wire, key)


def _judged(wire: Wire, key: RunKey) -> Snapshot | Unfinished | WrongAnswer:
    status = wire.status_code or wire.status
    if not status or not status.strip():
        return WrongAnswer("no_status")
    word = status.strip().lower()
    ended = read_moment(wire.completed_at) is not None
    outcome = outcome_of(word, ended=ended)
    if outcome is None:
        return Unfinished(status)
    return Snapshot(key=key, outcome=outcome, wire=wire)


def document(
    snapshot: Snapshot, callbacks: Iterable[Reading], *, enriched: bool
) -> bytes:
    """What an event of this answer is built from, as the JSON of one callback.

    What the API leaves null is taken from callbacks that name the same outcome, in an order of their
    own and not of their arrival. ``enriched`` adds what callbacks never carry, so that which fields an
    event has depends on the configuration and not on how the run became known.
    """
    own = "run_id" if snapshot.key.kind is Kind.RUN else "batch_id"
    names = (*_USUAL, *(name for name in _RICHER if enriched and name != own))
    fields: dict[str, object] = {own: snapshot.key.id}
    fields |= {name: _told(getattr(snapshot.wire, name)) for name in names}
    fields["status_code"] = snapshot.wire.status_code or snapshot.wire.status
    if not is_usable_ref(snapshot.wire.client_ref):
        fields["client_ref"] = None
    told = read(_encode(fields), source=snapshot.key.source, require=())
    agreeing = sorted(
        (
            one
            for one in callbacks
            if isinstance(told, Reading) and one.outcome is told.outcome
        ),
        key=_steady,
        reverse=True,
    )
    for name in names:
        for one in agreeing:
            if fields[name] is None:
                fields[name] = _told(getattr(one.wire, name))
    return _encode({name: value for name, value in fields.items() if value is not None})


def _told(value: object) -> object:
    """A field's value; None for null."""
    return None if isinstance(value, Raw) and bytes(value) == b"null" else value


def _steady(reading: Reading) -> tuple[str, bytes]:
    """The latest first, and then anything that does not depend on arrival."""
    return (reading.completed_at or "", _encode(reading.wire))
