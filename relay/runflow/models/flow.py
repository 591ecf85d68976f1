"""Flows: nodes that are wired together and run as one.

Fields are those of patch-run, the only page that shows a flow.
"""

from typing import Any

from relay.runflow.models.base import Amount, Id, Object, Record, Time

__all__ = [
    "Flow",
    "FlowInput",
    "FlowNode",
    "FlowNodeInput",
    "FlowNodeOutput",
    "FlowOutput",
    "FlowStar",
    "FlowUser",
]


class FlowNodeInput(Record):
    """What a node takes: a value of its own, or another node's output."""

    id: Id | None = None
    flow_node_id: Id | None = None
    name: str | None = None
    display_name: str | None = None
    variable_type_code: str | None = None
    validator_code: str | None = None
    validator_attrs: Object | None = None
    is_required: bool | None = None
    default_value: Object | None = None
    sort_order: int | None = None
    behavior_code: str | None = None
    value: Object | None = None
    source_output_id: Id | None = None
    connection_label: str | None = None
    connection_style_code: str | None = None
    retry_source_output_id: Id | None = None
    created_at: Time | None = None
    updated_at: Time | None = None


class FlowNodeOutput(Record):
    """What a node gives."""

    id: Id | None = None
    flow_node_id: Id | None = None
    name: str | None = None
    display_name: str | None = None
    variable_type_code: str | None = None
    validator_code: str | None = None
    validator_attrs: Object | None = None
    sort_order: int | None = None
    created_at: Time | None = None
    updated_at: Time | None = None


class FlowNode(Record):
    """One node of a flow, with its place on the canvas."""

    id: Id | None = None
    flow_id: Id | None = None
    slug: str | None = None
    label: str | None = None
    subtitle: str | None = None
    type_code: str | None = None
    x: float | None = None
    y: float | None = None
    width: float | None = None
    config: Object | None = None
    collapsed: bool | None = None
    model_id: Id | None = None
    builtin_node_code: str | None = None
    comfyui_workflow_id: Id | None = None
    sub_flow_id: Id | None = None
    created_at: Time | None = None
    updated_at: Time | None = None
    #: Shown as null only; no page says what else it may be.
    flow: Any = None
    inputs: tuple[FlowNodeInput, ...] | None = None
    outputs: tuple[FlowNodeOutput, ...] | None = None


class FlowInput(Record):
    """A variable that a flow takes."""

    id: Id | None = None
    flow_id: Id | None = None
    name: str | None = None
    display_name: str | None = None
    description: str | None = None
    variable_type_code: str | None = None
    validator_code: str | None = None
    validator_attrs: Object | None = None
    is_required: bool | None = None
    default_value: Object | None = None
    sort_order: int | None = None
    created_at: Time | None = None
    updated_at: Time | None = None


class FlowOutput(Record):
    """A variable that a flow gives."""

    id: Id | None = None
    flow_id: Id | None = None
    name: str | None = None
    display_name: str | None = None
    description: str | None = None
    variable_type_code: str | None = None
    validator_code: str | None = None
    validator_attrs: Object | None = None
    sort_order: int | None = None
    created_at: Time | None = None
    updated_at: Time | None = None


class FlowUser(Record):
    """Who made a flow."""

    id: Id | None = None
    email: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    avatar_url: str | None = None


class FlowStar(Record):
    """Somebody's liking."""

    id: Id | None = None
    user_id: Id | None = None
    flow_id: Id | None = None
    created_at: Time | None = None


class Flow(Record):
    """A flow."""

    id: Id | None = None
    slug: str | None = None
    name: str | None = None
    description: str | None = None
    cover_url: str | None = None
    org_id: Id | None = None
    flow_type_code: str | None = None
    category_code: str | None = None
    visibility_code: str | None = None
    source_visibility_code: str | None = None
    status_code: str | None = None
    version: int | str | None = None
    current_version_id: Id | None = None
    estimated_cost: Amount | None = None
    context_variables: Object | None = None
    run_count: int | None = None
    avg_duration: Amount | None = None
    cost_per_run: Amount | None = None
    featured_at: Time | None = None
    created_by: Id | None = None
    created_at: Time | None = None
    updated_at: Time | None = None
    nodes: tuple[FlowNode, ...] | None = None
    inputs: tuple[FlowInput, ...] | None = None
    outputs: tuple[FlowOutput, ...] | None = None
    created_by_user: FlowUser | None = None
    recent_stars: tuple[FlowStar, ...] | None = None
