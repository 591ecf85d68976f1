"""Reading: what one body says, as values.

Owns the fields that decide and, read only when asked for, those that only the event needs. Knows
nothing of how a body is found wanting.
"""

from typing import Final, TypeVar

import msgspec
from msgspec import Raw

from relay.core.callback.wire import NULL, Wire, decimal, opaque, text, whole
from relay.core.identity import Outcome, RunKey, canonical
from relay.core.moment import read_moment

__all__ = ["Problem", "Reading"]

V = TypeVar("V")


class _Envelope(msgspec.Struct):
    code: Raw = NULL
    message: Raw = NULL


_envelope: Final = msgspec.json.Decoder(_Envelope)

#: Why a body that names a run is not yet the whole truth.
Problem = str


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What one body says. Times are normalised texts, ``output`` and ``metadata`` exact JSON bytes.

    What decides is read at once; what only the event needs is read when it is asked for, so that
    the acknowledgement does not wait for it.
    """

    key: RunKey
    #: The normalised outcome named by the status, else by the event; None when neither names one.
    outcome: Outcome | None
    status_raw: str | None
    #: Whether the status names a state that is not terminal, so that this body cannot end a run.
    is_open: bool
    problems: tuple[Problem, ...]
    client_ref: str | None
    #: When the run ended.
    completed_at: str | None
    wire: Wire
    #: The bytes that were read. ``output`` and ``metadata`` keep them in memory anyway.
    body: bytes

    @property
    def run_id(self) -> str | None:
        """``run_id`` in its one spelling."""
        return _canonical(self.wire.run_id)

    @property
    def batch_id(self) -> str | None:
        """``batch_id`` in its one spelling, so that a run and its batch can be joined."""
        return _canonical(self.wire.batch_id)

    @property
    def org_id(self) -> str | None:
        """``org_id`` as received."""
        return self.wire.org_id

    @property
    def created_at(self) -> str | None:
        """When the run was created."""
        return read_moment(self.wire.created_at)

    @property
    def started_at(self) -> str | None:
        """When the run was started."""
        return read_moment(self.wire.started_at)

    @property
    def duration_ms(self) -> int | None:
        """Wall-clock time of the run in milliseconds."""
        return whole(self.wire.duration_ms)

    @property
    def cost(self) -> str | None:
        """The cost as a decimal text."""
        return decimal(self.wire.cost)

    @property
    def output(self) -> bytes | None:
        """The output's JSON, byte for byte; None for null."""
        return opaque(self.wire.output)

    @property
    def metadata(self) -> bytes | None:
        """The metadata's JSON, byte for byte; None for null."""
        return opaque(self.wire.metadata)

    @property
    def failure(self) -> dict[str, str | None] | None:
        """Why it failed, where the body says so.

        Of a run that failed the callback's page shows an error object as ``output`` and no failure
        fields; the API shows the fields.
        """
        wire = self.wire
        told = {
            "code": wire.failure_code,
            "message": wire.failure_message,
            "stage": wire.failure_stage_code,
        }
        if self.outcome is Outcome.FAILED and _any(told) is None:
            told = _failure_in(wire.output)
        return _any(told)

    @property
    def nodes(self) -> dict[str, int | None] | None:
        """How many nodes the run had and completed."""
        wire = self.wire
        return _any(
            {
                "total": whole(wire.nodes_total),
                "completed": whole(wire.nodes_completed),
            }
        )

    @property
    def target(self) -> dict[str, str | None] | None:
        """What was run."""
        wire = self.wire
        return _any(
            {
                "type": wire.target_type,
                "id": wire.model_id or wire.flow_id or wire.comfyui_workflow_id,
                "version": wire.target_version,
            }
        )


def _failure_in(output: Raw) -> dict[str, str | None]:
    """The error object that stands in for the output: ``{code, message, errors}``."""
    try:
        envelope = _envelope.decode(output)
    except msgspec.DecodeError:
        return {}
    values = (text(envelope.code), text(envelope.message))
    return {"code": values[0], "message": values[1], "stage": None}


def _any(found: dict[str, V | None]) -> dict[str, V | None] | None:
    """A group of fields; None where none of them is known."""
    return None if all(value is None for value in found.values()) else found


def _canonical(upstream_id: str | None) -> str | None:
    return None if upstream_id is None else canonical(upstream_id)
