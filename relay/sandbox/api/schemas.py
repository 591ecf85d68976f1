"""The schemas of what is asked and answered, as JSON Schema for the OpenAPI document.

Owns the fields and their types, from the reference pages. Fields of a run are all nullable there, so they
are here. A test holds them against what is served.
"""

from collections.abc import Mapping
from typing import Any, Final

from relay.sandbox.faults import Faults, choices

__all__ = ["SCHEMAS", "fields_of"]

Schema = dict[str, Any]

_ENUMS: Final = {
    "target_type": ["model", "flow", "comfyui"],
    "status_code": [
        *("queued", "dispatching", "running", "succeeded", "failed"),
        *("cancelled", "canceled", "partial_succeeded"),
    ],
    "source_code": ["playground", "api", "flow-node"],
    "failure_stage_code": ["dispatch", "execution", "callback", "reconciliation"],
}
_COST: Final = r"^(?!^[-+.]*$)[+-]?0*\d*\.?\d*$"


def _of(**kinds: str) -> Schema:
    """An object from lists of names, each under its kind."""
    return {
        "type": "object",
        "properties": {
            name: _typed(kind.rstrip("_"), name)
            for kind, listed in kinds.items()
            for name in listed.split()
        },
    }


def _typed(kind: str, name: str) -> Schema:
    if kind == "enum":
        return {"type": ["string", "null"], "enum": [*_ENUMS[name], None]}
    if kind == "uuid":
        return {"type": ["string", "null"], "format": "uuid"}
    if kind == "time":
        return {"type": ["string", "null"], "format": "date-time"}
    if kind == "cost":
        return {"type": ["string", "null"], "pattern": _COST}
    if kind == "array":
        return {"type": ["array", "null"]}
    return {"type": [kind, "null"]}


def _required(schema: Schema, *names: str) -> Schema:
    for name in names:
        kinds = schema["properties"][name]["type"]
        schema["properties"][name]["type"] = kinds[0]
    return schema | {"required": list(names)}


_RUN: Final = _of(
    uuid="id flow_id model_id comfyui_workflow_id org_id resolved_template_id batch_id"
    " flow_version_id created_by source_chat_message_id",
    enum="target_type status_code source_code failure_stage_code",
    string="target_version client_ref jurisdiction_code request_id callback_url"
    " failure_code failure_message feedback_reason",
    object="input output context cost_breakdown metadata links model flow"
    " comfyui_workflow current_evaluation_summary",
    integer="duration_ms nodes_total nodes_completed",
    cost="cost",
    time="created_at started_at completed_at",
    boolean="has_logs has_node_runs feedback_is_positive",
    array="node_runs logs",
)
_BATCH: Final = _of(
    uuid="id target_id org_id resolved_template_id dispatch_provider_link_id created_by",
    string="target_type target_type_code source_code status_code callback_url"
    " failure_code failure_message failure_stage_code",
    integer="items_total items_succeeded items_failed items_cancelled duration_ms",
    array="items input",
    object="output metadata links",
    cost="cost",
    time="created_at started_at completed_at",
)
_ITEM: Final = _of(
    uuid="id batch_id run_id",
    integer="sequence_index",
    time="created_at started_at completed_at",
    string="client_ref status_code",
    object="input output error run",
    cost="cost",
)
_SECRET: Final = _of(
    uuid="id org_id",
    string="key_prefix label",
    boolean="is_current",
    time="disabled_at last_used_at created_at updated_at",
)
_DELIVERY: Final = _of(
    uuid="id run_id batch_id signing_secret_id",
    string="callback_url payload_bytes status_code failure_reason_code failure_detail",
    object="payload",
    boolean="is_automatic",
    integer="attempt_count max_attempts",
    time="next_attempt_at created_at updated_at completed_at",
    array="attempts",
)
_TRUTH: Final = _of(
    integer="number attempts attempts_dropped copies_accepted",
    uuid="id batch_id",
    string="client_ref callback_url status outcome cost failure_code failure_message"
    " failure_stage",
    array="earlier told injected",
    object="output",
    time="completed_at",
    boolean="partial doubled settled",
)
_BATCH_TRUTH: Final = _of(
    integer="number attempts attempts_dropped copies_accepted",
    uuid="id",
    string="callback_url status outcome",
    array="runs injected",
    time="completed_at",
    boolean="settled",
)
_TEXT: Final[Schema] = {"type": "string"}


def _limited(schema: Schema, name: str, **limits: int | str) -> Schema:
    schema["properties"][name] |= limits
    return schema


def _faults() -> Schema:
    shown: dict[str, Schema] = {}
    for name, each in Faults.__dataclass_fields__.items():
        kinds = {bool: "boolean", int: "integer", float: "number", str: "string"}
        said: Schema = {"type": kinds[type(each.default)], "default": each.default}
        said["description"] = each.metadata["help"]
        if choices(name):
            said["enum"] = list(choices(name))
        if "least" in each.metadata:
            said["minimum"] = each.metadata["least"]
            said["maximum"] = each.metadata["most"]
        shown[name] = said
    return {"type": "object", "properties": shown, "additionalProperties": False}


_CREATE_BATCH: Final = _limited(
    _required(_of(array="input", object="metadata", string="callback_url"), "input"),
    "callback_url",
    maxLength=2048,
)
_CREATE_BATCH["properties"]["input"] |= {
    "minItems": 1,
    "maxItems": 100,
    "items": {
        "type": "object",
        "properties": {"client_ref": {"type": ["string", "null"], "maxLength": 255}},
    },
}

#: Every schema, by its name.
SCHEMAS: Final[Mapping[str, Schema]] = {
    "Run": _RUN,
    "CreateRun": _limited(
        _required(
            _of(object="input metadata", string="callback_url client_ref"), "input"
        ),
        "client_ref",
        maxLength=255,
    ),
    "PatchRun": _of(
        string="status_code",
        object="output",
        integer="duration_ms nodes_total nodes_completed",
        number="cost",
        time="started_at completed_at updated_at",
    ),
    "Cancellation": _limited(
        _of(string="reason"), "reason", minLength=3, maxLength=500
    ),
    "Status": _of(string="code", boolean="is_terminal"),
    "Log": _of(
        uuid="id run_id",
        string="level_code message",
        time="timestamp",
        object="meta run",
    ),
    "Batch": _BATCH,
    "CreateBatch": _CREATE_BATCH,
    "BatchItem": _ITEM,
    "CallbackDelivery": _DELIVERY,
    "CallbackSecret": _SECRET,
    "CallbackSecretCreated": {
        **_SECRET,
        "properties": {"plain_secret": _TEXT, **_SECRET["properties"]},
    },
    "CreateCallbackSecret": _limited(_of(string="label"), "label", maxLength=255),
    "PatchCallbackSecret": _limited(
        _of(string="label", boolean="is_current"), "label", maxLength=255
    ),
    "Error": {
        "type": "object",
        "required": ["code", "message"],
        "properties": {
            "code": _TEXT,
            "message": _TEXT,
            "errors": {"type": ["array", "null"], "items": {"type": "object"}},
        },
    },
    "Me": _of(uuid="id org_id", string="key_prefix", array="scopes"),
    "Health": _of(string="status"),
    "About": _of(string="name what", array="routes"),
    "Truth": _TRUTH,
    "BatchTruth": _BATCH_TRUTH,
    "Faults": _faults(),
    "Settled": _of(boolean="settled", integer="runs batches"),
    "Document": {"type": "object"},
    "File": {"type": "string", "format": "binary"},
}


def fields_of(schemas: Mapping[str, Schema], name: str) -> tuple[str, ...]:
    """The names of a schema's fields."""
    return tuple(schemas[name]["properties"])
