"""Environment: what the process's environment says about the configuration.

Owns ``${NAME}`` inside texts of the file, and ``RELAY__SECTION__KEY`` over the file. Is handed the
environment and never looks for it. ``RELAY_CONFIG``, ``RELAY_TOKEN`` and whatever else begins with a
single underscore (a Kubernetes service named relay injects ``RELAY_PORT``) is none of its business.
"""

import re
from collections.abc import Mapping
from typing import Final

from relay.settings.document import Data, Document, plain
from relay.settings.mistakes import Mistake, Where, dotted
from relay.settings.root import Settings
from relay.settings.section import Section
from relay.settings.shape import is_list, near, sections_in

__all__ = ["PREFIX", "fill", "override"]

PREFIX: Final = "RELAY__"

_REFERENCE: Final = re.compile(r"\$\$|\$\{([^}]*)(\}?)")
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def fill(document: Document, environ: Mapping[str, str]) -> None:
    """Put variables into the texts of a document: ``${NAME}``, and ``$`` for ``$$``.

    What comes out is always text. Keys are left alone, and so is a ``$`` by itself.
    """
    _Filling(document, environ).walk(document.data, ())


class _Filling:
    def __init__(self, document: Document, environ: Mapping[str, str]) -> None:
        self._document = document
        self._environ = environ

    def walk(self, node: Data, where: Where) -> Data:
        """Fill every text at and below a place; containers are changed in place."""
        if isinstance(node, dict):
            node.update({key: self.walk(node[key], (*where, key)) for key in node})
        elif isinstance(node, list):
            node[:] = [
                self.walk(item, (*where, index)) for index, item in enumerate(node)
            ]
        elif isinstance(node, str) and "$" in node:
            return self._text(node, where)
        return node

    def _text(self, text: str, where: Where) -> str:
        def replaced(found: re.Match[str]) -> str:
            return "$" if found[0] == "$$" else self._value(found, where)

        return _REFERENCE.sub(replaced, text)

    def _value(self, found: re.Match[str], where: Where) -> str:
        name = str(found[1])
        if not found[2]:
            self._document.spoil(where, "`${` has no `}`", "write `$$` for a plain `$`")
        elif not _VARIABLE.fullmatch(name):
            self._document.spoil(
                where,
                "what stands in `${}` is not the name of a variable",
                "letters, digits and `_` only; write `$$` for a plain `$`",
            )
        elif name not in self._environ:
            self._document.spoil(where, f"the environment variable {name} is not set")
        else:
            self._document.filled.add(where)
            return self._environ[name]
        return ""


def override(document: Document, environ: Mapping[str, str]) -> None:
    """Lay every ``RELAY__SECTION__KEY`` over the document, its value read as a YAML scalar."""
    for variable in sorted(environ):
        if variable.startswith(PREFIX):
            _lay(document, variable, environ[variable])


def _lay(document: Document, variable: str, text: str) -> None:
    where = tuple(variable.removeprefix(PREFIX).lower().split("__"))
    refusal = _refusal(variable, where)
    if refusal is not None:
        message, hint = refusal
        document.mistakes.append(
            Mistake(
                path=dotted(where),
                line=None,
                message=message,
                hint=hint,
                variable=variable,
            )
        )
        return
    node: Data = document.data
    for step in where[:-1]:
        # A section that is no mapping is a mistake of the file, and is reported as one.
        node = node.setdefault(step, {}) if isinstance(node, dict) else None
    if isinstance(node, dict):
        node[where[-1]] = plain(text)
        document.variables[where] = variable


def _refusal(variable: str, where: tuple[str, ...]) -> tuple[str, str] | None:
    """Say why a variable cannot be laid over the file; ``None`` if it can."""
    section: type[Section] = Settings
    for depth, step in enumerate(where, start=1):
        field = section.model_fields.get(step)
        if field is None or variable != variable.upper():
            return ("unknown setting", _suggestion(where, depth, section))
        if is_list(field.annotation):
            return ("a list cannot be set from the environment", "use ${NAME} in it")
        inner = sections_in(field.annotation)
        if depth == len(where):
            return ("is a section: set its keys one by one", "") if inner else None
        if not inner:
            return ("unknown setting", f"`{dotted(where[:depth])}` has no keys")
        section = inner[0]
    return None


def _suggestion(where: tuple[str, ...], depth: int, section: type[Section]) -> str:
    guess = near(where[depth - 1], section.model_fields)
    if not guess:
        return ""
    name = PREFIX + "__".join((*where[: depth - 1], guess, *where[depth:])).upper()
    return f"did you mean {name}?"
