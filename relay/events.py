"""What consumers import: the events that the relay publishes, as pydantic models.

Loads neither aiohttp nor aiokafka. Fields are those of schema version 1 (``dataschema``
``urn:runflow-relay:schema:{run|batch|relay.destination}:1``); additions are possible, so unknown fields are kept. For the
exact bytes of ``output`` read the event's own text: a parsed ``1.10`` is a number.
"""

from datetime import datetime
from typing import Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue

__all__ = [
    "Data",
    "DestinationData",
    "DestinationEvent",
    "Event",
    "Failure",
    "Nodes",
    "Target",
    "json_schema",
]

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


class DestinationData(_Open):
    """What has happened to a destination of the relay. Every key is always present."""

    destination: str
    kind: str = Field(description="`http`, `kafka` or `file`.")
    state: Literal["disabled", "paused", "resumed", "failing", "behind"]
    reason: str = Field(
        description="A person's words, or of the relay `gone`, `failing`, `brake`, `backlog`."
    )
    by: str = Field(description="A login, or `relay`.")
    since: AwareDatetime = Field(description="Since when it is so.")
    at: AwareDatetime = Field(description="When it was done, or found.")
    open: int = Field(description="Deliveries that were not settled then.")
    disabled_at: AwareDatetime | None = Field(
        description="Of `failing`: when it will be disabled, if nothing works until then."
    )
    text: str = Field(description="A sentence for a person, with the next command.")
    omitted: list[str] = Field(description="Fields left out for this destination.")


class DestinationEvent(_Open):
    """A CloudEvent 1.0 about the relay itself, in structured JSON."""

    specversion: Literal["1.0"]
    id: str = Field(description="Stable: the same event always has the same id.")
    source: str = Field(description="`/relay/{installation}`: one store.")
    type: str = Field(description="`io.runflow.relay.destination.{state}`.")
    subject: str = Field(description="The name of the destination.")
    time: datetime
    datacontenttype: Literal["application/json"]
    dataschema: str
    revision: int = Field(description="Counts per destination, in order.")
    partitionkey: str
    data: DestinationData


_TITLES: Final = {
    "run": "A finished Runflow run",
    "batch": "A finished Runflow batch",
    "relay.destination": "What has happened to a destination of the relay",
}


def json_schema(
    kind: Literal["run", "batch", "relay.destination"],
) -> dict[str, JsonValue]:
    """The JSON Schema of ``data``, as ``dataschema`` names it."""
    model = DestinationData if kind == "relay.destination" else Data
    schema: dict[str, JsonValue] = model.model_json_schema()
    schema["$id"] = f"urn:runflow-relay:schema:{kind}:1"
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = _TITLES[kind]
    return schema
