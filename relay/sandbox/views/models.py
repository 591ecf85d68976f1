"""Models and workflows as they are embedded in runs: every documented field, invented values.

Owns their fields and order (get-run). Any model exists in the sandbox: its name says all there is to it.
"""

from typing import Final

from relay.sandbox.views.names import ORG, PERSON, fixed_id

__all__ = ["model", "workflow"]

_BORN: Final = "2026-01-01T00:00:00Z"
_TIMES: Final = {"created_at": _BORN, "updated_at": _BORN}


def model(target: str) -> dict[str, object]:
    """The model with this ``owner/slug``."""
    own = fixed_id(f"model {target}")
    owner, _, slug = target.partition("/")
    nothing: dict[str, object] = dict.fromkeys(
        ("family_id", "family_variant_code", "param_count", "architecture"), None
    )
    return {
        "id": own,
        "org_id": ORG,
        "model_creator_id": fixed_id(f"creator {owner}"),
        "slug": slug,
        "name": slug.replace("-", " ").replace("/", " ").title(),
        "description": f"A model of the sandbox that stands in for {target}.",
        "version": "1",
        "is_public": True,
        "is_open_source": False,
        "icon_url": None,
        "cover_url": None,
        "category_code": "image",
        "status_code": "active",
        **nothing,
        "license_code": None,
        "max_resolution": None,
        "lora_support": False,
        "fine_tuning": False,
        "supports_streaming": False,
        "paper_url": None,
        "github_url": None,
        "is_official": False,
        "availability_status": "available",
        "seo": {},
        "notable_features": [],
        "content": None,
        "pricing_note": None,
        "created_by": PERSON,
        **_TIMES,
        "deleted_at": None,
        "deleted_by": None,
        "inputs": [
            _variable(own, "model_id", "image_url", "input")
            | {"is_featured": True, **_TIMES}
        ],
        "outputs": [_variable(own, "model_id", "outputs", "output") | _TIMES],
        "examples": [],
        "faq_entries": [],
        "pricing": [_price(own)],
        "related_links": [],
    }


def workflow(target: str) -> dict[str, object]:
    """The ComfyUI workflow with this ``owner/slug``."""
    own = fixed_id(f"comfyui {target}")
    slug = target.partition("/")[2]
    node = {"comfyui_node_id": "1", "comfyui_field_name": "image"}
    return {
        "id": own,
        "org_id": ORG,
        "slug": slug,
        "name": slug.replace("-", " ").replace("/", " ").title(),
        "description": f"A workflow of the sandbox that stands in for {target}.",
        "workflow_json": {},
        "version": "1",
        "is_public": False,
        "status_code": "active",
        "created_by": PERSON,
        "environment": {},
        "models": {},
        "custom_nodes": {},
        "graph": {},
        "resources": {},
        **_TIMES,
        "deleted_at": None,
        "deleted_by": None,
        "category_code": "image",
        "gpu_current_tier_code": None,
        "inputs": [
            _variable(own, "comfyui_workflow_id", "image", "input") | node | _TIMES
        ],
        "outputs": [
            _variable(own, "comfyui_workflow_id", "image", "output") | node | _TIMES
        ],
        "gpu_explicit_models": [],
    }


def _variable(own: str, owner_key: str, name: str, side: str) -> dict[str, object]:
    shown: dict[str, object] = {
        "id": fixed_id(f"{side} {own}"),
        owner_key: own,
        "name": name,
        "display_name": name.replace("_", " ").capitalize(),
        "description": None,
        "variable_type_code": "image",
    }
    if side == "input" and owner_key == "model_id":
        shown["default_behavior_code"] = None
    shown |= {"validator_code": None, "validator_attrs": {}}
    if side == "input":
        shown |= {"is_required": False, "default_value": None}
    return shown | {"sort_order": 0}


def _price(own: str) -> dict[str, object]:
    return {
        "id": fixed_id(f"price {own}"),
        "model_id": own,
        "pricing_model_code": "per_run",
        "rule_effect_code": "set",
        "model_input_id": None,
        "match_value": None,
        "dimension_code": None,
        "min_value": None,
        "max_value": None,
        "price": "0.0100",
        "currency_code": "USD",
        "unit_code": "run",
        "multiplier_label": None,
        "description": None,
        "sort_order": 0,
        "disabled_at": None,
        "measurement_source": None,
        **_TIMES,
    }
