"""Checks: mistakes that show only when several settings are seen together.

Owns the rules between sources, destinations, routes and listeners. Looks at the data as it was
written rather than at validated models, so that these mistakes are reported along with all others;
whatever is not of the right type is passed over here, for the models report it.
"""

import posixpath
import re
from collections.abc import Callable, Iterator
from typing import Final

from relay.settings.document import Data, Document
from relay.settings.forms import ListenAddress, is_name
from relay.settings.listeners import Operator, Public
from relay.settings.mistakes import Where
from relay.settings.reach import unreachable
from relay.settings.root import DATA_DIR
from relay.settings.store import STORE, StoreUrl

__all__ = ["CheckMatch", "check"]

#: Judges a route's filter: where in it something is wrong, and what; or ``None``.
CheckMatch = Callable[[object], tuple[Where, str] | None]

_LISTENERS: Final = {
    "public": Public().listen,
    "operator": Operator().listen,
}


#: Endings of the files that a destination (its lock, what it has rotated) or the store keeps beside its own.
_BESIDE: Final = re.compile(r"\.lock|\.\d+|-(?:wal|shm|journal)")


def check(document: Document, check_match: CheckMatch | None = None) -> None:
    """Note every mistake between settings."""
    for where, key in _lists(document):
        _unique(document, where, key)
    _known_destinations(document)
    _telling(document)
    _listeners(document)
    _files(document)
    _reachable(document)
    _collapsing(document)
    if check_match is not None:
        _filters(document, check_match)


def _lists(document: Document) -> Iterator[tuple[Where, str]]:
    """Give every list whose entries are told apart by a key, and the key."""
    yield ("sources",), "name"
    yield ("destinations",), "name"
    yield ("routes",), "name"
    for source, _ in _entries(document, ("sources",)):
        yield (*source, "secrets"), "id"
        yield (*source, "channels"), "name"
        for channel, _ in _entries(document, (*source, "channels")):
            yield (*channel, "secrets"), "id"
    for destination, _ in _entries(document, ("destinations",)):
        yield (*destination, "secrets"), "id"


def _entries(
    document: Document, where: Where
) -> Iterator[tuple[Where, dict[str, Data]]]:
    """Give the mappings of a list, with their places."""
    items = document.at(where)
    for index, item in enumerate(items if isinstance(items, list) else []):
        if isinstance(item, dict):
            yield (*where, index), item


def _unique(document: Document, where: Where, key: str) -> None:
    seen: dict[str, Where] = {}
    for entry, item in _entries(document, where):
        value = item.get(key)
        if not isinstance(value, str) or not is_name(value):
            continue
        place = (*entry, key)
        if value in seen:
            line = document.line(seen[value])
            document.blame(
                place, f"the {key} is already taken on line {line}", "use another"
            )
        seen.setdefault(value, place)


def _known_destinations(document: Document) -> None:
    given = (entry.get("name") for _, entry in _entries(document, ("destinations",)))
    known = {name for name in given if isinstance(name, str)}
    for where, route in _entries(document, ("routes",)):
        names = route.get("to")
        for index, name in enumerate(names if isinstance(names, list) else []):
            place = (*where, "to", index)
            if not isinstance(name, str) or not is_name(name) or name in known:
                continue
            shown = "" if place in document.filled else f" named `{name}`"
            document.blame(place, f"there is no destination{shown}")


def _telling(document: Document) -> None:
    """Runflow's own words say nothing of the relay."""
    formats = {
        name: entry.get("format")
        for _, entry in _entries(document, ("destinations",))
        if isinstance(name := entry.get("name"), str)
    }
    for where, route in _entries(document, ("routes",)):
        names = route.get("to")
        if route.get("operational") is not True or not isinstance(names, list):
            continue
        for index, name in enumerate(names):
            if isinstance(name, str) and formats.get(name) == "runflow":
                document.blame(
                    (*where, "to", index),
                    "its `format: runflow` has no words for operational events",
                    "use a destination with another format",
                )


def _listeners(document: Document) -> None:
    addresses: list[ListenAddress] = []
    for section, default in _LISTENERS.items():
        text = document.at((section, "listen"))
        try:
            addresses.append(
                ListenAddress.of(text) if isinstance(text, str) else default
            )
        except ValueError:
            return
    if addresses[0].clashes(addresses[1]):
        document.blame(("operator", "listen"), "the same address as `public.listen`")


def _files(document: Document) -> None:
    """Two writers of one file would tear each other's lines, or cut each other's ends off."""
    store = document.at(("store",))
    file = StoreUrl(store).file if isinstance(store, str) else STORE.file
    taken = [] if file is None else [(_normal(document, file), "the store")]
    for where, entry in _entries(document, ("destinations",)):
        path = entry.get("path")
        if entry.get("kind") != "file" or not isinstance(path, str) or not path:
            continue
        place = (*where, "path")
        file = _normal(document, path)
        owner = next((whose for other, whose in taken if _clash(file, other)), None)
        if owner:
            document.blame(place, f"the file is already that of {owner}")
        taken.append((file, f"the destination on line {document.line(place)}"))


def _clash(one: str, other: str) -> bool:
    """Whether one of two files is the other, or what is kept beside it."""
    return one == other or _beside(one, other) or _beside(other, one)


def _beside(file: str, main: str) -> bool:
    return file.startswith(main) and _BESIDE.fullmatch(file[len(main) :]) is not None


def _normal(document: Document, path: str) -> str:
    base = document.at(("data_dir",))
    base = base if isinstance(base, str) else str(DATA_DIR)
    return posixpath.normpath(posixpath.join(base, path))


def _reachable(document: Document) -> None:
    """A delivery to a forbidden address is dead at once: better said before there is one."""
    for where, entry in _entries(document, ("destinations",)):
        place, url = (*where, "url"), entry.get("url")
        if entry.get("kind") != "http" or not isinstance(url, str):
            continue
        shown = "the host" if place in document.filled else ""
        found = unreachable(url, entry.get("private"), shown=shown)
        if found is not None:
            document.blame(place, *found)


def _collapsing(document: Document) -> None:
    """Who has no ``client_ref`` collapses with nobody: it must not be missing by chance."""
    for where, source in _entries(document, ("sources",)):
        required = source.get("require")
        known = isinstance(required, list) and "client_ref" in required
        if source.get("collapse_client_ref") != "first_success" or known:
            continue
        if source.get("enrich") != "always":
            document.blame(
                (*where, "collapse_client_ref"),
                "not every callback has a client_ref",
                "needs `enrich: always`, or `client_ref` among `require`",
            )


def _filters(document: Document, check_match: CheckMatch) -> None:
    for where, route in _entries(document, ("routes",)):
        match = route.get("match")
        items = match if isinstance(match, list) else [match]
        if not all(isinstance(item, dict) for item in items):
            continue
        found = check_match(match)
        if found is not None:
            place, message = found
            document.blame((*where, "match", *place), message)
