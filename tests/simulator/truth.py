"""Truth: what the upstream knows of a run at any moment, in the words of its API and of its callbacks.

Owns the content of each edition of a run's end, and telling whether somebody else's words say the same.
Shares no decision with the relay.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Final

from tests.fakes import NOW_US
from tests.simulator.story import FOR_EVER, ApiFault, Call, Course, Subject

__all__ = [
    "Said",
    "answer_of",
    "body_of",
    "child_of",
    "editions",
    "is_silent",
    "listed_as",
    "moment",
    "outcome_at",
    "said_by",
]

_BEGIN: Final = datetime.fromtimestamp(NOW_US / 1e6, UTC)
_SPELLINGS: Final = {"cancelled": ("cancelled", "canceled", "Cancelled", "CANCELED")}
#: What tells one account of an end from another: outcome, when, output without signatures, failure.
Said = tuple[str, str | None, str | None, str | None]


@cache
def moment(seconds: float) -> str:
    """A moment of the history as the API prints it, in milliseconds."""
    at = _BEGIN + timedelta(seconds=round(seconds, 3))
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"


def outcome_at(course: Course, now: float) -> str | None:
    """How the run has ended by now; None while it goes on."""
    if now < course.ends:
        return None
    if course.patched is not None and now >= course.patched[0]:
        return course.patched[1]
    return course.outcome


def is_silent(subject: Subject, faults: tuple[object, ...]) -> bool:
    """Whether the API never says how this run ended."""
    return any(
        isinstance(fault, ApiFault)
        and fault.until == FOR_EVER
        and fault.subject == subject
        for fault in faults
    )


# --- what is said -------------------------------------------------------------------------------------


def _end(course: Course, outcome: str, signature: int) -> dict[str, object]:
    """What belongs to an end; one that never was true has a content of its own."""
    patched = course.patched is not None and outcome == course.patched[1]
    at = course.patched[0] if course.patched is not None and patched else course.ends
    well = outcome in ("succeeded", "partial_succeeded")
    link = f"https://cdn.example.com/{outcome}.png?Expires={signature}&Signature=s{signature}"
    return {
        "completed_at": moment(at),
        "output": {"images": [1.10, link]} if well else None,
        "failure_code": "OUT_OF_MEMORY" if outcome == "failed" else None,
    }


def answer_of(course: Course, now: float, signature: int) -> dict[str, object]:
    """What the API says of it now. Links are signed anew with every answer."""
    outcome = outcome_at(course, now)
    said: dict[str, object] = {
        "id": course.subject.id,
        "org_id": f"org-{course.subject.source}",
        "status_code": outcome or "running",
        "created_at": moment(course.created),
        "client_ref": course.client_ref,
        "callback_url": url_of(course),
    }
    if outcome is not None:
        said |= _end(course, outcome, signature)
    return said


def url_of(course: Course) -> str:
    """Where its callback goes."""
    host = "relay" if course.ours else "other"
    return f"https://{host}.example.com/callbacks/{course.subject.source}"


def listed_as(course: Course, now: float) -> dict[str, object]:
    """Its row in the list of runs."""
    outcome = outcome_at(course, now)
    return {
        "id": course.subject.id,
        "status_code": outcome or "running",
        "created_at": moment(course.created),
        "completed_at": moment(course.ends) if outcome else None,
        "callback_url": url_of(course),
        "batch_id": None,
    }


def child_of(course: Course, now: float) -> dict[str, object]:
    """The row of a batch's only run, which calls nobody back."""
    return {
        **listed_as(course, now),
        "id": f"child-of-{course.subject.id}",
        "callback_url": None,
        "batch_id": course.subject.id,
    }


def body_of(call: Call, course: Course) -> bytes:
    """What a call says, byte for byte."""
    subject = call.subject
    if call.shape == "odd":
        return f'{{"event":"{subject.kind}.exploded","run_id":"{subject.id}"}}'.encode()
    # Only a UUID is the same in capitals.
    name = (
        subject.id.upper()
        if call.spelling % 2 and "_" not in subject.id
        else subject.id
    )
    words = _SPELLINGS.get(call.outcome, (call.outcome, call.outcome.upper()))
    word = words[call.spelling % len(words)]
    said: dict[str, object] = {
        f"{subject.kind}_id": name,
        ("status", "status_code")[call.spelling // 2]: word,
        **_end(course, call.outcome, call.spelling),
    }
    if call.client_ref is not None:
        said["client_ref"] = call.client_ref
    if call.spelling:
        said["note"] = call.spelling
    _spoil(said, call, name)
    return json.dumps(said).encode()


def _spoil(said: dict[str, object], call: Call, name: str) -> None:
    """Say less of it, or more, as the shape and the spelling have it."""
    if call.shape == "open":
        said["status"] = "running"
        said.pop("status_code", None)
    elif call.spelling == 1:
        said["event"] = f"{call.subject.kind}.{call.outcome}"
        if call.subject.kind == "run":
            # A run may be part of a batch, and is spoken of all the same.
            said["batch_id"] = name
    if call.shape == "partial":
        said.pop(call.lack, None)
        if call.lack == "status":
            said.pop("status_code", None)


# --- what was said ------------------------------------------------------------------------------------


def editions(course: Course) -> list[Said]:
    """Every end that was true at some time, in order."""
    outcomes = [course.outcome]
    if course.patched is not None and course.patched[1] != course.outcome:
        outcomes.append(course.patched[1])
    return [said_by(outcome, _end(course, outcome, 0)) for outcome in outcomes]


def said_by(outcome: str, words: Mapping[str, object]) -> Said:
    """What these words say of an end, however they are spelled."""
    at = words.get("completed_at")
    output = words.get("output")
    failure = words.get("failure_code")
    return (
        outcome,
        # Digits of a second that are not there, and those that are, are one moment.
        None if at is None else str(at).removesuffix("Z").rstrip("0"),
        None if output is None else json.dumps(output).partition("?")[0],
        None if failure is None else str(failure),
    )
