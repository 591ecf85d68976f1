"""Write the table of docs/delivery.md from what decides: the verdict on an answer, the ladder, the gate."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from relay.core.courier import judge_gate
from relay.core.delivery import (
    HOUR,
    Delivered,
    Failed,
    Fault,
    Outcome,
    Policy,
    Refused,
    State,
    Step,
    Tried,
    follow,
)
from relay.core.gate import Gate, GatePolicy
from relay.deliver.verdict import Answer, outcome_of_answer

__all__ = ["CASES", "NOW_US", "PAGE", "Case", "page"]

PAGE: Final = Path(__file__).with_name("delivery.md")
#: 2026-03-01T12:00:00Z.
NOW_US: Final = 1_772_366_400_000_000
TRIED: Final = Tried(created_at=NOW_US, attempts=1, seed=b"")
DATE: Final = "Sun, 01 Mar 2026 13:00:00 GMT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Something that a destination may do, and what its sender makes of it."""

    name: str
    outcome: Outcome


def _said(name: str, status: int, retry_after: str | None = None) -> Case:
    answer = Answer(status, b"", retry_after)
    outcome = outcome_of_answer(
        answer, now_us=lambda: NOW_US, duration_us=0, hidden=tuple
    )
    return Case(name=name, outcome=outcome)


def _silent(name: str, reason: str) -> Case:
    return Case(name=name, outcome=Failed(reason=reason, fault=Fault.DESTINATION))


def _never(name: str, reason: str) -> Case:
    return Case(name=name, outcome=Refused(reason=reason))


def _unbuilt(name: str, reason: str) -> Case:
    return Case(name=name, outcome=Failed(reason=reason, fault=Fault.EVENT))


CASES: Final = (
    _said("200, 201, 202, 204 and every other 2xx", 204),
    _said("a 2xx whose body stalls, breaks off or has no end", 200),
    _said("301, 302, 303, 307, 308: never followed", 301),
    _said("304 and every other 3xx", 304),
    _said("400", 400),
    _said("401, 403", 401),
    _said("404", 404),
    _said("408", 408),
    _said("409, 422 and every other 4xx", 409),
    _said("410", 410),
    _said("413", 413),
    _said("413 with `Retry-After: 3600`", 413, "3600"),
    _said("425", 425),
    _said("429", 429),
    _said("429 with `Retry-After: 3600`", 429, "3600"),
    _said("429 with a date an hour ahead", 429, DATE),
    _said("429 with `Retry-After: 999999`", 429, "999999"),
    _said("500", 500),
    _said("501", 501),
    _said("502", 502),
    _said("503", 503),
    _said("503 with `Retry-After: 3600`", 503, "3600"),
    _said("504 with `Retry-After: 3600`", 504, "3600"),
    _said("599 and every other 5xx", 599),
    _said("a status of 600 or more", 999),
    _said("101: it would speak another protocol", 101),
    _silent(
        "what comes is not HTTP, or its headers are too long", "malformed_response"
    ),
    _silent("no connection: refused, no route", "connect"),
    _silent("no connection in time", "connect_timeout"),
    _silent("no headers in time", "timeout"),
    _silent("closed or reset before an answer", "reset"),
    _silent("TLS: an unknown authority, another name, no TLS at all", "tls"),
    _silent("its name has no address", "dns"),
    _silent("none of its secrets is in force", "no_live_key"),
    _silent("a defect of the sender", "internal"),
    _never("its address is one that is not allowed", "blocked_address"),
    _never("its URL cannot be posted to", "bad_url"),
    _never("the event is larger than it takes", "too_large"),
    _unbuilt("the stored callback is damaged", "damaged_receipt"),
    _unbuilt("the event was made by a newer relay", "unknown_builder"),
    _unbuilt("it is about the relay itself, and its format is Runflow's", "not_a_run"),
)


def whose(outcome: Outcome) -> str:
    """Whose fault it is."""
    match outcome:
        case Failed(fault=Fault.EVENT):
            return "the event's"
        case Failed():
            return "the destination's"
        case _:
            return ""


def course(outcome: Outcome) -> str:
    """What becomes of the delivery while the destination works, and while it does not."""
    works, down = (_step(outcome, gate_open=opened) for opened in (False, True))
    if works.state is State.DELIVERED:
        return "delivered"
    if works.state is State.DEAD:
        return "**dead** at once"
    words = "a step" if works.attempts > TRIED.attempts else "no step"
    if down.attempts != works.attempts:
        words += ", none while it is down"
    if isinstance(outcome, Failed) and outcome.retry_after_us:
        hours = (works.due_at - NOW_US) / HOUR
        words += f"; {hours:g} h at least"
    return words


def _step(outcome: Outcome, *, gate_open: bool) -> Step:
    policy = Policy(jitter=0.0)
    return follow(TRIED, outcome, policy=policy, now=NOW_US, gate_open=gate_open)


def gate(outcome: Outcome) -> str:
    """What it means for the destination as a whole."""
    policy = GatePolicy()
    row = [judge_gate(Gate(policy=policy), [outcome], now_s=0.0, probe=False)]
    while len(row) < policy.faults_to_open and row[-1].faults and not row[-1].open:
        row.append(judge_gate(row[-1], [outcome], now_s=0.0, probe=False))
    if not row[-1].open:
        return "works"
    return "**down** at once" if len(row) == 1 else f"down after {len(row)} in a row"


def _reason(outcome: Outcome) -> str:
    return "" if isinstance(outcome, Delivered) else f"`{outcome.reason}`"


def responses() -> str:
    """The table of everything that can come."""
    lines = [
        "| it answers, or does | reason | whose fault | the delivery | the destination |",
        "| --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {case.name} | {_reason(case.outcome)} | {whose(case.outcome)}"
        f" | {course(case.outcome)} | {gate(case.outcome)} |"
        for case in CASES
    ]
    return "\n".join(lines)


def page(text: str) -> str:
    """The page with its table anew."""
    begin, end = "<!-- responses: begin -->", "<!-- responses: end -->"
    before, _, rest = text.partition(begin)
    return f"{before}{begin}\n\n{responses()}\n\n{end}{rest.partition(end)[2]}"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
