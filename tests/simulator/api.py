"""Api: the upstream's own API, as each source's client meets it.

Owns answering by what is true at the moment, in pages that runs appear and end between; faults as the script
has them; and what the oracle needs to know of who was asked what. An answer is lost with the process that
asked for it. Knows nothing of what becomes of an answer.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from random import Random
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

from relay.runflow import (
    Answer,
    NotFoundError,
    RateLimitedError,
    Runflow,
    RunflowError,
    ServerError,
    TimedOutError,
    TruncatedError,
    UnauthorizedError,
    UnprocessableError,
    UnreachableError,
    WrongContentError,
)
from relay.runflow.system import System
from relay.runflow.transport import Question
from tests.fakes import NOW_US
from tests.simulator.history import History
from tests.simulator.layout import Layout
from tests.simulator.loop import Life, VirtualLoop, pause
from tests.simulator.script import Script
from tests.simulator.story import FOR_EVER, ApiFault, ApiWay, Course, Subject
from tests.simulator.truth import answer_of, child_of, listed_as, outcome_at

__all__ = ["Api", "scripted"]

#: What was asked: a run, a batch, the list, or for a callback to be sent again.
_KINDS: Final = {"runs": "run", "batches": "batch"}


class Api:
    """All sources' API."""

    def __init__(
        self,
        script: Script,
        loop: VirtualLoop,
        dice: Random,
        history: History,
        *,
        redeliver: Callable[[Course], None],
    ) -> None:
        """``redeliver`` has a callback sent once more."""
        self._loop = loop
        self._dice = dice
        self._history = history
        self._redeliver = redeliver
        self._page = script.asking.page
        self._courses = {course.subject: course for course in script.courses}
        self._faults = [fault for fault in script.faults if isinstance(fault, ApiFault)]
        self._signature = 10
        #: By run: the configurations under which the relay heard how it ended.
        self.told: defaultdict[Subject, list[Layout]] = defaultdict(list)
        #: By source: when whoever last read its list from one end to the other had begun.
        self.walked: dict[str, float] = {}
        #: By life and source: until when it was asked to be quiet.
        self._quiet: dict[tuple[Life, str], float] = {}

    @property
    def over_at(self) -> float:
        """From then on nothing changes any more: no fault that ends, and no run."""
        ends = [
            *(fault.until for fault in self._faults if fault.until != FOR_EVER),
            *(
                max(course.ends, course.patched[0] if course.patched else 0.0)
                for course in self._courses.values()
            ),
        ]
        return max(ends, default=0.0)

    async def exchange(
        self, source: str, question: Question, life: Life, layout: Callable[[], Layout]
    ) -> Answer:
        """Answer one question, as the transport would."""
        address = urlsplit(question.path)
        segments = [unquote(part) for part in address.path.split("/")[2:]]
        subject = (
            Subject(source, _KINDS[segments[0]], segments[1]) if segments[1:] else None
        )
        if subject is not None and question.method == "GET" and subject.kind == "run":
            self._judge_haste(life, source)
        await pause(self._dice.uniform(0.0005, 0.02))
        fault = self._fault(source, subject)
        document: object
        if fault == "hang":
            await pause(question.timeouts.total_s)
            raise TimedOutError("nothing was heard", phase="answer")
        if subject is None:
            self._refuse(fault, life, source)
            document = self._list(source, address.query)
        elif question.method == "POST":
            self._refuse(fault, life, source)
            document = self._send_again(subject)
        else:
            document = self._tell(subject, fault, life)
        if subject is not None and question.method == "GET":
            self.told[subject].append(layout())
        body = json.dumps(document).encode()
        return Answer(request=question.name, status=200, headers={}, body=body)

    # --- what goes wrong --------------------------------------------------------------------------

    def _fault(self, source: str, subject: Subject | None) -> ApiWay | None:
        now = self._loop.time()
        for fault in self._faults:
            if (
                fault.source == source
                and fault.since <= now < fault.until
                and fault.subject in (None, subject)
            ):
                return fault.how
        return None

    def _refuse(self, fault: ApiWay | None, life: Life, source: str) -> None:
        """Raise what the client would."""
        if fault is None or fault in _ANSWERS:
            return
        self._history.note("api", f"{source}: {fault}")
        if fault == "429 for a while":
            seconds = self._dice.choice((0.5, 2.0, 40.0))
            self._quiet[life, source] = self._loop.time() + seconds
            raise RateLimitedError("429", status=429, retry_after=seconds)
        make = _ERRORS[fault]
        raise make()

    def _judge_haste(self, life: Life, source: str) -> None:
        until = self._quiet.get((life, source), 0.0)
        self._history.require(
            self._loop.time() >= until,
            "Retry-After",
            f"the API of {source} is asked before {until:.3f}, when it wanted to be",
        )

    # --- what is answered -------------------------------------------------------------------------

    def _tell(
        self, subject: Subject, fault: ApiWay | None, life: Life
    ) -> dict[str, object]:
        self._refuse(fault, life, subject.source)
        course = self._courses.get(subject)
        if course is None:
            raise NotFoundError("404", status=404)
        self._signature += 1
        now = self._loop.time()
        said = answer_of(course, now, self._signature)
        self._history.note(
            "api", f"{subject}: {said['status_code']}{f', {fault}' if fault else ''}"
        )
        # What is not about this run tells how some other one ended.
        if fault in _ANSWERS:
            said |= {
                "status_code": "partial_succeeded",
                "completed_at": "2020-01-01T00:00:00Z",
            }
        match fault:
            case "another run":
                said["id"] = "somebody-else"
            case "another organisation":
                said["org_id"] = "org-of-others"
            case "no status":
                said["status_code"] = None
            case _:
                pass
        return said

    def _send_again(self, subject: Subject) -> dict[str, object]:
        course = self._courses[subject]
        if outcome_at(course, self._loop.time()) is None or self._dice.random() < 0.2:
            raise UnprocessableError("422", status=422)
        self._history.note("api", f"{subject}: its callback is sent again")
        if self._dice.random() < 0.8:
            self._redeliver(course)
        return {"id": f"delivery-of-{subject.id}"}

    def _list(self, source: str, query: str) -> dict[str, object]:
        """One page. A cursor is the creation that the page before ended with, its place there, and the first page's time."""
        asked = parse_qs(query)
        since = _since(asked["q"][0])
        now = self._loop.time()
        there = sorted(
            (-course.created, number, course)
            for number, course in enumerate(self._courses.values())
            if course.subject.source == source and since <= course.created <= now
        )
        began = now
        if "pq" in asked:
            *cursor, began = json.loads(asked["pq"][0])
            place = tuple(cursor)
            there = [item for item in there if item[:2] > place]
        page, more = there[: self._page], there[self._page :]
        if not more:
            self.walked[source] = max(began, self.walked.get(source, 0.0))
        self._history.note("api", f"{source}: a page of {len(page)}, then {len(more)}")
        rows = [
            (child_of if course.subject.kind == "batch" else listed_as)(course, now)
            for _, _, course in page
        ]
        return {
            "items": rows,
            "next": json.dumps([*page[-1][:2], began]) if more else None,
        }


def _since(q: str) -> float:
    """Virtual seconds of the moment in a filter ``created_at>='moment'``."""
    _, at, _ = q.split("'")
    return datetime.fromisoformat(at).timestamp() - NOW_US / 1e6


def scripted(
    client: Runflow,
    exchange: Callable[[Question], Any],
    *,
    system: System,
) -> Runflow:
    """The relay's own client, but for where its questions lead, and whose time and dice it has."""
    transport: Any = _Transport(exchange)
    caller = replace(client._caller, transport=transport, system=system)
    client._assemble(caller, origin=client._origin)
    return client


class _Transport:
    """As much of a transport as a client asks for."""

    def __init__(self, exchange: Callable[[Question], Any]) -> None:
        self.exchange = exchange

    async def close(self) -> None:
        """Nothing is held."""


#: What comes as an answer, and must not be believed.
_ANSWERS: Final[Sequence[ApiWay]] = ("another run", "another organisation", "no status")


def _error(kind: Any, **said: Any) -> Callable[[], RunflowError]:
    return lambda: kind("scripted", **said)


_ERRORS: Final[dict[ApiWay, Callable[[], RunflowError]]] = {
    "404": _error(NotFoundError, status=404),
    "401": _error(UnauthorizedError, status=401),
    "429": _error(RateLimitedError, status=429),
    "500": _error(ServerError, status=500),
    "refuse": _error(UnreachableError),
    "cut off": _error(TruncatedError, status=200),
    "web page": _error(WrongContentError, status=200),
}
