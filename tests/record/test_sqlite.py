"""The embedded store: the law, and what only a file has."""

import asyncio
import sqlite3
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from relay.core.errors import (
    MisconfiguredError,
    StoreFailedError,
)
from relay.core.ports import Recorded
from relay.core.run import Verdict
from relay.record.sqlite import writer
from relay.record.sqlite.connection import connect_read_only
from relay.record.sqlite.ledger import read_ledger_of
from tests.record.conformance import StoreLaw
from tests.record.receipts import callback
from tests.record.sqlite_harness import SqliteHarness

#: More than a page of anything: what has this in it makes the log grow.
LONG = "x" * 200_000


class TestSqlite(StoreLaw):
    """The embedded store keeps the law."""


async def test_a_record_is_answered_with_what_was_recorded(
    opened: SqliteHarness,
) -> None:
    """One answer a receipt, in order, for more of them than fit into one statement."""
    receipts = [callback(f"run_{number}") for number in range(200)]
    answers = await opened.store.record(receipts)
    found = [a.key.id for a in answers if isinstance(a, Recorded) and a.key]
    assert found == [f"run_{number}" for number in range(200)]
    parcels = [p.letter.facts.key.id for p in await opened.claim(limit=150)]
    assert parcels == found[:150]
    assert len(await opened.claim(limit=150)) == 50


# --- whose file it is -----------------------------------------------------------------------------


async def test_a_second_relay_is_refused(opened: SqliteHarness) -> None:
    """It is told why, and the first one goes on; once that has ended, another may start."""
    second = opened.make()
    with pytest.raises(MisconfiguredError, match="another relay is serving"):
        await second.open([])
    assert (await opened.one(callback())).verdict is Verdict.FIRST
    await opened.restart()
    assert (await opened.one(callback())).verdict is Verdict.DUPLICATE


def _foreign_tables(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE theirs (a)")
    connection.close()


def _foreign_header(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA application_id = 7")
    connection.close()


@pytest.mark.parametrize(
    "make",
    [
        _foreign_tables,
        _foreign_header,
        lambda path: path.write_bytes(b"no database at all " * 100),
    ],
    ids=["tables", "header", "text"],
)
async def test_a_file_of_another_program_is_refused(
    place: SqliteHarness, make: Callable[[Path], object]
) -> None:
    """Untouched; and the lock is given back with the refusal."""
    place.path.parent.mkdir()
    make(place.path)
    before = place.path.read_bytes()
    store = place.make()
    with pytest.raises(MisconfiguredError, match=r"relay\.db"):
        await store.open([])
    assert place.path.read_bytes() == before
    place.path.unlink()
    await store.open([])
    await store.close()


async def test_a_store_of_a_newer_program_is_refused(opened: SqliteHarness) -> None:
    await opened.close()
    await opened.execute("PRAGMA user_version = 99")
    with pytest.raises(MisconfiguredError, match="newer program"):
        await opened.make().open([])


@pytest.mark.parametrize("what", ["folder", "file"])
async def test_a_place_that_cannot_hold_a_store_is_refused(
    place: SqliteHarness, tmp_path: Path, what: str
) -> None:
    """A file where the folder should be, a folder where the file should be."""
    if what == "folder":
        place.path.parent.write_text("")
    else:
        place.path.mkdir(parents=True)
    with pytest.raises(MisconfiguredError, match=str(tmp_path)):
        await place.make().open([])


async def test_nobody_else_can_read_what_is_kept(opened: SqliteHarness) -> None:
    """Neither the file nor the log, the shared memory or the lock."""
    await opened.one(callback())
    files = sorted(opened.path.parent.iterdir())
    assert [file.name.removeprefix("relay.db") for file in files] == [
        "",
        "-shm",
        "-wal",
        ".lock",
    ]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


async def test_a_store_keeps_the_mode_that_it_was_given(opened: SqliteHarness) -> None:
    """A group that reads along keeps reading."""
    await opened.store.close()
    opened.path.chmod(0o640)
    await opened.restart()
    files = (opened.path, opened.log)
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o640}


async def test_a_store_that_is_not_open_fails(place: SqliteHarness) -> None:
    store = place.make()
    with pytest.raises(StoreFailedError, match="not open"):
        await store.next_due("lake")
    await store.close()


# --- how the file is written ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "pragma, value",
    [
        ("journal_mode", "wal"),
        ("synchronous", 2),
        ("wal_autocheckpoint", 0),
        ("auto_vacuum", 2),
        ("application_id", 0x52666C77),
    ],
)
async def test_the_file_is_written_as_promised(
    opened: SqliteHarness, pragma: str, value: object
) -> None:
    """FULL is 2: a commit returns when the log is synced. INCREMENTAL is 2."""
    assert opened.connection.execute(f"PRAGMA {pragma}").fetchall() == [(value,)]


async def test_a_commit_never_checkpoints(opened: SqliteHarness) -> None:
    """However long the log: the file itself is left alone while receipts are acknowledged."""
    before = opened.path.read_bytes()
    for number in range(50):
        await opened.one(callback(f"run_{number}", note=LONG))
    assert opened.path.read_bytes() == before
    assert opened.log.stat().st_size > 50 * len(LONG)


async def test_the_log_is_bounded(
    opened: SqliteHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between commits it is moved into the file and written from its start again."""
    monkeypatch.setattr(writer, "CHECKPOINT_ROWS", 20)
    for number in range(60):
        await opened.one(callback(f"run_{number}", note=LONG))
    assert opened.log.stat().st_size < 30 * len(LONG)
    assert opened.path.stat().st_size > 30 * len(LONG)


async def test_a_log_that_grew_too_large_is_cut(
    opened: SqliteHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    await opened.one(callback(note=LONG))
    monkeypatch.setattr(writer, "CHECKPOINT_ROWS", 1)
    monkeypatch.setattr(writer, "WAL_BYTES_MAX", 1)
    await opened.one(callback("run_2"))
    await opened.restart()
    assert not opened.log.exists() or opened.log.stat().st_size < len(LONG)


async def test_a_reader_in_the_way_of_a_checkpoint_harms_nobody(
    opened: SqliteHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What he looks at stays as it was; receipts are recorded; later the log is moved."""
    monkeypatch.setattr(writer, "CHECKPOINT_ROWS", 1)
    reader = await asyncio.to_thread(connect_read_only, opened.path)
    reader.execute("BEGIN")
    count = "SELECT COUNT(*) FROM receipts"
    assert reader.execute(count).fetchall() == [(0,)]
    for number in range(5):
        await opened.one(callback(f"run_{number}"))
    assert reader.execute(count).fetchall() == [(0,)]
    reader.close()
    await opened.one(callback("run_5"))
    assert opened.committed("receipts") == 6


@pytest.mark.parametrize(
    "code, fatal",
    [
        (sqlite3.SQLITE_FULL, False),
        (sqlite3.SQLITE_BUSY, False),
        (sqlite3.SQLITE_IOERR_FSYNC, True),
    ],
)
async def test_only_a_checkpoint_that_spoils_the_file_is_fatal(
    opened: SqliteHarness, monkeypatch: pytest.MonkeyPatch, code: int, *, fatal: bool
) -> None:
    """Without room for it the log keeps what it has; after a failed sync nothing counts any more."""
    monkeypatch.setattr(writer, "CHECKPOINT_ROWS", 1)
    opened.obstruct("PRAGMA wal_checkpoint", code)
    await opened.one(callback("run_1"))
    if fatal:
        with pytest.raises(StoreFailedError):
            await opened.one(callback("run_2"))
    else:
        assert (await opened.one(callback("run_2"))).verdict is Verdict.FIRST


# --- who else reads it ----------------------------------------------------------------------------


async def test_a_reader_cannot_write(opened: SqliteHarness) -> None:
    reader = await asyncio.to_thread(connect_read_only, opened.path)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader.execute("DELETE FROM incarnations")
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader.execute("PRAGMA query_only = OFF").execute("DELETE FROM incarnations")
    reader.close()


async def test_a_reader_leaves_the_log_alone(opened: SqliteHarness) -> None:
    """The last connection to close would move it, if it could write."""
    await opened.one(callback(note=LONG))
    before = opened.path.read_bytes()
    assert (await opened.ledger()).sources["acme"].receipts == 1
    assert opened.path.read_bytes() == before


async def test_the_ledger_can_be_read_of_a_closed_store(opened: SqliteHarness) -> None:
    await opened.one(callback())
    await opened.close()
    assert not opened.log.exists()
    assert (await opened.audit()).sources["acme"].receipts == 1


def test_there_is_no_ledger_where_there_is_no_store(tmp_path: Path) -> None:
    with pytest.raises(MisconfiguredError, match="no store"):
        read_ledger_of(tmp_path / "relay.db")
    (tmp_path / "relay.db").write_bytes(b"no database at all " * 100)
    with pytest.raises(MisconfiguredError, match="not a database"):
        read_ledger_of(tmp_path / "relay.db")


@pytest.mark.parametrize(
    "change,said",
    [
        ("PRAGMA user_version = 99", "start the newer program"),
        ("PRAGMA user_version = 0", "no store"),
    ],
)
async def test_a_store_of_another_schema_is_not_read(
    opened: SqliteHarness, change: str, said: str
) -> None:
    await opened.one(callback())
    await opened.close()
    await opened.execute(change)
    with pytest.raises(MisconfiguredError, match=said):
        await asyncio.to_thread(read_ledger_of, opened.path)
