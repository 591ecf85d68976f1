"""Models of the catalogue: what can be run, with inputs, outputs, prices and examples.

Fields are those of get-run (embed ``model``). The word is Runflow's; it has nothing to do with
pydantic's.
"""

from typing import Any

from relay.runflow.models.base import Amount, Cost, Id, Object, Record, Time

__all__ = [
    "Model",
    "ModelExample",
    "ModelFaqEntry",
    "ModelInput",
    "ModelOutput",
    "ModelPrice",
    "RelatedLink",
]


class ModelInput(Record):
    """A variable that a model takes."""

    id: Id | None = None
    model_id: Id | None = None
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
    is_featured: bool | None = None
    created_at: Time | None = None
    updated_at: Time | None = None


class ModelOutput(Record):
    """A variable that a model gives."""

    id: Id | None = None
    model_id: Id | None = None
    name: str | None = None
    display_name: str | None = None
    description: str | None = None
    variable_type_code: str | None = None
    validator_code: str | None = None
    validator_attrs: Object | None = None
    sort_order: int | None = None
    created_at: Time | None = None
    updated_at: Time | None = None


class ModelExample(Record):
    """A run of a model, shown as an example."""

    id: Id | None = None
    model_id: Id | None = None
    title: str | None = None
    description: str | None = None
    input: Object | None = None
    output: Object | None = None
    status_code: int | str | None = None
    cost: Cost | None = None
    start_type: str | None = None
    timing: Object | None = None
    duration_ms: int | None = None
    total_ms: int | None = None
    thumbnail_url: str | None = None
    category_code: str | None = None
    is_featured: bool | None = None
    is_public: bool | None = None
    sort_order: int | None = None
    ran_at: Time | None = None
    created_at: Time | None = None
    updated_at: Time | None = None


class ModelFaqEntry(Record):
    """A question about a model, answered."""

    id: Id | None = None
    model_id: Id | None = None
    question: str | None = None
    answer: str | None = None
    sort_order: int | None = None
    created_at: Time | None = None
    updated_at: Time | None = None


class ModelPrice(Record):
    """A rule by which a run of a model costs."""

    id: Id | None = None
    model_id: Id | None = None
    pricing_model_code: str | None = None
    rule_effect_code: str | None = None
    model_input_id: Id | None = None
    match_value: Any = None
    dimension_code: str | None = None
    min_value: Amount | None = None
    max_value: Amount | None = None
    price: Amount | None = None
    currency_code: str | None = None
    unit_code: str | None = None
    multiplier_label: str | None = None
    description: str | None = None
    sort_order: int | None = None
    disabled_at: Time | None = None
    measurement_source: str | None = None
    created_at: Time | None = None
    updated_at: Time | None = None


class RelatedLink(Record):
    """A model that is near to another."""

    id: Id | None = None
    model_id: Id | None = None
    related_model_id: Id | None = None
    sort_order: int | None = None
    created_at: Time | None = None


class Model(Record):
    """A model of the catalogue."""

    id: Id | None = None
    org_id: Id | None = None
    model_creator_id: Id | None = None
    slug: str | None = None
    name: str | None = None
    description: str | None = None
    version: str | None = None
    is_public: bool | None = None
    is_open_source: bool | None = None
    icon_url: str | None = None
    cover_url: str | None = None
    category_code: str | None = None
    status_code: str | None = None
    family_id: Id | None = None
    family_variant_code: str | None = None
    param_count: str | None = None
    architecture: str | None = None
    license_code: str | None = None
    max_resolution: str | None = None
    lora_support: bool | None = None
    fine_tuning: bool | None = None
    supports_streaming: bool | None = None
    paper_url: str | None = None
    github_url: str | None = None
    is_official: bool | None = None
    availability_status: str | None = None
    seo: Object | None = None
    notable_features: tuple[Any, ...] | None = None
    content: str | None = None
    pricing_note: str | None = None
    created_by: Id | None = None
    created_at: Time | None = None
    updated_at: Time | None = None
    deleted_at: Time | None = None
    deleted_by: Id | None = None
    inputs: tuple[ModelInput, ...] | None = None
    outputs: tuple[ModelOutput, ...] | None = None
    examples: tuple[ModelExample, ...] | None = None
    faq_entries: tuple[ModelFaqEntry, ...] | None = None
    pricing: tuple[ModelPrice, ...] | None = None
    related_links: tuple[RelatedLink, ...] | None = None
