"""Show: an explanation on a terminal of eighty columns or more.

Owns the layout and the colours. What is said, and in which words, is decided in ``core``.
"""

import re
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Final

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from relay.app.explaining import Missing
from relay.core.moment import text_of
from relay.core.timeline import (
    Entry,
    Explanation,
    Findings,
    Place,
    RunState,
    Stated,
    plain,
)

__all__ = ["show_list", "show_missing", "show_whole"]

_STATES: Final[dict[RunState, str]] = {
    "waiting": "bold yellow",
    "pending": "bold yellow",
    "delivered": "bold green",
    "held": "bold magenta",
    "dead": "bold red",
    "quarantined": "bold red",
    "collapsed": "bold green",
}
_KINDS: Final = {
    "runflow": "blue",
    "sent": "blue",
    "callback": "",
    "asked": "cyan",
    "event": "bold",
    "replay": "bold",
    "failed": "red",
    "delivered": "green",
    "dead": "bold red",
}
_WIDEST: Final = 120
#: Deliveries that are shown one by one.
_PLACES_MAX: Final = 16
#: Stores count no further than this.
_VERY_MANY: Final = 10_000
_TRAILING: Final = re.compile(r" +$", re.MULTILINE)


def show_whole(console: Console, explanation: Explanation) -> None:
    """One run: where it stands first, then what happened."""
    stands, run = explanation.standing, explanation.run
    kind = run.kind or "callback naming"
    whose = "" if run.source is None else f" of {run.source}"
    ref = "" if run.client_ref is None else f", client_ref {plain(run.client_ref)}"
    _print(console, Text(f"{kind} {plain(run.id, 255)}{whose}{ref}"))
    console.print()
    state = Text(stands.state.upper(), style=_STATES[stands.state])
    _print(console, _grid([[state, Text(stands.sentence)]]))
    places = _telling(stands.places)
    unsettled = [one for one in places if one.state != "delivered"]
    # The sentence names them where there are few.
    if len(unsettled) > 1 or (places and stands.state == "waiting"):
        console.print()
        _print(console, _places(places[:_PLACES_MAX]))
        if len(places) > _PLACES_MAX:
            more = len(places) - _PLACES_MAX
            _print(console, Text(f"  and {more} more: --json has all", style="dim"))
    if explanation.upstream is not None:
        console.print()
        _print(console, _upstream(explanation.upstream))
    if explanation.differences:
        console.print()
        _print(
            console,
            Text(f"The API says otherwise than event {run.revision}:", style="yellow"),
        )
        for one in explanation.differences:
            _print(console, Padding(Text(one.words), (0, 0, 0, 2)))
    for day, entries in groupby(explanation.timeline, key=_day):
        console.print()
        _print(console, Text(f"{day}, times in UTC", style="dim"))
        _print(console, _timeline(entries))
    for what, count in explanation.left_out.items():
        _print(console, Text(f"and {count:,} more {what}, left out", style="dim"))


def show_list(
    console: Console, text: str, findings: Findings, found: Sequence[Explanation]
) -> None:
    """Several runs, each with its state, and how to pick one."""
    count = len(found) + findings.more
    is_ref = findings.by == "client_ref"
    what = "the client_ref of" if is_ref else "the id of"
    order = ", newest first" if is_ref else ""
    about = "at least " if count >= _VERY_MANY else ""
    _print(console, Text(f"{plain(text, 255)} is {what} {about}{count:,} runs{order}:"))
    console.print()
    rows = [
        [
            Text(one.standing.state, style=_STATES[one.standing.state]),
            Text(text_of(one.run.first_seen or 0)[:16].replace("T", " ")),
            Text(plain(one.run.id, 255)),
            Text(f"{one.run.source}, {one.run.kind}"),
        ]
        for one in found
    ]
    _print(console, _grid(rows))
    if findings.more:
        _print(console, Text(f"and {about}{findings.more:,} more, older", style="dim"))
    console.print()
    pick = "relay explain RUN_ID" if is_ref else "relay explain RUN_ID --source NAME"
    _print(console, Text(f"Pick one: {pick}"))


def show_missing(console: Console, missing: Missing) -> None:
    """Nothing was found: where was looked, and what the APIs say."""
    _print(console, Text(f"{plain(missing.looked, 1000)}."))
    for _, sentences in missing.upstream:
        _print(console, Text(" ".join(sentences)))


def _telling(places: Sequence[Place]) -> list[Place]:
    """Without what was delivered and has had a later revision since; what is open stands first."""
    last = {place.destination: place for place in places}.values()
    telling = [one for one in places if one.state != "delivered" or one in last]
    return sorted(telling, key=lambda one: one.state in ("delivered", "dead"))


def _places(places: Sequence[Place]) -> Table:
    return _grid(
        [
            [
                Text(f"  {place.destination}"),
                Text(place.state, style=_STATES[place.state]),
                Text(f"event {place.revision}: {place.words}"),
            ]
            for place in places
        ]
    )


def _upstream(stated: Stated) -> Table:
    rows = [[Text("API"), Text(stated.run_words)]]
    if stated.callbacks != stated.run or stated.run == "told":
        rows.append([Text("its callback"), Text(stated.callback_words)])
    return _grid(rows)


def _timeline(entries: Iterable[Entry]) -> Table:
    return _grid(
        [
            [
                Text(text_of(entry.at)[11:23], style="dim"),
                Text(entry.kind, style=_KINDS[entry.kind]),
                Text(entry.words),
            ]
            for entry in entries
        ]
    )


def _grid(rows: Sequence[Sequence[Text]]) -> Table:
    """Columns side by side, the last of which is broken into lines."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    last = len(rows[0]) - 1
    for place in range(last + 1):
        grid.add_column(
            no_wrap=place != last, overflow="fold" if place == last else "ignore"
        )
    for row in rows:
        grid.add_row(*row)
    return grid


def _print(console: Console, shown: Text | Table | Padding) -> None:
    """Draw without the spaces that fill a line up, which only make what is copied longer."""
    with console.capture() as drawn:
        # A line that is too long is not read.
        console.print(shown, width=min(console.width, _WIDEST), overflow="fold")
    console.file.write(_TRAILING.sub("", drawn.get()))


def _day(entry: Entry) -> str:
    return text_of(entry.at)[:10]
