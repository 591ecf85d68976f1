"""Document: a YAML 1.2 file as plain data, with the line of every key and item.

Owns reading YAML (core schema: ``off`` and ``12:30:00`` are text) and remembering where each thing
stands. Knows nothing of what the settings mean. Works on ruamel.yaml's events, so that duplicate
keys, tags and aliases are judged here, with their lines, and several mistakes are found at once.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, assert_never

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from ruamel.yaml.reader import ReaderError

from relay.settings.mistakes import Mistake, Where, dotted

__all__ = ["Data", "Document", "UnreadableError", "plain", "read_document"]

Data = dict[str, "Data"] | list["Data"] | str | int | float | bool | None

#: Bounds on what a file may unfold to, aliases included.
DEPTH_MAX: Final = 64
NODES_MAX: Final = 100_000

_STR_TAGS: Final = frozenset({"tag:yaml.org,2002:str", "!"})
_INT: Final = re.compile(r"[-+]?[0-9]{1,40}|0o[0-7]{1,40}|0x[0-9a-fA-F]{1,40}")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]{1,4})?")
_WORDS: Final[dict[str, bool | None]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


class UnreadableError(Exception):
    """The text cannot be read any further. Carries the one mistake that says why."""

    def __init__(self, message: str, line: int | None, hint: str = "") -> None:
        self.mistake = Mistake(path="", line=line, message=message, hint=hint)
        super().__init__(message)


@dataclass(slots=True)
class Document:
    """A configuration as data, and what is known of where its parts came from.

    ``lines`` counts from 1. ``variables`` names the environment variable of each value that was set
    from outside; ``filled`` are the places of texts that a ``${NAME}`` went into; ``spoiled`` are
    those that a mistake was already found in, so that no second one is reported for the same cause.
    """

    data: dict[str, Data] = field(default_factory=dict)
    lines: dict[Where, int] = field(default_factory=dict)
    variables: dict[Where, str] = field(default_factory=dict)
    filled: set[Where] = field(default_factory=set)
    spoiled: set[Where] = field(default_factory=set)
    mistakes: list[Mistake] = field(default_factory=list)

    def at(self, where: Where) -> Data:
        """Give what stands at a place; ``None`` if nothing does."""
        node: Data = self.data
        for step in where:
            if isinstance(node, dict) and isinstance(step, str):
                node = node.get(step)
            elif isinstance(node, list) and isinstance(step, int) and step < len(node):
                node = node[step]
            else:
                return None
        return node

    def line(self, where: Where) -> int:
        """Give the line of a place, or of the nearest thing around it."""
        return next(
            self.lines[where[:depth]]
            for depth in range(len(where), -1, -1)
            if where[:depth] in self.lines
        )

    def variable(self, where: Where) -> str:
        """Name the environment variable that the value at a place came from, or give ''."""
        return self.variables.get(where, "")

    def is_spoiled(self, where: Where) -> bool:
        """Whether a mistake is already known at a place or around it."""
        return any(where[:depth] in self.spoiled for depth in range(len(where) + 1))

    def blame(self, where: Where, message: str, hint: str = "") -> None:
        """Note a mistake at a place."""
        variable = self.variable(where)
        self.mistakes.append(
            Mistake(
                path=dotted(where),
                line=None if variable else self.line(where),
                message=message,
                hint=hint,
                variable=variable,
            )
        )

    def spoil(self, where: Where, message: str, hint: str = "") -> None:
        """Note a mistake at a place, and that nothing more need be said about it."""
        self.blame(where, message, hint)
        self.spoiled.add(where)


@dataclass(frozen=True, slots=True)
class _Scalar:
    """A text as it stands in the file. ``plain`` says that it has neither quotes nor tag."""

    line: int
    text: str
    plain: bool


@dataclass(frozen=True, slots=True)
class _List:
    line: int
    items: "tuple[_Node, ...]"


@dataclass(frozen=True, slots=True)
class _Mapping:
    line: int
    pairs: "tuple[tuple[_Node, _Node], ...]"


#: A value as it stands in the file. An alias is the same node a second time.
_Node = _Scalar | _List | _Mapping


def read_document(text: str) -> Document:
    """Read a YAML text whose root is a mapping.

    Raises:
        UnreadableError: The text is not YAML, or its root is not a mapping.
    """
    failure: UnreadableError
    try:
        root = _Builder(_events(text)).document()
    except YAMLError as error:
        failure = _explained(error, text)
    else:
        if root is None:
            raise UnreadableError("the file holds no settings", 1)
        if not isinstance(root, _Mapping):
            raise UnreadableError("the file must be a mapping of settings", root.line)
        return _Unfolding().document(root)
    # Raised here, not above: the library's error shows the file's text, secrets too.
    raise failure


def _events(text: str) -> Iterator[Event]:
    # The class is untyped; its events are not.
    events: Any = YAML(typ="safe", pure=True).parse(text)
    yield from events


class _Builder:
    """Turns the stream of events into nodes."""

    def __init__(self, events: Iterator[Event]) -> None:
        self._events = events
        self._anchors: dict[str, _Node] = {}
        self._depth = 0

    def document(self) -> _Node | None:
        """Give the root of the only document."""
        root: _Node | None = None
        for event in self._events:
            if isinstance(event, DocumentStartEvent):
                if root is not None:
                    raise UnreadableError(
                        "the file holds more than one document", _line(event), "`---`"
                    )
                root = self._node(next(self._events))
        return root

    def _node(self, event: Event) -> _Node:
        if isinstance(event, AliasEvent):
            if event.anchor not in self._anchors:
                raise UnreadableError("an alias has no anchor before it", _line(event))
            return self._anchors[event.anchor]
        self._depth += 1
        if self._depth > DEPTH_MAX:
            raise UnreadableError("nested too deeply", _line(event))
        node = self._fresh(event)
        self._depth -= 1
        if isinstance(event, NodeEvent) and event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _fresh(self, event: Event) -> _Node:
        line = _line(event)
        tag = self._tag(event)
        if isinstance(event, ScalarEvent) and (not tag or tag in _STR_TAGS):
            is_plain = event.style is None and not tag
            return _Scalar(line, str(event.value), is_plain)
        if tag:
            raise UnreadableError("tags are not supported", line)
        if isinstance(event, SequenceStartEvent):
            return _List(line, tuple(self._until(SequenceEndEvent)))
        flat = tuple(self._until(MappingEndEvent))
        return _Mapping(line, tuple(zip(flat[::2], flat[1::2], strict=True)))

    @staticmethod
    def _tag(event: Event) -> str:
        tag: Any = getattr(event, "ctag", None)
        return "" if tag is None else str(tag)

    def _until(self, end: type[Event]) -> Iterator[_Node]:
        for event in self._events:
            if isinstance(event, end):
                return
            yield self._node(event)


class _Unfolding:
    """Turns nodes into data, and writes down the line of every place."""

    def __init__(self) -> None:
        self._result = Document()
        self._count = 0

    def document(self, root: _Node) -> Document:
        """Unfold a mapping."""
        self._result.lines[()] = root.line
        data = self._data(root, ())
        if isinstance(data, dict):
            self._result.data = data
        return self._result

    def _data(self, node: _Node, where: Where) -> Data:
        self._count += 1
        if self._count > NODES_MAX or len(where) > DEPTH_MAX:
            raise UnreadableError("unfolds to too many values", node.line)
        match node:
            case _Scalar():
                return plain(node.text) if node.plain else node.text
            case _List():
                return [
                    self._placed(item, item.line, (*where, index))
                    for index, item in enumerate(node.items)
                ]
            case _Mapping():
                return self._mapping(node, where)
            case _:
                assert_never(node)

    def _placed(self, node: _Node, line: int, where: Where) -> Data:
        self._result.lines[where] = line
        return self._data(node, where)

    def _mapping(self, node: _Mapping, where: Where) -> Data:
        mapping: dict[str, Data] = {}
        for key, value in node.pairs:
            if not isinstance(key, _Scalar):
                raise UnreadableError("a key must be text", key.line)
            place = (*where, key.text)
            if key.text == "<<" and key.plain:
                self._note(place, key.line, "merge keys (`<<`) are not YAML 1.2")
            elif key.text in mapping:
                first = self._result.lines[place]
                self._note(
                    place, key.line, f"stands here a second time, first on line {first}"
                )
            else:
                mapping[key.text] = self._placed(value, key.line, place)
        return mapping

    def _note(self, where: Where, line: int, message: str) -> None:
        self._result.mistakes.append(
            Mistake(path=dotted(where), line=line, message=message)
        )


def plain(text: str) -> Data:
    """Give what an unquoted scalar means in YAML 1.2's core schema (section 10.3.2)."""
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return int(text, 0 if text[:2] in {"0o", "0x"} else 10)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text


def _line(event: Event) -> int:
    mark: Any = event.start_mark
    return int(mark.line) + 1


#: What to look for, by a part of what the YAML reader says.
_HINTS: Final = (
    ("cannot start any token", "put the text in quotes; indent with spaces, not tabs"),
    ("mapping values are not allowed", "put a text that holds `: ` in quotes"),
    ("<block end>", "look at the indentation here and in the line before"),
    ("expected ':'", "look for a key without its colon"),
    ("expected ','", "look for a missing bracket or comma, or a text without quotes"),
)


def _explained(error: YAMLError, text: str) -> UnreadableError:
    """Say what the YAML reader said. It speaks of single characters, never of values."""
    if isinstance(error, MarkedYAMLError):
        problem = str(error.problem or "cannot be read")
        mark: Any = error.problem_mark or error.context_mark
        line = int(mark.line) + 1 if mark else None
        hint = next((hint for part, hint in _HINTS if part in problem), "")
        if line is not None and "${" in "".join(text.split("\n")[line - 1 : line]):
            hint = 'put "${NAME}" in quotes'
        return UnreadableError(f"not valid YAML: {problem}", line, hint)
    if isinstance(error, ReaderError):
        line = text.count("\n", 0, int(error.position)) + 1
        return UnreadableError("holds a character that YAML does not allow", line)
    return UnreadableError("not valid YAML", None)
