"""Callbacks: what Runflow sends when a run or batch has ended, and how often it tried.

Fields are those of "concepts/callbacks" (the payload) and "get callback delivery history" of runs and
of batches. A payload names a run *or* a batch.
"""

from relay.runflow.models.base import Id, Object, Record, Time
from relay.runflow.models.status import RunStatus

__all__ = ["CallbackAttempt", "CallbackDelivery", "CallbackPayload"]


class CallbackPayload(Record):
    """The body of a callback. ``status`` is what a run calls ``status_code``."""

    event: str | None = None
    run_id: Id | None = None
    batch_id: Id | None = None
    status: RunStatus | None = None
    output: Object | None = None
    duration_ms: int | None = None
    created_at: Time | None = None
    completed_at: Time | None = None
    metadata: Object | None = None
    #: Said to be echoed (create-model-run), shown in no example.
    client_ref: str | None = None


class CallbackAttempt(Record):
    """One try, and what the receiver answered. Runflow keeps the answer's body."""

    id: Id | None = None
    delivery_id: Id | None = None
    attempt_number: int | None = None
    status_code: int | None = None
    response_body: str | None = None
    response_time_ms: int | None = None
    error_message: str | None = None
    created_at: Time | None = None


class CallbackDelivery(Record):
    """One payload and all tries to deliver it. A redelivery is a delivery of its own."""

    id: Id | None = None
    run_id: Id | None = None
    batch_id: Id | None = None
    callback_url: str | None = None
    #: The exact body that is sent and signed.
    payload_bytes: str | None = None
    payload: CallbackPayload | None = None
    signing_secret_id: Id | None = None
    is_automatic: bool | None = None
    status_code: str | None = None
    failure_reason_code: str | None = None
    failure_detail: str | None = None
    attempt_count: int | None = None
    max_attempts: int | None = None
    next_attempt_at: Time | None = None
    created_at: Time | None = None
    updated_at: Time | None = None
    completed_at: Time | None = None
    attempts: tuple[CallbackAttempt, ...] | None = None
