"""Statements: SQL kept as SQL, in files, found by name.

Owns reading ``sql/{store}/statements.sql`` and the numbered migrations beside it. Knows no database.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from types import MappingProxyType

from relay.core.errors import MisconfiguredError

__all__ = ["Migration", "check_current", "migrations", "statements"]

_NAME = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)
_FILE = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered step of the schema."""

    number: int
    name: str
    sql: str


def statements(store: str) -> Mapping[str, str]:
    """The statements of a store (``sqlite``) by name."""
    return _statements_in(_folder(store))  # type: ignore[arg-type] # a path


def migrations(store: str) -> Sequence[Migration]:
    """The migrations of a store in order.

    Raises:
        ValueError: a number is missing or given twice; the package is broken.
    """
    found = _migrations_in(_folder(store))  # type: ignore[arg-type] # a path
    numbers = [migration.number for migration in found]
    if numbers != list(range(1, len(found) + 1)):
        raise ValueError(f"migrations of {store} are numbered {numbers}")
    return found


def check_current(schema: int, store: str) -> None:
    """See whether who only reads can read a store of this schema: nobody but a relay changes it.

    Raises:
        MisconfiguredError: it is older than this program.
    """
    newest = len(migrations(store))
    if schema < newest:
        raise MisconfiguredError(
            f"the store has schema {schema}, this program reads {newest}: "
            "start the relay once, which brings it up to date"
        )


def _folder(store: str) -> Traversable:
    return files("relay.record").joinpath("sql", store)


# A package's files do not change while it runs.
@cache
def _statements_in(folder: Traversable) -> Mapping[str, str]:
    pieces = _NAME.split(folder.joinpath("statements.sql").read_text())[1:]
    return MappingProxyType(
        {name: sql.strip() for name, sql in zip(pieces[::2], pieces[1::2], strict=True)}
    )


@cache
def _migrations_in(folder: Traversable) -> Sequence[Migration]:
    named = (
        (_FILE.fullmatch(path.name), path)
        for path in folder.joinpath("migrations").iterdir()
    )
    found = [
        Migration(int(match[1]), match[2], path.read_text())
        for match, path in named
        if match
    ]
    return tuple(sorted(found, key=lambda migration: migration.number))
