"""What consumers import: the events that the relay publishes, as pydantic models.

Loads neither aiohttp nor aiokafka. Fields are those of schema version 1 (``dataschema``
``urn:runflow-relay:schema:{run|batch}:1``); additions are possible, so unknown fields are kept. For the
exact bytes of ``output`` read the event's own text: a parsed ``1.10`` is a number.
"""

from datetime import datetime
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue

__all__ = ["Data", "Event", "Failure", "Nodes", "Target", "json_schema"]

Status = Literal["succeeded", "failed", "cancelled", "partial_succeeded", "other"]


class _Open(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True)


class Failure(_Open):
    """Why a run failed."""

    code: str | None
    message: str | None
    stage: str | None


class Nodes(_Open):
    """How much of a flow ran."""

    total: int | None
    completed: int | None


class Target(_Open):
    """What was run."""

    type: str | None
    id: str | None
    version: str | None


class Data(_Open):
    """How a run or batch ended. Every key is always present; null where nothing is known."""

    kind: Literal["run", "batch"]
    run_id: str | None
    batch_id: str | None
    org_id: str | None
    client_ref: str | None
    status: Status = Field(description="The normalised outcome; one spelling each.")
    status_raw: str | None = Field(description="The status as Runflow wrote it.")
    created_at: AwareDatetime | None
    started_at: AwareDatetime | None
    completed_at: AwareDatetime | None
    duration_ms: int | None
    cost: str | None = Field(description="A decimal as text: never a float.")
    output: JsonValue = Field(description="As received, byte for byte on the wire.")
    output_expires_at: AwareDatetime | None = Field(
        description="When the first presigned link in `output` dies."
    )
    failure: Failure | None
    nodes: Nodes | None
    target: Target | None
    metadata: JsonValue = Field(description="As sent when the run was created.")
    omitted: list[str] = Field(description="Fields left out for this destination.")


class Event(_Open):
    """A CloudEvent 1.0 of the relay, in structured JSON."""

    specversion: Literal["1.0"]
    id: str = Field(description="Stable: the same event always has the same id.")
    source: str = Field(description="`/runflow/{source}`.")
    type: str = Field(description="`io.runflow.{run|batch}.{status}`.")
    subject: str = Field(description="The id of the run or batch.")
    time: datetime
    datacontenttype: Literal["application/json"]
    dataschema: str
    clientref: str | None = None
    origin: Literal["callback", "webhook", "sweep", "manual"]
    confirmed: bool = Field(
        description="False only when something contradicted or was missing."
    )
    revision: int = Field(description="Counts per run; a higher one replaces a lower.")
    partitionkey: str
    data: Data


def json_schema(kind: Literal["run", "batch"]) -> dict[str, JsonValue]:
    """The JSON Schema of ``data``, as ``dataschema`` names it."""
    schema: dict[str, JsonValue] = Data.model_json_schema()
    schema["$id"] = f"urn:runflow-relay:schema:{kind}:1"
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = f"A finished Runflow {kind}"
    return schema
