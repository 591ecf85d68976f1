"""ComfyUI workflows: a graph that a customer brings, with inputs and outputs bound to its nodes.

Fields are those of get-run (embed ``comfyui_workflow``).
"""

from relay.runflow.models.base import Id, Object, Record, Time

__all__ = ["Workflow", "WorkflowGpuModel", "WorkflowInput", "WorkflowOutput"]


class WorkflowInput(Record):
    """A variable that a workflow takes, and the field of the node that it fills."""

    id: Id | None = None
    comfyui_workflow_id: Id | None = None
    name: str | None = None
    display_name: str | None = None
    description: str | None = None
    variable_type_code: str | None = None
    default_behavior_code: str | None = None
    validator_code: str | None = None
    validator_attrs: Object | None = None
    is_required: bool | None = None
    default_value: Object | None = None
    sort_order: int | None = None
    comfyui_node_id: str | None = None
    comfyui_field_name: str | None = None
    created_at: Time | None = None
    updated_at: Time | None = None


class WorkflowOutput(Record):
    """A variable that a workflow gives, and the field of the node that it comes from."""

    id: Id | None = None
    comfyui_workflow_id: Id | None = None
    name: str | None = None
    display_name: str | None = None
    description: str | None = None
    variable_type_code: str | None = None
    validator_code: str | None = None
    validator_attrs: Object | None = None
    sort_order: int | None = None
    comfyui_node_id: str | None = None
    comfyui_field_name: str | None = None
    created_at: Time | None = None
    updated_at: Time | None = None


class WorkflowGpuModel(Record):
    """A kind of GPU that a workflow asks for by name."""

    id: Id | None = None
    comfyui_workflow_id: Id | None = None
    gpu_model_code: str | None = None
    created_at: Time | None = None


class Workflow(Record):
    """A ComfyUI workflow."""

    id: Id | None = None
    org_id: Id | None = None
    slug: str | None = None
    name: str | None = None
    description: str | None = None
    workflow_json: Object | None = None
    version: str | None = None
    is_public: bool | None = None
    status_code: str | None = None
    created_by: Id | None = None
    environment: Object | None = None
    models: Object | None = None
    custom_nodes: Object | None = None
    graph: Object | None = None
    resources: Object | None = None
    created_at: Time | None = None
    updated_at: Time | None = None
    deleted_at: Time | None = None
    deleted_by: Id | None = None
    category_code: str | None = None
    gpu_current_tier_code: str | None = None
    inputs: tuple[WorkflowInput, ...] | None = None
    outputs: tuple[WorkflowOutput, ...] | None = None
    gpu_explicit_models: tuple[WorkflowGpuModel, ...] | None = None
