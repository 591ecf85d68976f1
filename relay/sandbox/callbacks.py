"""Callbacks: what is said when a run or batch ends, frozen and signed.

Owns the payload's form, the signature, and the making of deliveries. What a payload lacks or gets wrong is
the run's fate and only obeyed here. How deliveries are sent is `relay.sandbox.sender`'s.

The form is that of concepts/callbacks: field order, ``+00:00``, ``run.completed`` with ``succeeded``. A
batch has ``batch_id`` in the place of ``run_id`` and an output that counts; what its ``items`` hold, the
names of its events but ``batch.succeeded`` and the place of ``client_ref`` are not documented and our
reading.
"""

import hashlib
import hmac
from datetime import datetime
from typing import Final

from relay.sandbox.chance import stream
from relay.sandbox.fate import Copy, Outcome
from relay.sandbox.links import signed
from relay.sandbox.state import Batch, Delivery, Run, Secret, Subject
from relay.sandbox.wire import dump, offset_time, uuid7

__all__ = ["Signers", "batch_output", "freeze", "payload", "sign"]

#: The secret that is current, and the one before it; None where there is none.
Signers = tuple[Secret | None, Secret | None]

#: What signs where a callback is signed with a secret that nobody knows.
_UNKNOWN_SECRET: Final = "whsec_of-nobody"  # noqa: S105 - it is nobody's
_PLAIN: Final = Copy(client_ref="absent")


def sign(body: bytes, secret: str) -> str:
    """``Runflow-Signature``: hex HMAC-SHA256 of the body, keyed by the whole text.

    The ``whsec_`` belongs to the key (guides/verify-callback-signatures).
    """
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def payload(
    subject: Subject, copy: Copy | None = None, *, base: str, at: datetime | None = None
) -> bytes:
    """The body of a callback.

    Args:
        subject: Over, so that it has a moment of completion.
        copy: Which of the fate's copies; None is the plain truth, asked for by hand.
        base: The sandbox's address, which stands in links.
        at: The moment for which links are signed; None is that of the end.

    Raises:
        ValueError: It is not over.
    """
    if subject.completed_at is None or subject.outcome is None:
        raise ValueError(f"{subject.id} is not over")
    said = copy.outcome if copy and copy.outcome else subject.outcome
    key = "batch" if isinstance(subject, Batch) else "run"
    fields: dict[str, object] = {
        "event": f"{key}.{_event(said, key)}",
        f"{key}_id": str(subject.id),
        "status": subject.fate.status(said)
        if said is not subject.outcome
        else subject.status,
        "output": _output(subject, said, base=base, at=at or subject.completed_at),
        "duration_ms": subject.duration_ms,
        "created_at": offset_time(subject.created_at),
        "completed_at": offset_time(subject.completed_at),
        "metadata": _metadata(subject),
    }
    if isinstance(subject, Run):
        fields |= _client_ref(subject, copy)
    flaw = subject.fate.flaw if copy else None
    if flaw is not None and flaw.absent:
        del fields[flaw.field]
    elif flaw is not None:
        fields[flaw.field] = None
    return dump(fields).encode()


def freeze(
    subject: Subject,
    index: int | None,
    *,
    signers: Signers,
    base: str,
    at: datetime,
) -> Delivery:
    """A new delivery: its bytes and its signature never change again.

    Args:
        subject: Whose callback it is.
        index: Which copy of its fate; None for one that was asked for by hand, which is built from what
            is so now, without any fault.
        signers: The secrets that may sign it.
        base: The sandbox's address, which stands in links.
        at: The moment.
    """
    copies = _copies(subject)
    copy = None if index is None else copies[index]
    by_hand = sum(sent.copy is None for sent in subject.deliveries)
    place = f"redelivery {by_hand}" if index is None else f"delivery {index}"
    body = payload(subject, copy, base=base, at=at if index is None else None)
    secret, key = _signer(copy or _PLAIN, signers)
    return Delivery(
        id=uuid7(at, stream(subject.seed, subject.place, place)),
        copy=index,
        body=body,
        signature=None if key is None else sign(body, key),
        secret_id=None if secret is None else secret.id,
        created_at=at,
        outcome=(copy and copy.outcome) or subject.outcome,
        dropped=copy.dropped if copy else frozenset(),
    )


def _copies(subject: Subject) -> tuple[Copy, ...]:
    revision = subject.fate.revision
    return subject.fate.copies + (revision.copies if revision else ())


def _event(outcome: Outcome, key: str) -> str:
    """The last word of ``event``: a run's success is ``completed``, two l's always."""
    return (
        "completed" if (key, outcome) == ("run", Outcome.SUCCEEDED) else outcome.value
    )


def _output(subject: Subject, said: Outcome, *, base: str, at: datetime) -> object:
    if isinstance(subject, Batch):
        return batch_output(subject)
    true = said is subject.outcome
    text = subject.output if true else subject.result_of(said, "told").output
    return signed(text, base=base, at=at, life_s=subject.fate.link_s)


def batch_output(batch: Batch) -> dict[str, object]:
    """What a finished batch gives: its items and how many ended in which way."""
    return {
        "items": [
            {
                "sequence_index": index,
                "run_id": str(run.id),
                "status": run.status,
                "client_ref": run.order.client_ref,
            }
            for index, run in enumerate(batch.runs)
        ],
        "succeeded": batch.count(Outcome.SUCCEEDED, Outcome.PARTIAL_SUCCEEDED),
        "failed": batch.count(Outcome.FAILED),
        "cancelled": batch.count(Outcome.CANCELLED),
        "total": len(batch.runs),
    }


def _metadata(subject: Subject) -> object:
    return subject.metadata if isinstance(subject, Batch) else subject.order.metadata


def _client_ref(run: Run, copy: Copy | None) -> dict[str, object]:
    given = run.order.client_ref
    if copy is None or copy.client_ref == "absent":
        return {}
    if copy.client_ref == "other":
        return {"client_ref": f"{given or 'none'}-other"[-255:]}
    return {"client_ref": given}


def _signer(copy: Copy, signers: Signers) -> tuple[Secret | None, str | None]:
    current, before = signers
    if current is None:
        return None, None
    if copy.key == "wrong":
        return current, _UNKNOWN_SECRET
    if copy.key == "old" and before is not None:
        return before, before.plain
    return current, current.plain
