"""Runs: one piece of work, what it took and gave, its nodes and its log.

Fields are those of get-run, search-runs, create-model-run, patch-run and run-logs, which differ a
little: an older page lacks some, and only reads have feedback and evaluation. Words are text, so that
a new one breaks nothing; those that are documented stand beside them.
"""

from typing import Any

from pydantic import Field

from relay.runflow.models.base import Cost, Id, Object, Record, Time
from relay.runflow.models.comfyui import Workflow
from relay.runflow.models.flow import Flow
from relay.runflow.models.model import Model
from relay.runflow.models.status import Outcome, RunStatus

__all__ = ["EvaluationSummary", "LoggedRun", "NodeRun", "Run", "RunLog"]


class EvaluationSummary(Record):
    """The current evaluation of a run, in short. Needs ``evaluations:read``."""

    passed: bool | None = None
    status_code: str | None = None
    score: float | None = None


class NodeRun(Record):
    """One node of a flow, as it ran."""

    id: Id | None = None
    run_id: Id | None = None
    node_id: Id | None = None
    flow_id: Id | None = None
    state_code: str | None = None
    input: Object | None = None
    output: Object | None = None
    input_signature: str | None = None
    preview_type: str | None = None
    preview_value: str | None = None
    duration_ms: int | None = None
    cost: Cost | None = None
    retry_count: int | None = None
    error_message: str | None = None
    created_at: Time | None = None
    started_at: Time | None = None
    completed_at: Time | None = None


class RunLog(Record):
    """One line of a run's log. ``run`` is there where logs are searched, null inside of a run."""

    id: Id | None = None
    run_id: Id | None = None
    level_code: str | None = None
    message: str | None = None
    timestamp: Time | None = None
    meta: Object | None = None
    run: "LoggedRun | None" = None


class _Run(Record):
    """What a run is, wherever it is shown."""

    id: Id | None = None
    flow_id: Id | None = None
    model_id: Id | None = None
    comfyui_workflow_id: Id | None = None
    target_type: str | None = Field(default=None, description="model, flow or comfyui")
    target_version: str | None = None
    org_id: Id | None = None
    status_code: RunStatus | None = None
    source_code: str | None = Field(
        default=None, description="playground, api or flow-node"
    )
    input: Object | None = None
    output: Object | None = Field(default=None, description="Links in it expire.")
    context: Object | None = None
    duration_ms: int | None = None
    cost: Cost | None = None
    cost_breakdown: Object | None = None
    nodes_total: int | None = None
    nodes_completed: int | None = None
    resolved_template_id: Id | None = None
    batch_id: Id | None = None
    client_ref: str | None = None
    jurisdiction_code: str | None = None
    flow_version_id: Id | None = None
    request_id: str | None = None
    created_by: Id | None = None
    created_at: Time | None = None
    started_at: Time | None = None
    completed_at: Time | None = None
    callback_url: str | None = None
    metadata: Object | None = None
    has_logs: bool | None = None
    has_node_runs: bool | None = None
    links: Object | None = None
    failure_code: str | None = None
    failure_message: str | None = None
    failure_stage_code: str | None = Field(
        default=None, description="dispatch, execution, callback or reconciliation"
    )
    feedback_is_positive: bool | None = None
    feedback_reason: str | None = None
    source_chat_message_id: Id | None = None
    current_evaluation_summary: EvaluationSummary | None = None
    node_runs: tuple[NodeRun, ...] | None = None
    model: Model | None = None
    flow: Flow | None = None
    comfyui_workflow: Workflow | None = None

    @property
    def status(self) -> RunStatus:
        """``status_code``, or the empty word, which is no end, where the answer has none."""
        return self.status_code or RunStatus("")

    @property
    def outcome(self) -> Outcome | None:
        """How it ended, in one spelling; None while it has not."""
        return self.status.outcome


class Run(_Run):
    """A run. ``model``, ``flow``, ``comfyui_workflow``, ``node_runs`` and ``logs`` are embeds."""

    logs: tuple[RunLog, ...] | None = None


class LoggedRun(_Run):
    """A run as a log line shows it. No page says what its own ``logs`` hold."""

    logs: tuple[Any, ...] | None = None


RunLog.model_rebuild()
