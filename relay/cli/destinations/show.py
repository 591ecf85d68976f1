"""Show: how destinations stand, on a terminal and for programs.

Owns the table, the document, and the sentence after a change.
"""

from collections.abc import Callable, Sequence
from typing import Final

from rich.console import Console
from rich.text import Text

from relay.cli.selecting import narrow
from relay.cli.standings import Line
from relay.core.holding import Condition, Hold
from relay.core.moment import text_of
from relay.core.timeline.words import clock, hold_words
from relay.operate.actions.holding import Report

__all__ = ["as_document", "said", "show_table"]


#: Columns of counts, and whether they are there when nobody has any.
_COUNTS: Final[Sequence[tuple[str, Callable[[Condition], int], bool]]] = (
    ("pending", lambda one: one.counts.pending, True),
    ("held", lambda one: one.counts.held, False),
    ("dead", lambda one: one.counts.dead, True),
    ("behind", lambda one: one.behind, False),
)
#: Holds whose sentence says to look at the dead letters.
_TOLD: Final = ("brake", "failing")


def show_table(console: Console, lines: Sequence[Line], *, now: int) -> None:
    """Draw the table, and under it what needs a person."""
    shown = [
        (head, count)
        for head, count, is_always in _COUNTS
        if is_always or any(count(line.condition) for line in lines)
    ]
    table = narrow()
    table.add_column("destination", overflow="fold")
    for name in ("kind", "state"):
        table.add_column(name, no_wrap=True)
    for name in (*(head for head, _ in shown), "last success"):
        table.add_column(name, justify="right", no_wrap=True)
    for line in lines:
        one = line.condition
        # What others have written is never read as markup.
        words = (one.name, one.kind, line.standing.state)
        counts = (f"{count(one):,}" for _, count in shown)
        table.add_row(*(Text(word) for word in words), *counts, _worked(one, now))
    console.print(table)
    for line in lines:
        for sentence in (line.standing.advice, _buried(line.condition)):
            if sentence is not None:
                console.print(Text(sentence), soft_wrap=True)


def _worked(one: Condition, now: int) -> str:
    """When something last arrived: it is kept to the minute, and seconds would say more than is known."""
    return "" if one.worked_at is None else clock(one.worked_at, now)[:-3]


def _buried(one: Condition) -> str | None:
    """Where its dead letters are to be read, where its standing has not said so."""
    count = one.counts.dead
    if not count or (one.hold is not None and one.hold.reason in _TOLD):
        return None
    have = "has" if count == 1 else "have"
    return (
        f"{count:,} for {one.name} {have} died: `relay dead --destination {one.name}` lists those"
        " that were not sent again since."
    )


def as_document(lines: Sequence[Line]) -> dict[str, object]:
    """The same for programs."""
    return {"destinations": [_document(line) for line in lines]}


def _document(line: Line) -> dict[str, object]:
    one = line.condition
    return {
        "name": one.name,
        "kind": one.kind,
        "state": line.standing.state,
        "hold": hold_document(one.hold),
        "failing_since": _moment(one.failing_since),
        "last_success": _moment(one.worked_at),
        "deliveries": dict(one.counts.items()),
        "behind": one.behind,
        "advice": line.standing.advice,
    }


def hold_document(hold: Hold | None) -> dict[str, object] | None:
    """Why nothing is sent, for programs."""
    if hold is None:
        return None
    return {
        "kind": hold.kind,
        "reason": hold.reason,
        "by": hold.by,
        "since": text_of(hold.since),
    }


def _moment(at: int | None) -> str | None:
    return None if at is None else text_of(at)


def said(report: Report, *, served: bool, now: int) -> str:
    """What a change has come to, and what happens now."""
    match report.verb:
        case "pause":
            return _paused(report, now)
        case "resume":
            return _resumed(report, served=served, now=now)
        case _:
            return _forgotten(report)


def _paused(report: Report, now: int) -> str:
    name, hold = report.destination, report.hold
    how = "" if hold is None else hold_words(hold, now)
    if not report.changed:
        return f"Nothing was changed: {name} is {how}."
    return (
        f"{name} is paused. No further try begins; what comes for it is kept, in order"
        f" ({_deliveries(report.open)} now). `relay destinations resume {name}` sends again."
    )


def _resumed(report: Report, *, served: bool, now: int) -> str:
    name = report.destination
    if not report.changed or report.before is None:
        return f"Nothing was changed: {name} was not held."
    was = f"{name} goes on; it was {hold_words(report.before, now)}."
    if not report.configured:
        return f"{was} It is not in the configuration, so nothing is sent there."
    if not report.open:
        return f"{was} Nothing waits for it."
    if served:
        way = "is on its way" if report.open == 1 else "are on their way, in order"
        return f"{was} {_deliveries(report.open)} {way}."
    return f"{was} As soon as a relay serves this store, what waits is sent: {_deliveries(report.open)}."


def _forgotten(report: Report) -> str:
    name = report.destination
    left = ""
    if report.open:
        left = (
            f" Left: {_deliveries(report.open)} in the hands of a relay that has {name} in its"
            " configuration: do this once more when that is done."
        )
    if not report.forgotten and report.changed:
        return f"{name} is not behind any more; nothing waited for it.{left}"
    if not report.forgotten:
        return f"Nothing was changed: nothing waits for {name} that could be given up.{left}"
    are = "is" if report.forgotten == 1 else "are"
    return f"{_deliveries(report.forgotten)} for {name} {are} dead now (reason `forgotten`).{left}"


def _deliveries(count: int) -> str:
    return f"{count:,} {'delivery' if count == 1 else 'deliveries'}"
