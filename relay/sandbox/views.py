"""What the API shows: runs, callback deliveries, errors and the truth, as JSON values.

Owns the field lists and their order, from the reference pages. Gives values for
`relay.sandbox.wire.dump`; changes nothing and decides nothing.
"""

import dataclasses
import uuid
from collections.abc import Mapping, Sequence

from relay.sandbox.state import Attempt, Delivery, Run, Truth
from relay.sandbox.wire import Raw, z_time

__all__ = ["delivery", "error", "model_id", "run_created", "run_detail", "truth"]

#: Names the organisation, the person, the models and the secret of every sandbox.
_SPACE = uuid.UUID("0d8d7f0e-6f0b-4b5e-9a44-5a0b8c0f7f11")
_ORG = str(uuid.uuid5(_SPACE, "organisation"))
_PERSON = str(uuid.uuid5(_SPACE, "person"))
_SECRET = str(uuid.uuid5(_SPACE, "callback secret"))


def model_id(model: str) -> str:
    """The id of a model, from its ``owner/slug``: the same in every sandbox."""
    return str(uuid.uuid5(_SPACE, f"model {model}"))


def run_created(run: Run) -> dict[str, object]:
    """A run as "create and dispatch a singleton model run" answers it, every field."""
    failure = run.failure
    return {
        "id": str(run.id),
        "flow_id": None,
        "model_id": model_id(run.model),
        "comfyui_workflow_id": None,
        "target_type": "model",
        "target_version": None,
        "org_id": _ORG,
        "status_code": run.status,
        "source_code": "api",
        "input": run.order.input,
        "output": run.output,
        "context": None,
        "duration_ms": run.duration_ms,
        "cost": run.cost,
        "cost_breakdown": None,
        "nodes_total": None,
        "nodes_completed": None,
        "resolved_template_id": None,
        "batch_id": None,
        "client_ref": run.order.client_ref,
        "jurisdiction_code": None,
        "flow_version_id": None,
        "request_id": str(run.request_id),
        "created_by": _PERSON,
        "created_at": z_time(run.created_at),
        "started_at": z_time(run.started_at),
        "completed_at": z_time(run.completed_at),
        "callback_url": run.order.callback_url,
        "metadata": run.order.metadata,
        "has_logs": False,
        "has_node_runs": False,
        "links": None,
        "failure_code": failure and failure.code,
        "failure_message": failure and failure.message,
        "failure_stage_code": failure and failure.stage,
        "node_runs": None,
        "logs": None,
        "model": None,
    }


def run_detail(run: Run) -> dict[str, object]:
    """A run as "get run" answers it: what creation answers, and what comes after."""
    return run_created(run) | {
        "flow": None,
        "comfyui_workflow": None,
        "feedback_is_positive": None,
        "feedback_reason": None,
        "source_chat_message_id": None,
        "current_evaluation_summary": None,
    }


def delivery(
    run: Run, sent: Delivery, *, tries_max: int, signed: bool
) -> dict[str, object]:
    """A callback delivery as "get callback delivery history" lists it.

    The documents list no values for its state and reasons: those here are our own.
    """
    text = sent.body.decode()
    gave_up = sent.state == "failed"
    last = sent.attempts[-1] if sent.attempts else None
    return {
        "id": str(sent.id),
        "run_id": str(run.id),
        "callback_url": run.order.callback_url,
        "payload_bytes": text,
        "payload": Raw(text),
        "signing_secret_id": _SECRET if signed else None,
        "is_automatic": True,
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


def truth(told: Truth) -> dict[str, object]:
    """What is true of a run, with its output as the JSON it is."""
    output = None if told.output is None else Raw(told.output)
    return dataclasses.asdict(told) | {"output": output}


def error(
    code: str, message: str, errors: Sequence[Mapping[str, str]] | None = None
) -> dict[str, object]:
    """The API's error envelope: a stable code, a text, field details or null."""
    return {"code": code, "message": message, "errors": errors}
