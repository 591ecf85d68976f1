"""Wire: the bytes of a callback, field by field.

Owns telling bytes that everyone reads alike from those that nobody should trust (not UTF-8, not JSON,
too deep, a deciding key twice), and the small readers of single values. Knows nothing of what a
callback means.
"""

import json
import re
from typing import Final, Literal

import msgspec
from msgspec import Raw

__all__ = [
    "ABSENT",
    "DEPTH_MAX",
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
    "unstorable",
]

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
ABSENT: Final = Raw(b"null")


class Wire(msgspec.Struct):
    """Every field that may matter, each as its own bytes: a wrong type spoils only itself."""

    event: Raw = ABSENT
    run_id: Raw = ABSENT
    batch_id: Raw = ABSENT
    status: Raw = ABSENT
    status_code: Raw = ABSENT
    client_ref: Raw = ABSENT
    created_at: Raw = ABSENT
    started_at: Raw = ABSENT
    completed_at: Raw = ABSENT
    duration_ms: Raw = ABSENT
    cost: Raw = ABSENT
    org_id: Raw = ABSENT
    output: Raw = ABSENT
    metadata: Raw = ABSENT
    failure_code: Raw = ABSENT
    failure_message: Raw = ABSENT
    failure_stage_code: Raw = ABSENT
    nodes_total: Raw = ABSENT
    nodes_completed: Raw = ABSENT
    target_type: Raw = ABSENT
    target_version: Raw = ABSENT
    model_id: Raw = ABSENT
    flow_id: Raw = ABSENT
    comfyui_workflow_id: Raw = ABSENT


_decoder: Final = msgspec.json.Decoder(Wire)
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


def text(raw: Raw) -> str | None:
    """The text of a JSON string; None for null and for any other type."""
    if raw is ABSENT:
        return None
    data = bytes(raw)
    if data[:1] != b'"':
        return None
    if b"\\" not in data:
        return data[1:-1].decode()
    return _text_decoder.decode(data)


def whole(raw: Raw) -> int | None:
    """A whole number of up to 18 digits; None for anything else."""
    data = bytes(raw)
    return int(data) if _WHOLE_NUMBER.fullmatch(data) else None


def decimal(raw: Raw) -> str | None:
    """A decimal number as text, as Runflow writes costs; None for anything else."""
    # The API writes a decimal string; one older page shows a number.
    data = bytes(raw)
    found = text(raw) if data[:1] == b'"' else data.decode()
    return found if found is not None and _DECIMAL.fullmatch(found) else None


def opaque(raw: Raw) -> bytes | None:
    """Any JSON, byte for byte; None for null."""
    data = bytes(raw)
    return None if data == b"null" else data
