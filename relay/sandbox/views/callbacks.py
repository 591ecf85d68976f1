"""Callback deliveries and callback secrets as the API shows them.

Owns their fields and order (get-callback-delivery-history, create-callback-signing-secret). The documents
list no values for a delivery's state and reasons: those here are our own.
"""

from relay.sandbox.state import Attempt, Batch, Delivery, Secret, Subject
from relay.sandbox.views.names import ORG
from relay.sandbox.wire import Raw, z_time

__all__ = ["delivery", "secret"]


def delivery(subject: Subject, sent: Delivery, *, tries_max: int) -> dict[str, object]:
    """A callback delivery of a run or batch, as its history lists it."""
    text = sent.body.decode()
    gave_up = sent.state == "failed"
    last = sent.attempts[-1] if sent.attempts else None
    return {
        "id": str(sent.id),
        "batch_id" if isinstance(subject, Batch) else "run_id": str(subject.id),
        "callback_url": subject.callback_url,
        "payload_bytes": text,
        "payload": Raw(text),
        "signing_secret_id": None if sent.secret_id is None else str(sent.secret_id),
        "is_automatic": sent.copy is not None,
        "status_code": sent.state,
        "failure_reason_code": "ATTEMPTS_EXHAUSTED" if gave_up else None,
        "failure_detail": _detail(last) if gave_up and last else None,
        "attempt_count": len(sent.attempts),
        "max_attempts": tries_max,
        "next_attempt_at": z_time(sent.next_attempt_at),
        "created_at": z_time(sent.created_at),
        "updated_at": z_time(last.created_at if last else sent.created_at),
        "completed_at": z_time(sent.completed_at),
        "attempts": [_attempt(sent, attempt) for attempt in sent.attempts],
    }


def secret(kept: Secret, *, plain: bool = False) -> dict[str, object]:
    """A callback secret; its text is shown only by its creation."""
    shown: dict[str, object] = {"plain_secret": kept.plain} if plain else {}
    return shown | {
        "id": str(kept.id),
        "org_id": ORG,
        "key_prefix": kept.plain[:10],
        "is_current": kept.is_current,
        "label": kept.label,
        "disabled_at": None,
        "last_used_at": z_time(kept.last_used_at),
        "created_at": z_time(kept.created_at),
        "updated_at": z_time(kept.updated_at),
    }


def _detail(attempt: Attempt) -> str:
    return attempt.error_message or f"answered {attempt.status_code}"


def _attempt(sent: Delivery, attempt: Attempt) -> dict[str, object]:
    return {
        "id": str(attempt.id),
        "delivery_id": str(sent.id),
        "attempt_number": attempt.number,
        "status_code": attempt.status_code,
        "response_body": attempt.response_body,
        "response_time_ms": attempt.response_time_ms,
        "error_message": attempt.error_message,
        "created_at": z_time(attempt.created_at),
    }
