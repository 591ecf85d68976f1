"""Write the tables of docs/truth.md from what decides: core's functions, and the words of the API's client."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, get_args

from relay.core.callback import DEFAULT_REQUIRE, Field, Reading, read
from relay.core.identity import Kind, RunKey
from relay.core.inquiry import (
    AskPolicy,
    Conclude,
    Ended,
    GiveUp,
    Heard,
    Inquiry,
    InquiryState,
    Let,
    Postpone,
    Silent,
    Told,
    Unended,
    next_move,
)
from relay.core.pace import LIMITED_S
from relay.core.run import NOTHING, Known, judge
from relay.core.snapshot import Snapshot, Unfinished, WrongReason, document, read_answer
from relay.core.truth import OnUnconfirmed, give_up, learn
from relay.reconcile.upstream import OF_SOURCE
from relay.runflow import RunflowError
from relay.runflow import errors as faults

__all__ = ["PAGE", "page"]

PAGE: Final = Path(__file__).with_name("truth.md")
ID: Final = "0197f0f0-1111-7222-8333-444455556666"
KEY: Final = RunKey("acme", Kind.RUN, ID)
#: What both sides know of a run that is told whole.
FACTS: Final[Mapping[str, object]] = {
    "output": {"n": 1},
    "duration_ms": 5,
    "created_at": "2026-03-01T11:59:50Z",
    "completed_at": "2026-03-01T11:59:58Z",
    "metadata": {"k": 1},
    "client_ref": "order-1",
}
ABSENT: Final = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One or more callbacks that leave a question open, and the field that it is about."""

    name: str
    field: str
    callbacks: Sequence[Mapping[str, object]]
    require: tuple[Field, ...] = DEFAULT_REQUIRE


def _case(name: str, field: str, *changes: Mapping[str, object]) -> Case:
    whole = {"event": "run.completed", "run_id": ID, "status": "succeeded", **FACTS}
    return Case(name=name, field=field, callbacks=[{**whole, **one} for one in changes])


def _required(field: Field) -> Case:
    case = _case(f"`{field}` missing or null", field, {field: ABSENT})
    by_default = " (if `require` has it)" * (field not in DEFAULT_REQUIRE)
    require = (*DEFAULT_REQUIRE, field) if by_default else DEFAULT_REQUIRE
    return Case(
        name=case.name + by_default,
        field=field,
        callbacks=case.callbacks,
        require=require,
    )


FAILED: Final = {"event": "run.failed", "status": "failed", "output": None}
CASES: Final = (
    *(_required(field) for field in get_args(Field)),
    _case("`event` missing", "status", {"event": ABSENT}),
    _case("`event` and `status` missing", "status", {"event": ABSENT, "status": None}),
    _case("`status` unknown", "status", {"status": "melted"}),
    _case("`event` and `status` disagree", "status", {"status": "failed"}),
    _case("`status` still open", "status", {"status": "running"}),
    _case(
        "two callbacks, another `client_ref`", "client_ref", {}, {"client_ref": "B-2"}
    ),
    _case("two callbacks, another outcome", "status", {}, FAILED),
)

ANSWERS: Final = (
    "ended, with the field",
    "ended, null there too",
    "ended otherwise",
    "goes on",
    "404",
    "none until the deadline: `publish`",
    "none until the deadline: `hold`",
)


def _answered(case: Case, answer: str) -> Heard:
    """What the API says, as the relay hears it."""
    told = {"id": ID, "status_code": "succeeded", **FACTS}
    match answer:
        case "ended, null there too":
            told["status_code" if case.field == "status" else case.field] = None
        case "ended otherwise":
            told |= {"status_code": "cancelled", "output": None}
        case "goes on":
            told |= {"status_code": "running", "completed_at": None, "output": None}
        case "404":
            return Silent(reason="not_found", of_source=False)
        case "ended, with the field":
            pass
        case _:
            return Silent(reason="timeout", of_source=True)
    found = read_answer(json.dumps(told).encode(), KEY)
    if isinstance(found, Snapshot):
        return Told(found)
    if isinstance(found, Unfinished):
        return Unended(found.status)
    return Silent(reason=found.reason, of_source=False)


class _Story:
    """A run, as a case's callbacks leave it."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.known = NOTHING
        self.said: list[Reading] = []
        #: What its last event was built from.
        self.last: Reading | None = None
        for callback in case.callbacks:
            given = {k: v for k, v in callback.items() if v is not ABSENT}
            reading = _read(json.dumps(given).encode(), case.require)
            ruling = judge(self.known, reading)
            self.known = ruling.known
            self.said.append(reading)
            self.last = reading if ruling.publication else self.last

    @property
    def by_itself(self) -> str:
        """What becomes of it before anybody is asked."""
        waiting = self.known.waiting
        reasons = (
            "" if waiting is None else ", ".join(f"`{r}`" for r in waiting.reasons)
        )
        first = ["event"] if self.last is not None else []
        return ", then ".join([*first, *([f"waits: {reasons}"] if reasons else [])])

    def ends(self, answer: str) -> str:
        """What an answer makes of it, or the lack of one."""
        waiting = self.known.waiting
        if waiting is None:
            return "not asked"
        wish: OnUnconfirmed = "hold" if "hold" in answer else "publish"
        policy = AskPolicy(on_unconfirmed=wish)
        inquiry = Inquiry(
            run=1,
            lease=1,
            key=KEY,
            state=InquiryState.WAITING,
            outcome=waiting.outcome,
            reasons=waiting.reasons,
            opened_at=0,
            asks=0,
        )
        now = policy.deadline if "deadline" in answer else 1
        match next_move(inquiry, _answered(self.case, answer), policy, now=now):
            case Conclude(snapshot=snapshot):
                return self._told(snapshot)
            case GiveUp():
                return _unconfirmed(self.known, wish)
            case Postpone() | Ended():
                return "asked again"
            case Let():
                return "left as it is"

    def _told(self, snapshot: Snapshot) -> str:
        body = document(snapshot, self.said, enriched=False)
        told = _read(body, ())
        finding = learn(self.known, told, self.last)
        if finding.publication is None:
            return "no new event: it was right"
        number, outcome = finding.publication.revision, finding.publication.outcome
        head = "event" if number == 1 else f"revision {number}"
        field = self.case.field
        lacking = field != "status" and getattr(told, field) is None
        return f"{head} `{outcome.value}`" + f", `{field}` null" * lacking


def _read(body: bytes, require: tuple[Field, ...]) -> Reading:
    found = read(body, source=KEY.source, require=require)
    if not isinstance(found, Reading):
        raise TypeError(found)
    return found


def _unconfirmed(known: Known, wish: OnUnconfirmed) -> str:
    end = give_up(known, wish)
    if end.publication is None:
        return "held" if known.outcome is None else "held; the event stands"
    return f"event `{end.publication.outcome.value}`, `confirmed: false`"


def partial() -> str:
    """The table of what callbacks leave open, and what each answer makes of it."""
    lines = [
        f"| the callback | by itself | {' | '.join(ANSWERS)} |",
        f"| --- {'| --- ' * (len(ANSWERS) + 1)}|",
    ]
    for case in CASES:
        story = _Story(case)
        cells = [case.name, story.by_itself, *map(story.ends, ANSWERS)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


#: Answers that are read, and not believed.
_DISBELIEVED: Final[Mapping[WrongReason, str]] = {
    "not_json": "The body is not JSON in UTF-8.",
    "unexpected_shape": "JSON, but no run: no `id`, too deep, or no object.",
    "wrong_run": "A run with another `id` than the one asked for.",
    "other_organization": "`org_id` is not `api.organization_id`.",
    "no_status": "Neither `status_code` nor `status` says anything.",
}
#: Never said to a question about one run.
_ELSEWHERE: Final = (
    faults.ConflictError,
    faults.UnprocessableError,
    faults.PagingError,
)
#: Roots of others, which nobody raises.
_ROOTS: Final = (faults.TransportError, faults.AnswerError, faults.StatusError)


def words() -> str:
    """The table of every word for an answer that is none."""
    lines = ["| word | what came | whose | course |", "| --- | --- | --- | --- |"]
    told = {
        error.reason: ((error.__doc__ or "").partition("\n")[0], error)
        for error in _kinds(RunflowError)
        if error not in _ROOTS and not issubclass(error, _ELSEWHERE)
    }
    for word, (what, error) in told.items():
        of_source = issubclass(error, OF_SOURCE)
        course = "backoff"
        if of_source:
            course += "; counts towards *the API is down*"
        if error is faults.RateLimitedError:
            course = (
                f"nobody of the source is asked for `Retry-After`, or {LIMITED_S:g} s"
            )
        whose = "the API's" if of_source else "the run's"
        said = what.replace("``", "`")
        lines.append(f"| `{word}` | {said} | {whose} | {course} |")
    for reason in get_args(WrongReason):
        if reason not in told:
            said = _DISBELIEVED[reason]
            lines.append(f"| `{reason}` | {said} | the run's | backoff |")
    return "\n".join(lines)


def _kinds(kind: type[RunflowError]) -> Iterator[type[RunflowError]]:
    for inner in kind.__subclasses__():
        if inner.__module__ == faults.__name__:
            yield inner
            yield from _kinds(inner)


def page(text: str) -> str:
    """The page with its tables anew."""
    for name, table in (("partial", partial()), ("words", words())):
        begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
        before, _, rest = text.partition(begin)
        after = rest.partition(end)[2]
        text = f"{before}{begin}\n\n{table}\n\n{end}{after}"
    return text


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
