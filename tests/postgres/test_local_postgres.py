"""The local PostgreSQL: it keeps what it said it kept, and leaves nothing behind."""

import asyncio
import os
import signal
import socket
from contextlib import suppress
from pathlib import Path

import asyncpg
import pytest

from relay.record.postgres.connection import OLDEST
from tests import processes
from tests.daemon import DaemonUnavailableError
from tests.places import HOST
from tests.postgres import binaries, releases
from tests.postgres.fixtures import Database, programs
from tests.postgres.local_postgres import LocalPostgres
from tests.postgres.pgbouncer import PgBouncer

pytestmark = pytest.mark.postgres

BACKEND = "SELECT pg_backend_pid()"
LIMIT_S = 10.0


def running(directory: Path) -> list[int]:
    """Processes that work in a directory or below it."""
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdigit() and directory in [
                cwd := (entry / "cwd").readlink(),
                *cwd.parents,
            ]:
                found.append(int(entry.name))
    return found


def left(pids: list[int]) -> list[int]:
    """Those who are still there, be it as zombies."""
    return [pid for pid in pids if processes._stat(pid)]


def segments() -> list[str]:
    """The numbers of this machine's segments of shared memory."""
    lines = Path("/proc/sysvipc/shm").read_text().splitlines()
    return [line.split()[1] for line in lines]


class TestDatabase:
    async def test_a_fresh_one_is_empty(self, database: Database) -> None:
        connection = await asyncpg.connect(database.url)
        tables = await connection.fetch(
            "SELECT * FROM pg_tables WHERE schemaname = 'public'"
        )
        await connection.close()
        assert tables == []

    async def test_it_belongs_to_one_who_is_no_superuser(
        self, database: Database
    ) -> None:
        connection = await asyncpg.connect(database.url)
        await connection.execute("CREATE TABLE run (id int PRIMARY KEY)")
        superuser = await connection.fetchval("SHOW is_superuser")
        await connection.close()
        assert superuser == "off"

    async def test_a_copy_has_the_rows_of_its_template(
        self, database: Database
    ) -> None:
        connection = await asyncpg.connect(database.url)
        await connection.execute("CREATE TABLE run AS SELECT 7 AS id")
        await connection.close()
        await database.server.create_database("copied", template=database.name)
        connection = await asyncpg.connect(database.server.url("copied"))
        found = await connection.fetchval("SELECT id FROM run")
        await database.server.drop_database("copied")
        connection.terminate()
        assert found == 7

    async def test_a_wrong_password_is_refused(self, database: Database) -> None:
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(database.url, password="wrong")

    async def test_a_name_that_needs_quoting_is_refused(
        self, postgres: LocalPostgres
    ) -> None:
        with pytest.raises(ValueError, match="plain name"):
            await postgres.create_database('a"; DROP DATABASE b')

    async def test_one_that_is_there_is_not_made_twice(
        self, database: Database
    ) -> None:
        with pytest.raises(DaemonUnavailableError, match="already exists"):
            await database.server.create_database(database.name)


class TestServer:
    async def test_a_committed_row_survives_a_kill(self, database: Database) -> None:
        connection = await asyncpg.connect(database.url)
        await connection.execute("CREATE TABLE run (id int)")
        await connection.execute("INSERT INTO run VALUES (1)")
        await connection.execute("BEGIN; INSERT INTO run VALUES (2)")
        await asyncio.to_thread(database.server.kill)
        with pytest.raises((OSError, asyncpg.PostgresError, asyncpg.InterfaceError)):
            await connection.fetchval("SELECT 1")
        connection.terminate()
        await asyncio.to_thread(database.server.start)
        connection = await asyncpg.connect(database.url)
        rows = await connection.fetch("SELECT id FROM run")
        await connection.close()
        assert [row["id"] for row in rows] == [1]

    async def test_it_does_not_answer_while_it_is_paused(
        self, database: Database
    ) -> None:
        connection = await asyncpg.connect(database.url)
        backend = await connection.fetchval(BACKEND)
        await asyncio.to_thread(database.server.pause)
        still = [processes._state(pid) for pid in (database.server.pid, backend)]
        async with asyncio.timeout(LIMIT_S), asyncio.TaskGroup() as tasks:
            answer = tasks.create_task(connection.fetchval("SELECT 1"))
            await asyncio.to_thread(database.server.resume)
        await connection.close()
        assert still == ["T", "T"]
        assert answer.result() == 1

    async def test_it_is_safe_unless_told_otherwise(self, database: Database) -> None:
        connection = await asyncpg.connect(database.url)
        names = ("fsync", "synchronous_commit", "full_page_writes")
        found = [await connection.fetchval(f"SHOW {name}") for name in names]
        await connection.close()
        assert found == ["on", "on", "on"]

    async def test_settings_can_be_passed(self) -> None:
        server = LocalPostgres(settings={"fsync": "off", "max_connections": "7"})
        await asyncio.to_thread(server.start)
        connection = await asyncpg.connect(server.url("postgres"))
        found = [
            await connection.fetchval(f"SHOW {it}")
            for it in ("fsync", "max_connections")
        ]
        await connection.close()
        await asyncio.to_thread(server.close)
        assert found == ["off", "7"]

    async def test_it_is_the_release_that_was_asked_for(
        self, database: Database, pytestconfig: pytest.Config
    ) -> None:
        connection = await asyncpg.connect(database.url)
        found = connection.get_server_version().major
        await connection.close()
        assert found == pytestconfig.getoption("--postgres")

    @pytest.mark.parametrize("ending", ["stop", "kill"])
    def test_nothing_is_left_running(self, ending: str) -> None:
        server = LocalPostgres()
        server.start()
        found = running(server._directory)
        getattr(server, ending)()
        assert len(found) > 1
        assert left(found) == []
        server.close()
        assert not server._directory.exists()

    def test_a_killed_one_leaves_no_shared_memory(self) -> None:
        server = LocalPostgres()
        server.start()
        lock = (server._data / "postmaster.pid").read_text().split("\n")
        segment = lock[6].split()[1]
        assert segment in segments()
        server.kill()
        server.close()
        assert segment not in segments()

    def test_one_that_is_paused_can_be_stopped(self) -> None:
        with LocalPostgres() as server:
            server.pause()
            server.stop()
            assert "database system is shut down" in server.log.read_text()

    def test_one_that_ended_by_itself_is_started_again(self) -> None:
        with LocalPostgres() as server:
            before = server.pid
            os.kill(before, signal.SIGTERM)
            os.waitid(os.P_PID, before, os.WEXITED | os.WNOWAIT)
            server.start()
            assert server.pid != before

    def test_why_it_does_not_start_is_said(self) -> None:
        server = LocalPostgres(settings={"no_such_setting": "1"})
        with pytest.raises(DaemonUnavailableError, match="no_such_setting"):
            server.start()
        with pytest.raises(DaemonUnavailableError, match="not running"):
            _ = server.pid
        server.close()

    def test_a_door_that_is_taken_is_said_so(self) -> None:
        server = LocalPostgres()
        with socket.socket() as taken:
            taken.bind((HOST, server.port))
            with pytest.raises(DaemonUnavailableError, match="could not bind"):
                server.start()
        server.close()

    def test_a_start_has_a_limit(self) -> None:
        server = LocalPostgres(start_limit_s=0.001)
        with pytest.raises(DaemonUnavailableError, match="too long"):
            server.start()
        server.close()

    def test_its_programs_run_elsewhere_too(self) -> None:
        """They are copied when the account that runs them may not enter their folder."""
        programs = binaries._copy(binaries.embedded().parents[2])
        with LocalPostgres(programs=programs) as server:
            assert Path(f"/proc/{server.pid}/exe").readlink().is_relative_to(programs)


class TestReleases:
    def test_every_one_between_the_oldest_and_the_newest_is_there(self) -> None:
        oldest, newest = OLDEST // 10_000, binaries.NEWEST
        assert [*releases.MAJORS, newest] == [*range(oldest, newest + 1)]

    def test_one_with_other_bytes_is_refused(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        _, listed = releases._listed()[releases.MAJORS[0]]
        archive = tmp_path / "runflow-relay" / "postgres" / listed.name
        archive.parent.mkdir(parents=True)
        archive.write_bytes(b"something else")
        with pytest.raises(DaemonUnavailableError, match="not the archive"):
            releases.programs.__wrapped__(releases.MAJORS[0])

    def test_one_that_is_not_listed_is_said_so(self) -> None:
        with pytest.raises(DaemonUnavailableError, match="no PostgreSQL 9"):
            programs(9)


class TestPgBouncer:
    async def test_in_transaction_mode_it_gives_another_backend(
        self, database: Database, pgbouncer: PgBouncer
    ) -> None:
        url = pgbouncer.url(database.name)
        first = await asyncpg.connect(url, statement_cache_size=0)
        second = await asyncpg.connect(url, statement_cache_size=0)
        async with first.transaction():
            before = await first.fetchval(BACKEND)
        async with second.transaction():
            taken = await second.fetchval(BACKEND)
            async with first.transaction():
                after = await first.fetchval(BACKEND)
        await first.close()
        await second.close()
        assert taken == before
        assert after != before

    async def test_it_finds_a_server_that_came_back(
        self, database: Database, pgbouncer: PgBouncer
    ) -> None:
        await asyncio.to_thread(database.server.kill)
        await asyncio.to_thread(database.server.start)
        async with asyncio.timeout(LIMIT_S):
            connection = await asyncpg.connect(
                pgbouncer.url(database.name), statement_cache_size=0
            )
            assert await connection.fetchval("SELECT 1") == 1
            await connection.close()

    def test_nothing_is_left_running_after_stop(self, postgres: LocalPostgres) -> None:
        pooler = PgBouncer(server=postgres)
        pooler.start()
        found = running(pooler._directory)
        assert found == [pooler.pid]
        pooler.stop()
        assert left(found) == []
        pooler.close()

    def test_a_wrong_setting_is_said(self, postgres: LocalPostgres) -> None:
        pooler = PgBouncer(server=postgres, settings={"pool_mode": "none"})
        with pytest.raises(DaemonUnavailableError, match="pool_mode"):
            pooler.start()
        pooler.close()
