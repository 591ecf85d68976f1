"""Route: which destinations an event goes to.

Owns the filter dialects of CloudEvents Subscriptions 1.0 (section 3.2.4: ``exact``, ``prefix``,
``suffix``, ``any``, ``all``, ``not``; a list means all), to which ``glob`` and ``data.`` paths are added.
Values are compared by their JSON text; what is missing or null matches nothing, so ``not`` around it
holds. Knows nothing of destinations but their names.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import translate
from math import isfinite
from typing import Final

import msgspec

from relay.core.event import ATTRIBUTES, Event

__all__ = [
    "InvalidMatchError",
    "Place",
    "Route",
    "Router",
    "compile_match",
    "never_met",
    "nowhere",
]

Predicate = Callable[["_View"], bool]
EXPRESSIONS_MAX: Final = 200
_DATA: Final = re.compile(r"data(\.[^.]{1,100}){1,10}")

#: A place within a ``match``: words and list positions from its root.
Place = tuple[str | int, ...]


class InvalidMatchError(ValueError):
    """A ``match`` that is not an expression of the dialects; the message says why, ``where`` where."""

    def __init__(self, where: Place, message: str) -> None:
        super().__init__(message)
        self.where = where


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One rule: events that match go to these destinations."""

    name: str
    match: Predicate
    to: tuple[str, ...]
    #: Whether it takes what the relay tells of itself, and nothing else.
    operational: bool = False


class _View:
    """An event as filters see it: attributes, and ``data`` walked as far as a path asks."""

    __slots__ = ("_event",)

    def __init__(self, event: Event) -> None:
        self._event = event

    def text(self, path: str) -> str | None:
        """The JSON text of a value, without the quotes of a string; None when it is missing."""
        if path.startswith("data."):
            return self._walk(path.split(".")[1:])
        value = self._event.attributes.get(path)
        if value is None and path == "datacontenttype":
            return "application/json"
        if value is None or isinstance(value, str):
            return value
        return msgspec.json.encode(value).decode()

    def _walk(self, keys: list[str]) -> str | None:
        raw = msgspec.Raw(self._event.data)
        for key in keys:
            if bytes(raw)[:1] != b"{":
                return None
            found = _object.decode(raw).get(key)
            if found is None:
                return None
            raw = found
        data = bytes(raw)
        if data[:1] == b'"':
            return _string.decode(data)
        return None if data == b"null" else data.decode()


_object: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_string: Final = msgspec.json.Decoder(str)


class Router:
    """The routes of one configuration. Where none is for runs, what ends goes everywhere.

    What the relay tells of itself goes where routes for that say, and never to the destination that it is about.
    """

    def __init__(self, *, routes: Sequence[Route], destinations: Sequence[str]) -> None:
        self._routes = tuple(route for route in routes if not route.operational)
        self._operational = tuple(route for route in routes if route.operational)
        self._everywhere = tuple(destinations)

    @property
    def destinations(self) -> tuple[str, ...]:
        """Every destination, in the order of the configuration."""
        return self._everywhere

    @property
    def listens(self) -> bool:
        """Whether anybody wants to hear of the relay itself."""
        return bool(self._operational)

    def route(
        self, event: Callable[[], Event], *, about: str | None = None
    ) -> tuple[str, ...]:
        """The destinations of an event, each once, in the order of the configuration.

        ``event`` is called only when a route has to look at it. ``about`` is the destination that an
        operational event is about.
        """
        routes = self._routes if about is None else self._operational
        if not routes:
            return self._everywhere if about is None else ()
        view = _View(event())
        named = {name for route in routes if route.match(view) for name in route.to}
        named.discard(about or "")
        return tuple(name for name in self._everywhere if name in named)


def nowhere() -> Router:
    """Routes that nothing takes."""
    return Router(routes=(), destinations=())


def compile_match(match: object) -> Predicate:
    """Turn a ``match`` of the configuration into a predicate.

    Raises:
        InvalidMatchError: not an expression of the dialects.
    """
    budget = [EXPRESSIONS_MAX]
    return _compile(match, (), budget)


def never_met(match: object, known: Mapping[str, Sequence[str]]) -> Iterator[Place]:
    """Find each test of a sound ``match`` that no event can pass which comes there.

    ``known`` has all that an attribute can be; of attributes that it does not name anything is possible.
    """
    return _never_met(match, (), known)


def _never_met(
    node: object, where: Place, known: Mapping[str, Sequence[str]]
) -> Iterator[Place]:
    for number, item in enumerate(node if isinstance(node, list) else ()):
        yield from _never_met(item, (*where, number), known)
    for word, operand in node.items() if isinstance(node, dict) else ():
        if word not in _TESTS:
            yield from _never_met(operand, (*where, word), known)
            continue
        for attribute, values in known.items():
            test = _TESTS[word](_operand(operand.get(attribute)) or "")
            if attribute in operand and not any(test(value) for value in values):
                yield (*where, word, attribute)


def _compile(node: object, where: Place, budget: list[int]) -> Predicate:
    budget[0] -= 1
    if budget[0] < 0:
        raise InvalidMatchError((), f"more than {EXPRESSIONS_MAX} expressions")
    if isinstance(node, list):
        return _all(_compile_each(node, where, budget))
    if not isinstance(node, dict) or len(node) != 1:
        raise InvalidMatchError(where, f"an expression is one of {', '.join(_WORDS)}")
    [(word, operand)] = node.items()
    if word in _TESTS:
        return _comparison(_TESTS[word], operand, (*where, word))
    if word == "not":
        negated = _compile(operand, (*where, word), budget)
        return lambda view: not negated(view)
    if word in ("any", "all"):
        if not isinstance(operand, list) or not operand:
            raise InvalidMatchError((*where, word), "needs a list of expressions")
        parts = _compile_each(operand, (*where, word), budget)
        return _all(parts) if word == "all" else _any(parts)
    raise InvalidMatchError(
        where, f"unknown expression `{word}`; use {', '.join(_WORDS)}"
    )


def _compile_each(
    nodes: list[object], where: Place, budget: list[int]
) -> list[Predicate]:
    return [_compile(node, (*where, n), budget) for n, node in enumerate(nodes)]


def _all(parts: Iterable[Predicate]) -> Predicate:
    kept = tuple(parts)
    return lambda view: all(part(view) for part in kept)


def _any(parts: Iterable[Predicate]) -> Predicate:
    kept = tuple(parts)
    return lambda view: any(part(view) for part in kept)


Test = Callable[[str], Callable[[str], bool]]


def _glob(pattern: str) -> Callable[[str], bool]:
    found = re.compile(translate(pattern))
    return lambda text: found.match(text) is not None


_TESTS: Final[Mapping[str, Test]] = {
    "exact": lambda wanted: lambda text: text == wanted,
    "prefix": lambda wanted: lambda text: text.startswith(wanted),
    "suffix": lambda wanted: lambda text: text.endswith(wanted),
    "glob": _glob,
}
_WORDS: Final = (*_TESTS, "any", "all", "not")


def _operand(wanted: object) -> str | None:
    """The JSON text of an operand as :meth:`_View.text` gives it; None when it is no scalar."""
    if isinstance(wanted, str):
        return wanted
    # JSON has neither infinities nor NaN, so nothing could equal them.
    if isinstance(wanted, int) or (isinstance(wanted, float) and isfinite(wanted)):
        return msgspec.json.encode(wanted).decode()
    return None


def _is_data(path: object) -> bool:
    return isinstance(path, str) and _DATA.fullmatch(path) is not None


def _comparison(test: Test, operand: object, where: Place) -> Predicate:
    if not isinstance(operand, dict) or not operand:
        raise InvalidMatchError(where, "needs a mapping of attribute to value")
    checks: list[tuple[str, Callable[[str], bool]]] = []
    for path, wanted in operand.items():
        if path not in ATTRIBUTES and not _is_data(path):
            raise InvalidMatchError(
                where,
                f"`{path}` is neither an attribute of events"
                f" ({', '.join(ATTRIBUTES)}) nor a path such as data.status",
            )
        text = _operand(wanted)
        if not text:
            raise InvalidMatchError((*where, path), "needs a text, number or boolean")
        checks.append((path, test(text)))
    kept = tuple(checks)

    def holds(view: _View) -> bool:
        for path, check in kept:
            text = view.text(path)
            if text is None or not check(text):
                return False
        return True

    return holds
