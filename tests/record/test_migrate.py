"""Migrations and statements: the SQL files are whole, and all of them is used."""

import re
import sqlite3
from pathlib import Path

import pytest

import relay.record
from relay.core.errors import MisconfiguredError
from relay.record import statements as files
from relay.record.sqlite.connection import APPLICATION_ID, connect, migrate
from relay.record.statements import migrations, statements

RECORD = Path(relay.record.__file__).parent
STORES = sorted(folder.name for folder in (RECORD / "sql").iterdir())
Schema = list[tuple[str, str, str]]


@pytest.mark.parametrize("store", STORES)
def test_migrations_are_numbered_without_gaps(store: str) -> None:
    """And everything in the folder is one."""
    found = migrations(store)
    assert [step.number for step in found] == list(range(1, len(found) + 1))
    assert len(found) == len(list((RECORD / "sql" / store / "migrations").iterdir()))


@pytest.mark.parametrize(
    "names",
    [
        ["0001_initial.sql", "0003_later.sql"],
        ["0001_initial.sql", "0002_one.sql", "0002_two.sql"],
        ["0002_initial.sql"],
        ["0000_initial.sql"],
    ],
)
def test_a_broken_folder_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: list[str]
) -> None:
    """Gaps, twins and a wrong beginning are no migrations at all."""
    _folder(tmp_path, monkeypatch, *names)
    with pytest.raises(ValueError, match="numbered"):
        migrations("sqlite")


def test_a_migrated_schema_equals_a_fresh_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Step by step, each in a program of its own, or all at once."""
    steps = migrations("sqlite")
    fresh = _schema(tmp_path / "fresh.db")
    slow = tmp_path / "slow.db"
    migrated: Schema = []
    for count in range(1, len(steps) + 1):
        monkeypatch.setattr(
            "relay.record.sqlite.connection.migrations",
            lambda _store, count=count: steps[:count],
        )
        migrated = _schema(slow)
    assert migrated == fresh


def test_migrating_twice_changes_nothing(tmp_path: Path) -> None:
    """A store that is up to date is not written to."""
    path = tmp_path / "relay.db"
    before = _schema(path)
    connection = connect(path)
    changes = connection.total_changes
    [(version,)] = connection.execute("PRAGMA schema_version").fetchall()
    assert migrate(connection) == len(migrations("sqlite"))
    assert connection.execute("PRAGMA schema_version").fetchall() == [(version,)]
    assert connection.total_changes == changes
    connection.close()
    assert _schema(path) == before


def test_a_step_that_fails_leaves_nothing_of_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Schema and number are those of the step before; the mended step can be taken."""
    folder = _folder(tmp_path, monkeypatch, "0001_initial.sql")
    second = folder / "0002_second.sql"
    second.write_text("CREATE TABLE two (a);\nCREATE TABLE one (a);\n")
    connection = connect(tmp_path / "relay.db")
    with pytest.raises(sqlite3.Error):
        migrate(connection)
    connection.close()
    connection = connect(tmp_path / "relay.db")
    assert connection.execute("PRAGMA user_version").fetchall() == [(1,)]
    assert connection.execute("SELECT name FROM sqlite_schema").fetchall() == [("one",)]
    second.write_text("CREATE TABLE two (a);\n")
    # As the mended program is another process.
    files._migrations_in.cache_clear()
    assert migrate(connection) == 2
    connection.close()


def test_a_newer_schema_is_left_alone(tmp_path: Path) -> None:
    connection = connect(tmp_path / "relay.db")
    migrate(connection)
    connection.execute("PRAGMA user_version = 99")
    with pytest.raises(MisconfiguredError, match="newer program"):
        migrate(connection)
    assert connection.execute("PRAGMA user_version").fetchall() == [(99,)]
    connection.close()


def test_the_file_says_whose_it_is(tmp_path: Path) -> None:
    """From the first migration on, in the header that other programs read."""
    _schema(tmp_path / "relay.db")
    header = (tmp_path / "relay.db").read_bytes()[:100]
    assert header[68:72] == APPLICATION_ID.to_bytes(4, "big") == b"Rflw"


def test_tables_are_strict(tmp_path: Path) -> None:
    """A text never ends up where a number belongs."""
    loose = [
        name
        for kind, name, sql in _schema(tmp_path / "relay.db")
        if kind == "table" and not re.search(r"\) STRICT(, WITHOUT ROWID)?$", sql)
    ]
    assert loose == []


@pytest.mark.parametrize("store", STORES)
def test_every_statement_is_used_and_every_used_one_exists(store: str) -> None:
    folders = RECORD / store, RECORD
    texts = [path.read_text() for folder in folders for path in folder.glob("*.py")]
    asked = {name for text in texts for name in re.findall(r'sql\[\s*"(\w+)"', text)}
    # Statements that are run table by table stand in a list of names.
    quoted = {name for text in texts for name in re.findall(r'"(\w+)"', text)}
    named = set(statements(store))
    assert asked <= named
    assert named <= quoted


#: What several writers need of each other, and one alone does not; and what is only where days are tables.
_SHARED = {
    "carry_over",
    "carry_over_leaving",
    "count_leaving",
    "find_needed",
    "find_needed_leaving",
    "hold_behind",
    "hold_runs",
    "list_days",
    "lock_for_counting",
    "look_at_leaving",
    "take_turn",
    "beat",
    "free_inquiries",
    "free_leases",
    "hold_incarnation",
    "hold_dead",
    "is_unheld",
    "hold_winners",
    "lock_runs",
    "lock_digests",
    "notify",
    "read_horizon",
    "take_numbers",
}


#: Attempts go by the day where days are tables.
_ROW_BY_ROW = {"look_at_attempts", "forget_attempts"}


def test_every_store_has_the_same_statements() -> None:
    sqlite = set(statements("sqlite"))
    assert set(statements("postgres")) == sqlite - _ROW_BY_ROW | _SHARED


@pytest.mark.parametrize("store", STORES)
def test_no_statement_stands_twice(store: str) -> None:
    text = (RECORD / "sql" / store / "statements.sql").read_text()
    names = re.findall(r"^-- name: (\w+)$", text, re.MULTILINE)
    assert sorted(set(names)) == sorted(names)


def test_every_statement_can_be_prepared(tmp_path: Path) -> None:
    """Against the schema of this program, without running it."""
    _schema(tmp_path / "relay.db")
    connection = connect(tmp_path / "relay.db")
    for sql in statements("sqlite").values():
        values: object = [None] * sql.count("?")
        if ":" in sql:
            values = dict.fromkeys(re.findall(r":(\w+)", sql))
        connection.execute(f"EXPLAIN {sql}", values)  # type: ignore[arg-type]  # either form
    connection.close()


def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *names: str) -> Path:
    folder = tmp_path / "migrations"
    folder.mkdir()
    for name in names:
        (folder / name).write_text("CREATE TABLE one (a);\n")
    monkeypatch.setattr(files, "_folder", lambda _store: tmp_path)
    return folder


def _schema(path: Path) -> Schema:
    """Everything that a store at ``path`` is made of, after this program has migrated it."""
    connection = connect(path)
    migrate(connection)
    found = connection.execute(
        "SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name"
    ).fetchall()
    connection.close()
    return found
