"""Wire: the bytes of a callback, field by field.

Owns telling bytes that everyone reads alike from those that nobody should trust (not UTF-8, not JSON,
too deep, a deciding key twice), and the small readers of single values. Knows nothing of what a
callback means.
"""

import json
import re
from collections.abc import Mapping
from typing import Final, Literal

import msgspec
from msgspec import Raw

__all__ = [
    "DEPTH_MAX",
    "NULL",
    "Unreadable",
    "UnreadableReason",
    "Wire",
    "decimal",
    "decode",
    "opaque",
    "text",
    "whole",
]

DEPTH_MAX: Final = 256

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
    "too_old",
    "unstorable",
    "damaged",
]

_WHOLE_MAX: Final = 10**18
_WHOLE_NUMBER: Final = re.compile(rb"-?\d{1,18}", re.ASCII)
# Runflow's own pattern for costs also allows a sign, and a point at either end.
_DECIMAL: Final = re.compile(r"[+-]?(?:\d{1,30}\.?\d{0,30}|\.\d{1,30})", re.ASCII)
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
NULL: Final = Raw(b"null")


class Wire(msgspec.Struct):
    """Every field that may matter; None where it is absent, null, or of a type that says nothing."""

    event: str | None = None
    run_id: str | None = None
    batch_id: str | None = None
    status: str | None = None
    status_code: str | None = None
    client_ref: str | None = None
    created_at: str | None = None
    started_at: str | None = None
    completed_at: str | None = None
    duration_ms: int | None = None
    cost: str | None = None
    org_id: str | None = None
    #: The JSON as it came, ``null`` included.
    output: Raw = NULL
    metadata: Raw = NULL
    failure_code: str | None = None
    failure_message: str | None = None
    failure_stage_code: str | None = None
    nodes_total: int | None = None
    nodes_completed: int | None = None
    target_type: str | None = None
    target_version: str | None = None
    model_id: str | None = None
    flow_id: str | None = None
    comfyui_workflow_id: str | None = None


_OPAQUE: Final = frozenset({"output", "metadata"})
_WHOLE: Final = frozenset({"duration_ms", "nodes_total", "nodes_completed"})
#: The same fields, each as its own bytes: a wrong type spoils only itself.
_Loose: Final = msgspec.defstruct(
    "_Loose", [(name, Raw, NULL) for name in Wire.__struct_fields__]
)
_decoder: Final = msgspec.json.Decoder(Wire)
_loose_decoder: Final = msgspec.json.Decoder(_Loose)
_text_decoder: Final = msgspec.json.Decoder(str)


class Unreadable(msgspec.Struct, frozen=True):
    """Signed bytes that do not say how a known kind of thing ended."""

    reason: UnreadableReason


def decode(body: bytes) -> Wire | Unreadable:
    """The fields of a body that can be trusted to say the same to everyone."""
    try:
        body.decode()
    except UnicodeDecodeError:
        return Unreadable("not_utf8")
    try:
        wire = _values(body)
    except RecursionError:
        return Unreadable("too_deep")
    except msgspec.ValidationError:
        return Unreadable("not_an_object")
    except msgspec.DecodeError:
        return Unreadable("not_json")
    return _distrust(body) or wire


def _values(body: bytes) -> Wire | Unreadable:
    try:
        return _decoder.decode(body)
    except msgspec.ValidationError:
        # What comes after the field of a wrong type has not been looked at.
        return _values_loosely(body)


def _values_loosely(body: bytes) -> Wire | Unreadable:
    """The same for a body with a field of another type than expected; rare, and slower."""
    loose = _loose_decoder.decode(body)
    raws: dict[str, Raw] = msgspec.structs.asdict(loose)
    wire = Wire()
    for name, raw in raws.items():
        setattr(wire, name, raw if name in _OPAQUE else _value(name, bytes(raw)))
    if wire.event is None:
        return _named_oddly(wire, raws)
    return wire


def _value(name: str, data: bytes) -> str | int | None:
    """A field's value, if it is of a type that says something."""
    if name in _WHOLE:
        return int(data) if _WHOLE_NUMBER.fullmatch(data) else None
    if data[:1] == b'"':
        return text(Raw(data))
    # The API writes a cost as a decimal string; one older page shows a number.
    return (
        data.decode() if name == "cost" and _DECIMAL.fullmatch(data.decode()) else None
    )


def _named_oddly(wire: Wire, raws: Mapping[str, Raw]) -> Wire | Unreadable:
    """An event or an id that is there and is no text is not the same as none."""
    if bytes(raws["event"]) != b"null":
        return Unreadable("unknown_event")
    # An empty id names the kind, and can name nothing else.
    if bytes(raws["run_id"]) != b"null":
        wire.run_id = wire.run_id or ""
    elif bytes(raws["batch_id"]) != b"null":
        wire.batch_id = wire.batch_id or ""
    return wire


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


def text(raw: Raw) -> str | None:
    """The text of a JSON string; None for null and for any other type."""
    return _text_decoder.decode(raw) if bytes(raw)[:1] == b'"' else None


def whole(number: int | None) -> int | None:
    """A whole number of up to 18 digits; None for one that is larger."""
    return number if number is None or -_WHOLE_MAX < number < _WHOLE_MAX else None


def decimal(text: str | None) -> str | None:
    """A decimal number as text, as Runflow writes costs; None for anything else."""
    return text if text is not None and _DECIMAL.fullmatch(text) else None


def opaque(raw: Raw) -> bytes | None:
    """Any JSON, byte for byte; None for null."""
    data = bytes(raw)
    return None if data == b"null" else data
