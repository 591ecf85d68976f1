"""Batches: up to a hundred runs of one model under one id.

Fields are those of "create and dispatch a batch", "get batch detail", "list batch items" and "get one
batch item". The list of a batch's status words is nowhere; seen are ``queued``, ``succeeded`` and
``partial_succeeded``.
"""

from typing import Any

from relay.runflow.models.base import Cost, Id, Object, Record, Time
from relay.runflow.models.run import Run
from relay.runflow.models.status import Outcome, RunStatus

__all__ = ["Batch", "BatchItem"]


class BatchItem(Record):
    """One element of a batch and the run that was made of it."""

    id: Id | None = None
    batch_id: Id | None = None
    sequence_index: int | None = None
    run_id: Id | None = None
    created_at: Time | None = None
    client_ref: str | None = None
    status_code: RunStatus | None = None
    input: Object | None = None
    cost: Cost | None = None
    output: Object | None = None
    error: Object | None = None
    started_at: Time | None = None
    completed_at: Time | None = None
    run: Run | None = None

    @property
    def status(self) -> RunStatus:
        """``status_code``, or the empty word, which is no end."""
        return self.status_code or RunStatus("")


class Batch(Record):
    """A batch, as created or as it stands."""

    id: Id | None = None
    org_id: Id | None = None
    target_type: str | None = None
    target_type_code: str | None = None
    target_id: Id | None = None
    source_code: str | None = None
    status_code: RunStatus | None = None
    items_total: int | None = None
    items_succeeded: int | None = None
    items_failed: int | None = None
    items_cancelled: int | None = None
    items: tuple[BatchItem, ...] | None = None
    input: tuple[Any, ...] | None = None
    output: Object | None = None
    resolved_template_id: Id | None = None
    dispatch_provider_link_id: Id | None = None
    duration_ms: int | None = None
    cost: Cost | None = None
    metadata: Object | None = None
    callback_url: str | None = None
    failure_code: str | None = None
    failure_message: str | None = None
    failure_stage_code: str | None = None
    created_by: Id | None = None
    created_at: Time | None = None
    started_at: Time | None = None
    completed_at: Time | None = None
    links: Object | None = None

    @property
    def status(self) -> RunStatus:
        """``status_code``, or the empty word, which is no end."""
        return self.status_code or RunStatus("")

    @property
    def outcome(self) -> Outcome | None:
        """How it ended, in one spelling; None while it has not."""
        return self.status.outcome
