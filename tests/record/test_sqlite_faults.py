"""The embedded store without room, and with a file that fails: who is told what, and what stays."""

import errno
import os
import shutil
import sqlite3
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from relay.core.delivery import Failed, Fault
from relay.core.errors import (
    StoreBusyError,
    StoreFailedError,
    StoreFullError,
    UnbuildableError,
)
from relay.core.ports import Refusal
from relay.core.run import Verdict
from relay.record.sqlite.connection import LockFile
from relay.record.sqlite.ledger import recount_of
from tests.builders import any_callback
from tests.record.receipts import callback
from tests.record.sqlite_harness import SqliteHarness

#: More than a page of anything: what has this in it needs room in the file.
LONG = "x" * 200_000
REFUSAL = Refusal(
    source="acme", channel="callback", reason="mismatch", peer="::1", count=1,
    first_seen=1, last_seen=1, size=1, digest=b"d" * 16,
)  # fmt: skip


# --- when there is no room ------------------------------------------------------------------------


async def _backlog(harness: SqliteHarness) -> None:
    """Two deliveries on their way, one claimed and one not."""
    await harness.store.record([callback("run_1"), callback("run_2")])


@pytest.mark.parametrize("limit", ["min_free_disk", "store_bytes"])
async def test_a_limit_stops_receipts_and_nothing_else(
    opened: SqliteHarness, limit: str
) -> None:
    """What is stored goes on its way: claimed, settled, and new destinations may be added."""
    await _backlog(opened)
    setattr(opened, limit, 1 << 60 if limit == "min_free_disk" else 1)
    await opened.restart()
    with pytest.raises(StoreFullError, match=f"limits.{limit}"):
        await opened.one(callback("run_3"))
    with pytest.raises(StoreFullError):
        await opened.store.refuse([REFUSAL])
    assert f"limits.{limit} is reached" == opened.full
    await opened.store.register([("audit", "file")])
    assert len(await opened.deliver_all()) == 2
    assert await opened.count("receipts") == 2
    await opened.audit()


async def test_within_one_group_a_limit_stops_receipts_only(
    opened: SqliteHarness,
) -> None:
    await _backlog(opened)
    parcels = await opened.claim("orders")
    opened.min_free_disk = 1 << 60
    opened.store_bytes = 1
    await opened.finish_running()
    await opened.abandon()
    await opened.open()
    refused, claimed, settled = await opened.together(
        opened.store.record([callback("run_3")]),
        opened.claim("lake"),
        opened.settle(*parcels),
    )
    assert isinstance(refused, StoreFullError)
    assert len(claimed) == 2
    assert settled == [False, False]


class Usage(NamedTuple):
    free: int


async def test_the_disk_is_looked_at_once_a_second(
    opened: SqliteHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No more often, and no less: room that returns is used."""
    opened.min_free_disk = 1000
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(1000))
    await opened.restart()
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(999))
    await opened.one(callback("run_1"))
    opened.clock.advance(seconds=1)
    with pytest.raises(StoreFullError):
        await opened.one(callback("run_2"))
    assert opened.metrics.gauges["runflow_relay_disk_free_bytes",] == 999
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(1000))
    # Also when the clock is set back.
    opened.clock.advance(seconds=-3600)
    await opened.one(callback("run_2"))


async def test_the_disk_is_looked_at_while_nothing_is_written(
    opened: SqliteHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever watches over destinations looks at it too: an alert does not wait for the next callback."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(4711))
    opened.clock.advance(seconds=1)
    await opened.store.conditions()
    assert opened.metrics.gauges["runflow_relay_disk_free_bytes",] == 4711


async def test_a_full_disk_stops_receipts_and_nothing_else(
    opened: SqliteHarness,
) -> None:
    """Whoever shares a group with a receipt that finds no room is not held up by it."""
    await _backlog(opened)
    parcels = await opened.claim("orders")
    opened.leave_pages(2)
    large, settled, claimed = await opened.together(
        opened.store.record([callback("run_3", note=LONG)]),
        opened.settle(*parcels),
        opened.claim("lake"),
    )
    assert isinstance(large, StoreFullError)
    assert settled == [True, True]
    assert len(claimed) == 2
    assert opened.troubles() == ["store_full"]
    opened.leave_pages(100_000)
    assert (await opened.one(callback("run_3"))).verdict is Verdict.FIRST
    assert opened.troubles() == []
    await opened.audit()


async def test_who_found_no_room_is_ready_again_without_being_asked(
    opened: SqliteHarness,
) -> None:
    """While it is not ready nobody sends it anything by which it could find out."""
    opened.leave_pages(2)
    with pytest.raises(StoreFullError):
        await opened.one(callback("run_1", note=LONG))
    opened.leave_pages(100_000)
    assert opened.troubles() == ["store_full"]
    opened.clock.advance(seconds=10)
    assert opened.troubles() == []


@pytest.mark.parametrize("limited", [False, True])
async def test_what_happened_may_find_no_room_either(
    opened: SqliteHarness, *, limited: bool
) -> None:
    """Then it is told so, nothing of its group stays behind, and it may come again."""
    await _backlog(opened)
    parcels = await opened.claim("orders")
    if limited:
        opened.leave_full()
    opened.leave_pages(2)
    talkative = Failed(reason="status_400", fault=Fault.EVENT, detail=LONG)
    answers = await opened.together(
        opened.settle(*parcels, outcome=talkative),
        opened.store.record([callback("run_3")]),
        opened.claim("lake"),
    )
    assert [type(answer) for answer in answers] == [StoreFullError] * 3
    assert not any(
        d.leased for d in await opened.deliveries() if d.destination == "lake"
    )
    opened.leave_pages(100_000)
    assert await opened.settle(*parcels, outcome=talkative) == [True, True]
    assert len(await opened.claim("lake")) == 2
    await opened.audit()


async def test_while_full_only_the_culprit_of_a_group_fails(
    opened: SqliteHarness,
) -> None:
    await _backlog(opened)
    opened.leave_full()
    odd, claimed = await opened.together(
        opened.store.register([("\ud800", "file")]), opened.claim("lake")
    )
    assert isinstance(odd, Exception)
    assert len(claimed) == 2
    assert (await opened.store.next_due("orders")) is not None
    await opened.audit()


# --- when it breaks -------------------------------------------------------------------------------


async def test_a_file_that_another_program_locks_is_busy(opened: SqliteHarness) -> None:
    """Nothing is kept of what found it so, and it works again afterwards."""
    opened.connection.execute("PRAGMA busy_timeout = 1")
    other = sqlite3.connect(opened.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreBusyError):
        await opened.one(callback())
    with pytest.raises(StoreBusyError):
        await opened.claim()
    other.execute("ROLLBACK")
    other.close()
    assert (await opened.one(callback())).verdict is Verdict.FIRST


async def test_a_file_that_was_taken_away_is_noticed(opened: SqliteHarness) -> None:
    """What is written to a file without a name would be gone with the process."""
    await opened.one(callback("run_1"))
    opened.path.rename(opened.path.with_name("elsewhere"))
    opened.clock.advance(seconds=1)
    with pytest.raises(StoreFailedError, match="gone"):
        await opened.one(callback("run_2"))
    opened.path.with_name("elsewhere").rename(opened.path)


@pytest.mark.parametrize(
    "statement", ["BEGIN", "INSERT INTO receipts", "COMMIT", "ROLLBACK"]
)
async def test_after_a_failed_write_nothing_is_acknowledged(
    opened: SqliteHarness, statement: str
) -> None:
    """Whatever it was that failed; the worker ends, so that the process does."""
    if statement == "ROLLBACK":
        opened.obstruct("INSERT INTO receipts", sqlite3.SQLITE_CONSTRAINT)
    opened.obstruct(statement, sqlite3.SQLITE_IOERR_FSYNC)
    for run in ("run_1", "run_2"):
        with pytest.raises(StoreFailedError):
            await opened.one(callback(run))
    with pytest.raises(StoreFailedError):
        await opened.claim()
    assert opened.running is not None
    with pytest.raises(StoreFailedError):
        await opened.running
    await opened.reopen()
    assert await opened.count("receipts") == 0


@pytest.mark.parametrize("body", [b"\0", any_callback(duration_ms=1)])
async def test_an_event_whose_receipt_changed_on_disk_is_not_built_and_holds_up_no_other(
    opened: SqliteHarness, body: bytes
) -> None:
    await opened.one(callback("damaged"))
    await opened.one(callback("whole"))
    await opened.close()
    await opened.execute("UPDATE receipts SET body = ? WHERE number = 1", body)
    await opened.open()
    damaged, whole = await opened.claim()
    with pytest.raises(UnbuildableError, match="damaged_receipt"):
        _ = damaged.letter.event
    assert whole.letter.event.attributes["subject"] == "whole"


async def test_a_failed_look_at_what_is_due_is_translated(
    opened: SqliteHarness,
) -> None:
    opened.obstruct("-- Of which sources", sqlite3.SQLITE_IOERR_READ)
    with pytest.raises(StoreFailedError):
        await opened.store.next_due("lake")


class _Full(sqlite3.Connection):
    """Has no room for one of the things that opening writes."""

    statement, code = "", 0

    def execute(self, sql: str, *given: Any) -> sqlite3.Cursor:
        self._look(sql)
        return super().execute(sql, *given)

    def executescript(self, sql: str) -> sqlite3.Cursor:
        self._look(sql)
        return super().executescript(sql)

    def _look(self, sql: str) -> None:
        if self.statement in sql:
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = self.code
            raise error


@pytest.mark.parametrize(
    "statement",
    ["PRAGMA application_id", "PRAGMA journal_mode", "COMMIT", "INTO meta"],
)
@pytest.mark.parametrize("code", [sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE])
async def test_a_store_without_room_to_be_opened_is_no_mistake_of_the_configuration(
    place: SqliteHarness, monkeypatch: pytest.MonkeyPatch, statement: str, code: int
) -> None:
    """Whoever starts it again may succeed, once there is room."""
    connect = partial(sqlite3.connect, factory=_Full)
    monkeypatch.setattr(_Full, "statement", statement)
    monkeypatch.setattr(_Full, "code", code)
    monkeypatch.setattr("relay.record.sqlite.connection.sqlite3.connect", connect)
    with pytest.raises(StoreFullError, match=r"no room to open the store .*relay\.db"):
        await place.open()
    monkeypatch.undo()
    await place.open()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
async def test_no_room_for_a_file_of_its_own_is_none_either(
    place: SqliteHarness, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(LockFile, "acquire", refuse)
    with pytest.raises(StoreFullError):
        await place.open()


LIMITED = """
import asyncio, resource, sys
from pathlib import Path
from relay.core.errors import StoreFailedError
from tests.builders import any_callback
from tests.record.receipts import callback
from tests.record.sqlite_harness import SqliteHarness

async def main() -> None:
    harness = SqliteHarness(Path(sys.argv[1]))
    await harness.open()
    await harness.one(callback("run_0"))
    size = harness.log.stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 600_000,) * 2)
    for number in range(1, 10):
        try:
            await harness.one(callback(f"run_{number}", note="x" * 200_000))
        except StoreFailedError:
            break
        print(number, flush=True)
    await asyncio.wait([harness.running])
    assert isinstance(harness.running.exception(), StoreFailedError)

asyncio.run(main())
"""


@pytest.mark.process
def test_a_write_that_the_system_refuses_ends_the_process(tmp_path: Path) -> None:
    """What was acknowledged before is there, what was not is not: a real error of a real file."""
    ended = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path)],
        check=True,
        capture_output=True,
        text=True,
        timeout=25,
    )
    acknowledged = len(ended.stdout.split())
    assert 0 < acknowledged < 9
    counted, recounted = recount_of(tmp_path / "0" / "relay.db")
    assert counted.sources["acme"].receipts == 1 + acknowledged
    assert recounted == counted


@pytest.mark.parametrize("suffix", ["", "-wal"])
async def test_a_store_whose_file_is_removed_acknowledges_nothing_more(
    opened: SqliteHarness, suffix: str
) -> None:
    """What is written to a file without a name is gone when the process ends."""
    await opened.one(callback("run_1"))
    opened.path.with_name(opened.path.name + suffix).unlink()
    with pytest.raises(StoreFailedError, match="gone"):
        await opened.one(callback("run_2"))
