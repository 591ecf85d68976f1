"""Questions: what is said of a run whose truth is being asked for.

Owns the sentence about an open inquiry: why it was opened, what was answered so far, when the next ask is
due, and what happens when no answer comes in time. That last is decided where the relay itself decides it.
"""

from collections.abc import Sequence

from relay.core.inquiry import NEVER, InquiryState
from relay.core.run import Known, Waiting
from relay.core.timeline.history import History, PastAsk, Plan, Question
from relay.core.timeline.parcels import PATIENCE
from relay.core.timeline.words import (
    answer_words,
    clock,
    hint_words,
    length,
    plain,
    reasons_words,
)
from relay.core.truth import give_up

__all__ = ["asked", "doubt", "watched"]


def asked(history: History, question: Question, plan: Plan | None, now: int) -> str:
    """An outcome was opened, and there is no event of it."""
    held = question.state is InquiryState.HELD
    why = reasons_words(question.reasons)
    if held:
        head = f"Held: the API has not confirmed how it ended, and {why}"
    elif plan is not None and not plan.asks:
        head = f"Nobody is asked (no api.token, or enrich: never), and {why}"
    else:
        head = f"The API is asked how it ended, because {why}"
    parts = [head, _so_far(history.asks, question, plan, now), _next(question, now)]
    if not held and plan is not None:
        parts.append(_deadline(history, question, plan, now))
    if history.events:
        parts.append(f"until then event {history.revision} stands")
    return _sentence(parts)


def watched(history: History, question: Question, plan: Plan | None, now: int) -> str:
    """A sweep has seen it."""
    head = (
        f"A sweep has seen another end than event {history.revision} says"
        if history.events
        else "A sweep has seen it, and no callback has come"
    )
    return _sentence(
        [head, _so_far(history.asks, question, plan, now), _next(question, now)]
    )


def doubt(question: Question, now: int) -> str:
    """An event went out unconfirmed, and it is still asked for."""
    again = (
        "it is not asked again"
        if question.due_at >= NEVER
        else f"it is asked again at {clock(question.due_at, now)}"
    )
    return f"the API has not confirmed the event: {again}"


def _sentence(parts: Sequence[str]) -> str:
    return "; ".join(part for part in parts if part) + "."


def _so_far(
    asks: Sequence[PastAsk], question: Question, plan: Plan | None, now: int
) -> str:
    made = [ask for ask in asks if ask.at >= question.opened_at]
    if not made:
        return ""
    last = made[-1]
    said = f"{answer_words(last.answer)}{hint_words(last.answer, plan)}"
    if last.answer == "unended" and last.detail:
        said = f'it says "{plain(last.detail, 40)}"'
    at = clock(last.at, now)
    if len(made) == 1:
        return f"asked once, at {at} ({said})"
    return f"asked {len(made)} times, the last at {at} ({said})"


def _next(question: Question, now: int) -> str:
    if question.due_at >= NEVER:
        return "it is not asked again, a person has to decide"
    if question.leased:
        return "it is being asked now"
    late = now - question.due_at
    if late < 0:
        return f"the next ask is at {clock(question.due_at, now)}, in {length(late)}"
    if late < PATIENCE:
        return "the next ask is due now"
    return f"the next ask has been due for {length(late)}"


def _deadline(history: History, question: Question, plan: Plan, now: int) -> str:
    """What happens when no answer comes in time: what the relay itself would decide."""
    end = question.opened_at + plan.deadline if plan.asks else now
    known = Known(
        client_ref=history.client_ref,
        outcome=history.outcome,
        revision=history.revision,
        waiting=Waiting(question.outcome, question.reasons),
    )
    publication = give_up(known, plan.on_unconfirmed).publication
    if publication is None:
        what = "is held, and asked for again hours apart"
    elif publication.confirmed:
        what = f"is published as {publication.outcome.value} without what only the API tells"
    else:
        what = f"is published as {publication.outcome.value}, marked confirmed: false"
    when = f"at {clock(end, now)}" if end > now else "now"
    return f"without an answer it {what}, {when}"
