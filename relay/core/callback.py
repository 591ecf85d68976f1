"""Callback: what a signed body says.

Owns reading the bytes: which run or batch they speak of, how it ended, which fields they carry, and
what is missing or contradicts itself. Bytes that cannot be read as a run's end are *unreadable* with
a reason: they go to quarantine, never to waste. Knows nothing of what was known before.

Field names and types: Runflow's ``concepts/callbacks`` (the run payload), ``api-reference`` (batch
payload, spelling of states). The upstream contradicts itself in places; everything that any of its
pages shows is accepted, and ``output`` and ``metadata`` stay the exact bytes that came.
"""

import json
import re
from collections.abc import Iterator
from typing import Final, Literal, assert_never

import msgspec
from msgspec import Raw

from relay.core.identity import ID_BYTES_MAX, Kind, Outcome, RunKey, UnusableIdError
from relay.core.moment import read_moment

__all__ = [
    "DEFAULT_REQUIRE",
    "DEPTH_MAX",
    "Field",
    "Problem",
    "Reading",
    "Unreadable",
    "UnreadableReason",
    "read",
]

DEPTH_MAX: Final = 256
CLIENT_REF_BYTES_MAX: Final = 4 * ID_BYTES_MAX

Field = Literal[
    "status",
    "created_at",
    "completed_at",
    "duration_ms",
    "output",
    "metadata",
    "client_ref",
]
DEFAULT_REQUIRE: Final[tuple[Field, ...]] = ("status", "completed_at", "output")

UnreadableReason = Literal[
    "not_utf8",
    "not_json",
    "too_deep",
    "not_an_object",
    "duplicate_key",
    "unknown_family",
    "unknown_event",
    "unusable_id",
    "unusable_client_ref",
    "unstorable",
]

#: Why a body that names a run is not yet the whole truth.
Problem = str

_OUTCOMES: Final = {
    "succeeded": Outcome.SUCCEEDED,
    "failed": Outcome.FAILED,
    "cancelled": Outcome.CANCELLED,
    "canceled": Outcome.CANCELLED,
    "partial_succeeded": Outcome.PARTIAL_SUCCEEDED,
}
_EVENT_OUTCOMES: Final = {**_OUTCOMES, "completed": Outcome.SUCCEEDED}
_OPEN_STATES: Final = frozenset({"queued", "dispatching", "running", "pending"})
_WHOLE_NUMBER: Final = re.compile(rb"-?\d{1,18}", re.ASCII)
_DECIMAL: Final = re.compile(r"-?\d{1,30}(\.\d{1,30})?", re.ASCII)
_TOKEN: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[\[\]{}]', re.DOTALL)
_IDENTITY_KEYS: Final = (
    "event",
    "run_id",
    "batch_id",
    "status",
    "status_code",
    "client_ref",
)
_QUOTED_KEYS: Final = tuple(f'"{key}"'.encode() for key in _IDENTITY_KEYS)
_ABSENT: Final = Raw(b"null")


class _Wire(msgspec.Struct):
    """Every field that may matter, each as its own bytes: a wrong type spoils only itself."""

    event: Raw = _ABSENT
    run_id: Raw = _ABSENT
    batch_id: Raw = _ABSENT
    status: Raw = _ABSENT
    status_code: Raw = _ABSENT
    client_ref: Raw = _ABSENT
    created_at: Raw = _ABSENT
    started_at: Raw = _ABSENT
    completed_at: Raw = _ABSENT
    duration_ms: Raw = _ABSENT
    cost: Raw = _ABSENT
    org_id: Raw = _ABSENT
    output: Raw = _ABSENT
    metadata: Raw = _ABSENT
    failure_code: Raw = _ABSENT
    failure_message: Raw = _ABSENT
    failure_stage_code: Raw = _ABSENT
    nodes_total: Raw = _ABSENT
    nodes_completed: Raw = _ABSENT
    target_type: Raw = _ABSENT
    target_version: Raw = _ABSENT
    model_id: Raw = _ABSENT
    flow_id: Raw = _ABSENT
    comfyui_workflow_id: Raw = _ABSENT


_decoder: Final = msgspec.json.Decoder(_Wire)
_text_decoder: Final = msgspec.json.Decoder(str)


class Unreadable(msgspec.Struct, frozen=True):
    """Signed bytes that do not say how a known kind of thing ended."""

    reason: UnreadableReason


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
    wire: _Wire

    @property
    def run_id(self) -> str | None:
        """``run_id`` as received."""
        return _text(self.wire.run_id)

    @property
    def batch_id(self) -> str | None:
        """``batch_id`` as received."""
        return _text(self.wire.batch_id)

    @property
    def org_id(self) -> str | None:
        """``org_id`` as received."""
        return _text(self.wire.org_id)

    @property
    def created_at(self) -> str | None:
        """When the run was created."""
        return read_moment(_text(self.wire.created_at))

    @property
    def started_at(self) -> str | None:
        """When the run was started."""
        return read_moment(_text(self.wire.started_at))

    @property
    def duration_ms(self) -> int | None:
        """Wall-clock time of the run in milliseconds."""
        return _whole(self.wire.duration_ms)

    @property
    def cost(self) -> str | None:
        """The cost as a decimal text."""
        return _decimal(self.wire.cost)

    @property
    def output(self) -> bytes | None:
        """The output's JSON, byte for byte; None for null."""
        return _opaque(self.wire.output)

    @property
    def metadata(self) -> bytes | None:
        """The metadata's JSON, byte for byte; None for null."""
        return _opaque(self.wire.metadata)

    @property
    def failure(self) -> dict[str, str | None] | None:
        """Why it failed, where the body says so."""
        wire = self.wire
        return _any(
            {
                "code": _text(wire.failure_code),
                "message": _text(wire.failure_message),
                "stage": _text(wire.failure_stage_code),
            }
        )

    @property
    def nodes(self) -> dict[str, int | None] | None:
        """How many nodes the run had and completed."""
        wire = self.wire
        if wire.nodes_total is _ABSENT and wire.nodes_completed is _ABSENT:
            return None
        return {
            "total": _whole(wire.nodes_total),
            "completed": _whole(wire.nodes_completed),
        }

    @property
    def target(self) -> dict[str, str | None] | None:
        """What was run."""
        wire = self.wire
        return _any(
            {
                "type": _text(wire.target_type),
                "id": _text(wire.model_id)
                or _text(wire.flow_id)
                or _text(wire.comfyui_workflow_id),
                "version": _text(wire.target_version),
            }
        )


def read(
    body: bytes, *, source: str, require: tuple[Field, ...] = DEFAULT_REQUIRE
) -> Reading | Unreadable:
    """Read a body of ``source``; never raises for anything that a body can hold."""
    wire = _decode(body)
    if isinstance(wire, Unreadable):
        return wire
    named = _named(wire)
    if isinstance(named, Unreadable):
        return named
    kind, event_outcome = named
    return _reading(
        wire, source=source, kind=kind, event_outcome=event_outcome, require=require
    )


def _decode(body: bytes) -> _Wire | Unreadable:
    try:
        body.decode()
    except UnicodeDecodeError:
        return Unreadable("not_utf8")
    try:
        wire = _decoder.decode(body)
    except RecursionError:
        return Unreadable("too_deep")
    except msgspec.ValidationError:
        return Unreadable("not_an_object")
    except msgspec.DecodeError:
        return Unreadable("not_json")
    return _distrust(body) or wire


def _distrust(body: bytes) -> Unreadable | None:
    """What is valid JSON and still not read the same way by everyone."""
    if _is_too_deep(body):
        return Unreadable("too_deep")
    if _repeats_identity(body):
        return Unreadable("duplicate_key")
    return None


def _is_too_deep(body: bytes) -> bool:
    # Counting is 50 times cheaper than walking, and settles it for nearly every body.
    if body.count(b"[") + body.count(b"{") <= DEPTH_MAX:
        return False
    depth = 0
    for token in _TOKEN.finditer(body):
        match token.group():
            case b"[" | b"{":
                depth += 1
                if depth > DEPTH_MAX:
                    return True
            case b"]" | b"}":
                depth -= 1
            case _:
                pass
    return False


def _repeats_identity(body: bytes) -> bool:
    """Whether a key that decides what a body is about stands twice at its top.

    Parsers disagree on which of the two counts, so neither may be trusted.
    """
    if b"\\u" not in body and not _counts_twice(body):
        return False
    # The hook sees the outermost object last. Numbers stay text: they may have any size.
    objects: list[list[str]] = [[]]

    def keep(pairs: list[tuple[str, object]]) -> None:
        objects[0] = [key for key, _ in pairs]

    json.loads(body, object_pairs_hook=keep, parse_int=str, parse_float=str)
    return any(objects[0].count(key) > 1 for key in _IDENTITY_KEYS)


def _counts_twice(body: bytes) -> bool:
    # A plain loop: this is on the way to every acknowledgement.
    for key in _QUOTED_KEYS:  # noqa: SIM110 - a generator would cost half as much again
        if body.count(key) > 1:
            return True
    return False


def _named(wire: _Wire) -> tuple[Kind, Outcome | None] | Unreadable:
    """What kind of thing ended, and how, by the event's name; without one by the ids."""
    event = _text(wire.event)
    if event is not None:
        return _named_by_event(event)
    if bytes(wire.event) != b"null":
        return Unreadable("unknown_event")
    if bytes(wire.run_id) != b"null":
        return Kind.RUN, None
    if bytes(wire.batch_id) != b"null":
        return Kind.BATCH, None
    return Unreadable("unknown_family")


def _named_by_event(event: str) -> tuple[Kind, Outcome] | Unreadable:
    family, _, word = event.partition(".")
    kind = {"run": Kind.RUN, "batch": Kind.BATCH}.get(family)
    if kind is None:
        return Unreadable("unknown_family")
    outcome = _EVENT_OUTCOMES.get(word)
    if outcome is None:
        return Unreadable("unknown_event")
    return kind, outcome


def _reading(
    wire: _Wire,
    *,
    source: str,
    kind: Kind,
    event_outcome: Outcome | None,
    require: tuple[Field, ...],
) -> Reading | Unreadable:
    run_id, batch_id = _text(wire.run_id), _text(wire.batch_id)
    try:
        key = RunKey.of(source, kind, (run_id if kind is Kind.RUN else batch_id) or "")
    except UnusableIdError:
        return Unreadable("unusable_id")
    client_ref = _text(wire.client_ref)
    if client_ref is not None and len(client_ref.encode()) > CLIENT_REF_BYTES_MAX:
        return Unreadable("unusable_client_ref")
    status = _text(wire.status) or _text(wire.status_code)
    word = status.strip().lower() if status else None
    outcome = _outcome(word, event_outcome)
    completed_at = read_moment(_text(wire.completed_at))
    return Reading(
        key=key,
        outcome=outcome,
        status_raw=status,
        is_open=word in _OPEN_STATES,
        problems=(
            *_missing(wire, outcome, status, completed_at, require),
            *_contradictions(word, outcome, event_outcome),
        ),
        client_ref=client_ref,
        completed_at=completed_at,
        wire=wire,
    )


def _outcome(word: str | None, event_outcome: Outcome | None) -> Outcome | None:
    if word is None or word in _OPEN_STATES:
        return event_outcome
    return _OUTCOMES.get(word, Outcome.OTHER)


def _missing(
    wire: _Wire,
    outcome: Outcome | None,
    status: str | None,
    completed_at: str | None,
    require: tuple[Field, ...],
) -> Iterator[Problem]:
    """Required fields that are absent, null or of a type that says nothing."""
    if status is None:
        yield "missing_status"
    for name in require:
        if name == "status" or (name == "completed_at" and completed_at is not None):
            continue
        # A run that did not succeed has no output to miss.
        if name == "output" and outcome not in (Outcome.SUCCEEDED, None):
            continue
        raw: Raw = getattr(wire, name)
        if raw is _ABSENT or not _says_something(name, raw):
            yield f"missing_{name}"


def _says_something(name: Field, raw: Raw) -> bool:
    match name:
        case "created_at" | "completed_at":
            return read_moment(_text(raw)) is not None
        case "duration_ms":
            return _whole(raw) is not None
        case "client_ref" | "status":
            return _text(raw) is not None
        case "output" | "metadata":
            return bytes(raw) != b"null"
        case _:
            assert_never(name)


def _contradictions(
    word: str | None, outcome: Outcome | None, event_outcome: Outcome | None
) -> Iterator[Problem]:
    if word is None:
        return
    if word in _OPEN_STATES:
        yield "status_not_terminal"
    elif word not in _OUTCOMES:
        yield "status_unknown"
    elif event_outcome is not None and event_outcome is not outcome:
        yield "event_and_status_disagree"


def _text(raw: Raw) -> str | None:
    """The text of a JSON string; None for null and for any other type."""
    if raw is _ABSENT:
        return None
    data = bytes(raw)
    if data[:1] != b'"':
        return None
    if b"\\" not in data:
        return data[1:-1].decode()
    return _text_decoder.decode(data)


def _whole(raw: Raw) -> int | None:
    data = bytes(raw)
    return int(data) if _WHOLE_NUMBER.fullmatch(data) else None


def _decimal(raw: Raw) -> str | None:
    # The API writes a decimal string; one older page shows a number.
    data = bytes(raw)
    text = _text(raw) if data[:1] == b'"' else data.decode()
    return text if text is not None and _DECIMAL.fullmatch(text) else None


def _opaque(raw: Raw) -> bytes | None:
    data = bytes(raw)
    return None if data == b"null" else data


def _any(found: dict[str, str | None]) -> dict[str, str | None] | None:
    return None if all(value is None for value in found.values()) else found
