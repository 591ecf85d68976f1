"""Doubts: what a configuration may say, and hardly means.

Owns the warnings of ``relay check``. Looks at sound settings only, and refuses nothing: what is odd
today may be right tomorrow, or for the user that the relay will run as.
"""

import os
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from relay.core.event import NOTICE_TYPES, TYPES, source_of
from relay.core.route import never_met
from relay.settings.destinations import HttpDestination
from relay.settings.document import Document
from relay.settings.keys import RunflowKey, SigningKey, VerifyingKey
from relay.settings.mistakes import Where
from relay.settings.root import Settings, nearest

__all__ = ["note_doubts"]

_Keys = Sequence[RunflowKey | SigningKey | VerifyingKey]


def note_doubts(settings: Settings, document: Document, now: datetime) -> None:
    """Note in the document what the settings that were made of it leave in doubt."""
    _data_dir(settings, document)
    for where, keys, consequence in _key_rings(settings):
        if all(key.not_after is not None and key.not_after <= now for key in keys):
            place = (*where, "secrets")
            document.blame(place, f"every key has expired: {consequence}")
    _asking(settings, document)
    _routes(settings, document)


def _asking(settings: Settings, document: Document) -> None:
    """What a source leaves open, and whether anybody is asked."""
    for number, source in enumerate(settings.sources):
        place = ("sources", number)
        if source.api.token is None:
            document.blame(
                place,
                "without `api.token` nobody is asked about partial callbacks,"
                " and runs whose callback never came are not found",
            )
        elif (
            source.sweep.enabled
            and source.sweep.only == "own_callbacks"
            and settings.public.url is None
        ):
            document.blame(
                (*place, "sweep"),
                "without `public.url` nobody knows which runs call back here:"
                " those whose callback never came are not found",
            )


def _data_dir(settings: Settings, document: Document) -> None:
    place = nearest(settings.data_dir)
    if not os.access(place, os.W_OK | os.X_OK, effective_ids=True):
        document.blame(("data_dir",), "this user may not write there")


def _key_rings(settings: Settings) -> Iterator[tuple[Where, _Keys, str]]:
    """Give all keys that serve one purpose, their place, and what would be without them."""
    refused = "callbacks are answered with 503"
    for number, source in enumerate(settings.sources):
        yield ("sources", number), source.keys, refused
        for place, channel in enumerate(source.channels):
            yield ("sources", number, "channels", place), channel.keys, refused
    for number, destination in enumerate(settings.destinations):
        if isinstance(destination, HttpDestination):
            yield ("destinations", number), destination.keys, "nothing can be signed"


def _routes(settings: Settings, document: Document) -> None:
    if not settings.routes:
        return
    named = {name for route in settings.routes for name in route.to}
    if all(route.operational for route in settings.routes):
        document.blame(
            ("routes",),
            "none of them is for runs, so every destination gets the end of every run",
        )
    else:
        for number, destination in enumerate(settings.destinations):
            if destination.name not in named:
                place = ("destinations", number)
                document.blame(place, "no route names it, so it gets nothing")
    _never_met(settings, document)


#: What is said of a test that nothing passes, by the attribute that it looks at.
_NEVER: Final = {
    "type": "no event has such a type",
    "source": "no source of this configuration has such events",
    "subject": "no destination of this configuration has such a name",
}
#: As many names as a line bears.
_NAMES_MAX: Final = 5


def _never_met(settings: Settings, document: Document) -> None:
    """A name that is written wrong takes no event, and nobody hears of it later."""
    sources = sorted(source_of(source.name) for source in settings.sources)
    destinations = sorted(it.name for it in settings.destinations)
    hints = {
        "source": f"there is {_some(sources)}",
        "subject": f"there is {_some(destinations)}",
    }
    runs = {"type": TYPES, "source": sources}
    ours = {"type": NOTICE_TYPES, "subject": destinations}
    for number, route in enumerate(settings.routes):
        for step in never_met(route.match, ours if route.operational else runs):
            attribute = str(step[-1])
            document.blame(
                ("routes", number, "match", *step),
                _NEVER[attribute],
                hints.get(attribute, ""),
            )


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(f"`{name}`" for name in names[:_NAMES_MAX])
    rest = len(names) - _NAMES_MAX
    return shown if rest <= 0 else f"{shown} and {rest} more"
