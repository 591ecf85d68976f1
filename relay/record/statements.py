"""Statements: SQL kept as SQL, in files, found by name.

Owns reading ``sql/{store}/statements.sql`` and the numbered migrations beside it. Knows no database.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

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
    text = _folder(store).joinpath("statements.sql").read_text()
    pieces = _NAME.split(text)[1:]
    return {
        name: sql.strip() for name, sql in zip(pieces[::2], pieces[1::2], strict=True)
    }


def migrations(store: str) -> Sequence[Migration]:
    """The migrations of a store in order.

    Raises:
        ValueError: a number is missing or given twice; the package is broken.
    """
    found = []
    for path in _folder(store).joinpath("migrations").iterdir():
        named = _FILE.fullmatch(path.name)
        if named:
            found.append(Migration(int(named[1]), named[2], path.read_text()))
    found.sort(key=lambda migration: migration.number)
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
