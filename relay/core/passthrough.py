"""Passthrough: a run's end in Runflow's own words, for handlers that were written for Runflow.

Owns when a receipt's own bytes may go on as they came, and the payload that stands for them where they
may not: the fields of a callback in the order in which Runflow documents them, times with ``+00:00``.
Pure and numbered like the builders of events: the same facts give the same bytes, for ever.

Source: Runflow, "Callbacks" (``CallbackPayload``: fields, order, names of events, offset of times).
"""

import re
from collections.abc import Callable, Mapping
from typing import Final

import msgspec
from msgspec import Raw

from relay.core.callback import Reading, Unreadable
from relay.core.errors import UnbuildableError
from relay.core.event import Facts
from relay.core.identity import Kind, Outcome
from relay.core.notice import Notice

__all__ = ["runflow_body"]

_encode: Final[Callable[[object], bytes]] = msgspec.json.encode
_WORD: Final = re.compile("[a-z_]{1,64}")
#: What Python's ``isoformat`` leaves out, and so do callbacks.
_NO_FRACTION: Final = ".000000"


def runflow_body(facts: Facts) -> bytes:
    """Give the payload of these facts: the receipt's own bytes where it is all that they come from.

    Raises:
        UnbuildableError: see :func:`relay.core.event.build`.
    """
    reading = facts.reading
    if isinstance(reading, Notice):
        # Runflow says nothing of the kind: a handler that was written for it would take it for a run.
        raise UnbuildableError("not_a_run")
    builder = _BUILDERS.get(facts.builder)
    if builder is None:
        raise UnbuildableError("unknown_builder")
    if isinstance(reading, Unreadable):
        raise UnbuildableError("damaged_receipt")
    return reading.body if _is_all(facts, reading) else builder(facts, reading)


def _is_all(facts: Facts, reading: Reading) -> bool:
    """Whether the receipt is a callback that says everything, and nothing else, that the event says.

    What the relay has written down of the API's answers has the shape of a callback without ``event``.
    """
    return (
        reading.wire.event is not None
        and reading.outcome is facts.outcome
        and reading.client_ref == facts.client_ref
    )


def _build_1(facts: Facts, reading: Reading) -> bytes:
    key, status = facts.key, reading.status_raw or facts.outcome.value
    fields: dict[str, object] = {
        "event": f"{key.kind.value}.{_ending(facts, status)}",
        f"{key.kind.value}_id": key.id,
        "status": status,
        "output": _output(facts, reading),
        "duration_ms": reading.duration_ms,
        "created_at": _time(reading.created_at),
        "completed_at": _time(reading.completed_at),
        "metadata": None if reading.metadata is None else Raw(reading.metadata),
    }
    # No page shows its place in a callback; behind all that one does show it is in nobody's way.
    if facts.client_ref is not None:
        fields["client_ref"] = facts.client_ref
    return _encode(fields)


def _ending(facts: Facts, status: str) -> str:
    """The last word of an event's name: a run is *completed* where a batch has *succeeded*."""
    named: str = facts.outcome.value
    if facts.outcome is Outcome.OTHER:
        word = status.strip().lower()
        return word if _WORD.fullmatch(word) else named
    if facts.outcome is Outcome.SUCCEEDED and facts.key.kind is Kind.RUN:
        return "completed"
    return named


def _output(facts: Facts, reading: Reading) -> object:
    """The output; of a failure the error object that callbacks have there and the API has not."""
    if reading.output is not None:
        return Raw(reading.output)
    failure = reading.failure
    if failure is None or facts.outcome is not Outcome.FAILED:
        return None
    return {"code": failure["code"], "message": failure["message"], "errors": None}


def _time(text: str | None) -> str | None:
    """``…Z`` with six digits as Runflow writes it."""
    if text is None:
        return None
    return f"{text.removesuffix('Z').removesuffix(_NO_FRACTION)}+00:00"


_BUILDERS: Final[Mapping[int, Callable[[Facts, Reading], bytes]]] = {1: _build_1}
