"""Mistakes: what is wrong with a configuration, where, and what to do about it.

Owns their shape, their text and the error that carries all of them at once. Knows nothing of YAML,
of the models or of the environment. A mistake never holds the value of a setting that may be secret.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from pydantic_core import PydanticCustomError

from relay.core.errors import MisconfiguredError

__all__ = [
    "REFUSED",
    "ConfigError",
    "Mistake",
    "Where",
    "dotted",
    "in_order",
    "refuse",
    "render",
]

#: A place in the configuration: keys and list positions from the root.
Where = tuple[str | int, ...]

#: The type that pydantic reports for whatever ``refuse`` made.
REFUSED: Final = "refused"

_PLAIN_KEY: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """One thing to correct.

    ``path`` is the setting (``destinations[1].url``; empty for the file as a whole), ``line`` counts
    from 1 and is ``None`` where there is none, ``variable`` names the environment variable that the
    value came from, if it did not come from the file.
    """

    path: str
    line: int | None
    message: str
    hint: str = ""
    variable: str = ""


class ConfigError(MisconfiguredError):
    """The configuration cannot be used. Carries every mistake, in the order of their lines."""

    def __init__(self, file: str, mistakes: Iterable[Mistake]) -> None:
        self.file = file
        self.mistakes = in_order(mistakes)
        super().__init__(file, self.mistakes)

    def __str__(self) -> str:
        return "\n".join(render(mistake, self.file) for mistake in self.mistakes)


def in_order(mistakes: Iterable[Mistake]) -> tuple[Mistake, ...]:
    """Give each mistake once, in the order of their lines."""
    return tuple(sorted(set(mistakes), key=_order))


def _order(mistake: Mistake) -> tuple[bool, int, str, str]:
    """By line; what came from the environment after what stands in the file."""
    return (bool(mistake.variable), mistake.line or 0, mistake.path, mistake.message)


def render(mistake: Mistake, file: str) -> str:
    """Give the mistake as one line: ``relay.yaml:12: destinations[1].url: what is wrong``."""
    if mistake.variable:
        place = mistake.variable
    elif mistake.line is None:
        place = file
    else:
        place = f"{file}:{mistake.line}"
    parts = [place, mistake.path, mistake.message]
    text = ": ".join(part for part in parts if part)
    return f"{text} ({mistake.hint})" if mistake.hint else text


def dotted(where: Where) -> str:
    """Write a place as people do: ``sources[0].secrets[1].id``."""
    text = ""
    for step in where:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            text += f".{_key(step)}" if text else _key(step)
    return text


def _key(key: str) -> str:
    """Give a key that could break a line, or flood it, in a harmless form."""
    return key if _PLAIN_KEY.fullmatch(key) else ascii(key[:64])


def refuse(message: str, hint: str = "") -> PydanticCustomError:
    """Make the error by which a validator says no, in words meant for people.

    Neither text may quote the value: it could be a secret that stands in the wrong place.
    """
    return PydanticCustomError(REFUSED, "{message}", {"message": message, "hint": hint})
