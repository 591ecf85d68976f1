"""Asking: how a question is spelled: its path, its query and its body.

Owns the encoding of all three. Pure; must not know which endpoints there are.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import Final
from urllib.parse import quote, urlencode
from uuid import UUID

from relay.runflow.query import Q

__all__ = ["LIMIT_MAX", "UNSET", "Unset", "body_of", "model_path", "page_query", "path"]

#: The documented range of ``limit`` is 1 to 500 (search-runs, run-logs).
LIMIT_MAX: Final = 500


class Unset(Enum):
    """The one value that means: this field is not sent. None means: send null."""

    UNSET = "unset"


UNSET: Final = Unset.UNSET


def path(*segments: str | UUID) -> str:
    """A path under ``/v1``, each segment encoded, so that no id can leave its place.

    Raises:
        ValueError: A segment is empty or made of dots, which servers take for a way up.
    """
    return "/".join(["/v1", *(_segment(str(segment)) for segment in segments)])


def model_path(model: str) -> tuple[str, ...]:
    """``owner/slug`` as segments; a slug may hold further ones (create-model-run).

    Raises:
        ValueError: There is no owner, or no slug.
    """
    segments = tuple(model.strip("/").split("/"))
    if len(segments) < 2:
        raise ValueError(f"a model is named owner/slug, not {model!r}")
    return segments


def _segment(text: str) -> str:
    if not text.strip("."):
        raise ValueError(f"not an id: {text!r}")
    return quote(text, safe="")


def query_of(parameters: Mapping[str, object]) -> str:
    """``?name=value&…`` of what is not None; lists are separated by commas."""
    pairs = [
        (name, _parameter(value))
        for name, value in parameters.items()
        if value is not None
    ]
    return f"?{urlencode(pairs, quote_via=quote)}" if pairs else ""


def _parameter(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Iterable) and not isinstance(value, str):
        return ",".join(str(item) for item in value)
    return str(value)


def page_query(
    *,
    q: Q | str | None,
    limit: int | None,
    sort_by: str | Iterable[str] | None,
    fields: str | Iterable[str] | None,
    from_prev: bool,
) -> dict[str, object]:
    """The parameters that every list has.

    Raises:
        ValueError: ``limit`` is not from 1 to 500.
    """
    if limit is not None and not 1 <= limit <= LIMIT_MAX:
        raise ValueError(f"limit is from 1 to {LIMIT_MAX}, not {limit}")
    return {
        "q": q,
        "limit": limit,
        "sort_by": sort_by,
        "fields": fields,
        # Its default is false; what need not be said is not.
        "from_prev": True if from_prev else None,
    }


def body_of(fields: Mapping[str, object]) -> bytes:
    """A JSON object of what is set. Decimals are numbers at the top and text further down.

    Raises:
        ValueError: A number that JSON does not have.
        TypeError: A value that JSON does not have.
    """
    parts = [
        f"{json.dumps(name)}:{_value(value)}"
        for name, value in fields.items()
        if value is not UNSET
    ]
    return ("{" + ",".join(parts) + "}").encode()


def _value(value: object) -> str:
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise ValueError("a number that JSON does not have")
        # Without a float in between: 1.10 has two places.
        return format(value, "f")
    return json.dumps(value, allow_nan=False, separators=(",", ":"), default=_plain)


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError("a moment needs its offset")
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, UUID | Decimal):
        return str(value)
    raise TypeError(f"not JSON: {type(value).__name__}")
