"""Models: what the API says, typed.

Every documented field is there and may be null, as documented; what is not documented is kept, too.
Times are aware and in UTC, costs are decimals, ids are UUIDs wherever they are some.
"""

from relay.runflow.models.batch import Batch, BatchItem
from relay.runflow.models.callback import (
    CallbackAttempt,
    CallbackDelivery,
    CallbackPayload,
)
from relay.runflow.models.comfyui import (
    Workflow,
    WorkflowGpuModel,
    WorkflowInput,
    WorkflowOutput,
)
from relay.runflow.models.flow import (
    Flow,
    FlowInput,
    FlowNode,
    FlowNodeInput,
    FlowNodeOutput,
    FlowOutput,
    FlowStar,
    FlowUser,
)
from relay.runflow.models.model import (
    Model,
    ModelExample,
    ModelFaqEntry,
    ModelInput,
    ModelOutput,
    ModelPrice,
    RelatedLink,
)
from relay.runflow.models.organization import CallbackSecret, Health, Me
from relay.runflow.models.run import (
    EvaluationSummary,
    LoggedRun,
    NodeRun,
    Run,
    RunLog,
)
from relay.runflow.models.status import Outcome, RunStatus

__all__ = [
    "Batch",
    "BatchItem",
    "CallbackAttempt",
    "CallbackDelivery",
    "CallbackPayload",
    "CallbackSecret",
    "EvaluationSummary",
    "Flow",
    "FlowInput",
    "FlowNode",
    "FlowNodeInput",
    "FlowNodeOutput",
    "FlowOutput",
    "FlowStar",
    "FlowUser",
    "Health",
    "LoggedRun",
    "Me",
    "Model",
    "ModelExample",
    "ModelFaqEntry",
    "ModelInput",
    "ModelOutput",
    "ModelPrice",
    "NodeRun",
    "Outcome",
    "RelatedLink",
    "Run",
    "RunLog",
    "RunStatus",
    "Workflow",
    "WorkflowGpuModel",
    "WorkflowInput",
    "WorkflowOutput",
]
