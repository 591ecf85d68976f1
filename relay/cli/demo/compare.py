"""Compare: did every sink hear of every run exactly as it was?

Owns that verdict, from three lists and nothing else: the upstream's own truth, what a sink got, and
how many outcomes the relay still waits with. Pure.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from relay.core.identity import Kind, Outcome, RunKey, event_id
from relay.core.likeness import same_output

__all__ = ["Expected", "Heard", "differences"]

#: So many differences are told one by one.
SHOWN_MAX: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """One run as the upstream knows it."""

    run_id: str
    outcome: str
    #: The raw JSON of its output; None is null.
    output: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """One event as a sink got it. The same event twice is two of these."""

    event_id: str
    run_id: str
    outcome: str
    #: The raw JSON of ``data.output``.
    output: str


def differences(
    sink: str, source: str, truth: Sequence[Expected], heard: Iterable[Heard]
) -> list[str]:
    """Everything in which a sink's events differ from the truth, in words. Repeats are allowed."""
    got: dict[str, Heard] = {event.event_id: event for event in heard}
    found: list[str] = []
    for run in truth:
        key = RunKey.of(source, Kind.RUN, run.run_id)
        wanted = str(event_id(key, Outcome(run.outcome), 1))
        event = got.pop(wanted, None)
        if event is None:
            found.append(f"{sink} never heard that run {run.run_id} {run.outcome}")
        elif event.outcome != run.outcome or event.run_id != run.run_id:
            found.append(f"{sink} heard something else of run {run.run_id}")
        elif not same_output(event.output.encode(), (run.output or "null").encode()):
            found.append(f"{sink} got another output of run {run.run_id}")
    found += [f"{sink} heard of event {name}, which is not true" for name in got]
    if len(found) > SHOWN_MAX:
        return [*found[:SHOWN_MAX], f"{sink}: {len(found) - SHOWN_MAX} more"]
    return found
