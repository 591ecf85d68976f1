"""A run as the API shows it: created, read, listed, patched; and its log.

Owns the fields and their order (create-and-dispatch-a-singleton-model-run, get-run, search-runs). What is
not embedded is there and null, as in the examples of those pages.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from relay.sandbox.links import signed
from relay.sandbox.state import Log, Run
from relay.sandbox.views.models import model, workflow
from relay.sandbox.views.names import ORG, PERSON, fixed_id
from relay.sandbox.wire import z_time

__all__ = ["EMBEDS", "SEARCH_EMBEDS", "Showing", "log", "run_created", "run_detail"]

#: What "get run" can embed.
EMBEDS: Final = ("comfyui_workflow", "flow", "logs", "model", "node_runs")
#: What "search runs" can embed.
SEARCH_EMBEDS: Final = (
    *("comfyui_workflow", "current_evaluation_summary"),
    *("flow", "logs", "model", "node_runs"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Showing:
    """Where and when something is shown: links are signed for it.

    Attributes:
        base: The sandbox's address.
        at: The moment, in UTC.
    """

    base: str
    at: datetime


def run_created(run: Run, showing: Showing) -> dict[str, object]:
    """A run as its creation answers it."""
    return _common(run, showing, stale=False)


def run_detail(
    run: Run, showing: Showing, *, embed: Collection[str] = (), stale: bool = False
) -> dict[str, object]:
    """A run as it is read.

    Args:
        run: The run.
        showing: Where and when.
        embed: What is embedded; see `EMBEDS` and `SEARCH_EMBEDS`.
        stale: Show it as it was before it ended.
    """
    shown = _common(run, showing, stale=stale) | {
        "flow": None,
        "comfyui_workflow": None,
        "feedback_is_positive": None,
        "feedback_reason": None,
        "source_chat_message_id": None,
        "current_evaluation_summary": None,
    }
    if "logs" in embed:
        shown["logs"] = [log(run, line) for line in run.logs]
    if "node_runs" in embed:
        shown["node_runs"] = []
    if "model" in embed and run.kind == "model":
        shown["model"] = model(run.target)
    if "comfyui_workflow" in embed and run.kind == "comfyui":
        shown["comfyui_workflow"] = workflow(run.target)
    if "current_evaluation_summary" in embed:
        shown["current_evaluation_summary"] = None if stale else _evaluation(run)
    return shown


def _common(run: Run, showing: Showing, *, stale: bool) -> dict[str, object]:
    stale = stale and run.over
    failure = run.failure if not stale else None
    output = run.output if not stale else None
    return {
        "id": str(run.id),
        "flow_id": None,
        "model_id": _target_id(run, "model"),
        "comfyui_workflow_id": _target_id(run, "comfyui"),
        "target_type": run.kind,
        "target_version": None,
        "org_id": ORG,
        "status_code": "running" if stale else run.status,
        "source_code": "api",
        "input": run.order.input,
        "output": signed(
            output, base=showing.base, at=showing.at, life_s=run.fate.link_s
        ),
        "context": None,
        "duration_ms": run.duration_ms if not stale else None,
        "cost": run.cost if not stale else None,
        "cost_breakdown": None,
        "nodes_total": run.nodes_total,
        "nodes_completed": run.nodes_completed,
        "resolved_template_id": None,
        "batch_id": None if run.batch_id is None else str(run.batch_id),
        "client_ref": run.order.client_ref,
        "jurisdiction_code": None,
        "flow_version_id": None,
        "request_id": str(run.request_id),
        "created_by": PERSON,
        "created_at": z_time(run.created_at),
        "started_at": z_time(run.started_at),
        "completed_at": z_time(run.completed_at if not stale else None),
        "callback_url": run.callback_url,
        "metadata": run.order.metadata,
        "has_logs": bool(run.logs),
        "has_node_runs": False,
        "links": None,
        "failure_code": failure.code if failure else None,
        "failure_message": failure.message if failure else None,
        "failure_stage_code": failure.stage if failure else None,
        "node_runs": None,
        "logs": None,
        "model": None,
    }


def _target_id(run: Run, kind: str) -> str | None:
    return fixed_id(f"{kind} {run.target}") if run.kind == kind else None


def _evaluation(run: Run) -> dict[str, object] | None:
    made = run.fate.evaluation
    if made is None or run.outcome is None or not run.outcome.gives:
        return None
    return {"passed": made.passed, "status_code": "completed", "score": made.score}


def log(run: Run, line: Log) -> dict[str, object]:
    """One line of a run's log, as "get run logs" lists it."""
    return {
        "id": str(line.id),
        "run_id": str(run.id),
        "level_code": line.level,
        "message": line.message,
        "timestamp": z_time(line.at),
        "meta": line.meta,
        "run": None,
    }
