"""What runs and log lines are asked and sorted by: plain records of them.

Owns which fields can be asked for. Metadata, inputs and outputs cannot (a tool of the vendor's says so of
metadata).
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Final

from aiohttp import web

from relay.sandbox.api.answers import refuse
from relay.sandbox.search.query import Kind, Record
from relay.sandbox.state import Batch, Log, Run
from relay.sandbox.views.names import ORG, PERSON, fixed_id

__all__ = [
    "ITEM_KINDS",
    "LOG_KINDS",
    "RUN_KINDS",
    "item_record",
    "log_record",
    "run_record",
    "wants_evaluation",
]

RUN_KINDS: Final[dict[str, Kind]] = {
    **dict.fromkeys(
        (
            *("id", "model_id", "comfyui_workflow_id", "target_type", "org_id"),
            *("status_code", "source_code", "batch_id", "client_ref", "request_id"),
            *("created_by", "callback_url", "failure_code", "failure_message"),
            "failure_stage_code",
        ),
        "text",
    ),
    **dict.fromkeys(("created_at", "started_at", "completed_at"), "time"),
    **dict.fromkeys(
        ("duration_ms", "cost", "nodes_total", "nodes_completed"), "number"
    ),
}
LOG_KINDS: Final[dict[str, Kind]] = {
    **dict.fromkeys(("id", "run_id", "level_code", "message"), "text"),
    "timestamp": "time",
}
ITEM_KINDS: Final[dict[str, Kind]] = {
    **dict.fromkeys(("id", "run_id", "status_code", "client_ref"), "text"),
    **dict.fromkeys(("created_at", "started_at", "completed_at"), "time"),
    **dict.fromkeys(("sequence_index", "cost"), "number"),
}


def run_record(run: Run) -> Record:
    """A run as it can be asked for; one that is still shown as running is asked for as such."""
    stale = run.over and run.stale_left > 0
    failure = run.failure if not stale else None
    target = fixed_id(f"{run.kind} {run.target}")
    return {
        "id": str(run.id),
        "model_id": target if run.kind == "model" else None,
        "comfyui_workflow_id": target if run.kind == "comfyui" else None,
        "target_type": run.kind,
        "org_id": ORG,
        "status_code": "running" if stale else run.status,
        "source_code": "api",
        "batch_id": None if run.batch_id is None else str(run.batch_id),
        "client_ref": run.order.client_ref,
        "request_id": str(run.request_id),
        "created_by": PERSON,
        "callback_url": run.callback_url,
        "failure_code": failure.code if failure else None,
        "failure_message": failure.message if failure else None,
        "failure_stage_code": failure.stage if failure else None,
        "created_at": run.created_at,
        "started_at": run.started_at,
        "completed_at": run.completed_at if not stale else None,
        "duration_ms": _number(run.duration_ms if not stale else None),
        "cost": _number(run.cost if not stale else None),
        "nodes_total": _number(run.nodes_total),
        "nodes_completed": _number(run.nodes_completed),
    }


def log_record(run: Run, line: Log) -> Record:
    """A line of a log as it can be asked for."""
    return {
        "id": str(line.id),
        "run_id": str(run.id),
        "level_code": line.level,
        "message": line.message,
        "timestamp": line.at,
    }


def item_record(batch: Batch, index: int) -> Record:
    """An item of a batch as it can be asked for."""
    run = batch.runs[index]
    return {
        "id": str(batch.items[index]),
        "run_id": str(run.id),
        "status_code": run.status,
        "client_ref": run.order.client_ref,
        "created_at": run.created_at,
        "started_at": run.started_at,
        "completed_at": run.completed_at,
        "sequence_index": Decimal(index),
        "cost": _number(run.cost),
    }


def wants_evaluation(request: web.Request) -> tuple[Callable[[Run], bool], str]:
    """Which runs fit the filters on evaluations, and those filters as text.

    Raises:
        InvalidOrderError: The verdict is not one of the three.
    """
    query = request.query
    verdict = query.get("evaluation_status")
    category = query.get("evaluation_issue_category")
    subcategory = query.get("evaluation_issue_subcategory")
    if verdict not in {None, "passed", "failed", "not_evaluated"}:
        raise refuse("evaluation_status", "is none of passed, failed, not_evaluated")

    def fits(run: Run) -> bool:
        ended = run.outcome is not None and run.outcome.gives
        made = run.fate.evaluation if ended else None
        passed = None if made is None else made.passed
        words = {True: "passed", False: "failed", None: "not_evaluated"}
        return (
            verdict in {None, words[passed]}
            and category in {None, made and made.category}
            and subcategory in {None, made and made.subcategory}
        )

    return fits, f"{verdict}\n{category}\n{subcategory}"


def _number(value: str | int | None) -> Decimal | None:
    return None if value is None else Decimal(value)
