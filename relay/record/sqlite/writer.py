"""Writer: what one group does to the file, on the writer's thread.

Owns the transaction: begin, receipts, settlements, claims, forgetting, counters, commit; one by one again when a
group fails; and telling apart what may be tried again from what ends the process. Knows nothing of
who waits for the answers.
"""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeVar

from relay.core.delivery import Queue
from relay.core.errors import (
    InternalError,
    RelayError,
    StoreFailedError,
    StoreFullError,
    UnstorableError,
)
from relay.core.holding import Condition
from relay.core.ports import Checkpoints, Room
from relay.core.retention import Keeping
from relay.core.route import Router
from relay.core.steady import Ahead
from relay.record.accounts import Accounts
from relay.record.jobs import (
    Claim,
    Forget,
    Inquire,
    Job,
    Resend,
    Telling,
    Told,
    cursors_of,
    entries_of,
    is_intake,
)
from relay.record.sqlite.backlog import fall_behind, fill
from relay.record.sqlite.bringing import bring
from relay.record.sqlite.connection import BUSY_MS, log_size
from relay.record.sqlite.faults import translated
from relay.record.sqlite.forgetting import PAGES, forget
from relay.record.sqlite.holding import read_conditions, write_entry
from relay.record.sqlite.inquiring import inquire
from relay.record.sqlite.numbers import SqliteNumbers
from relay.record.sqlite.outgoing import claim, look_ahead, next_due
from relay.record.sqlite.resending import read_running, resend

__all__ = ["Writer"]

R = TypeVar("R")

#: Rows changed since the last checkpoint that make the next one due (some 16 MiB of log).
CHECKPOINT_ROWS: Final = 8_000
#: A log beyond this size is cut as soon as no reader is in the way; it counts towards the store's size.
WAL_BYTES_MAX: Final = 512 * 1024 * 1024


class Writer:
    """The one connection that writes. Every method runs on the writer's thread."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        sql: Mapping[str, str],
        *,
        path: Path,
        incarnation: int,
        checkpoints: Checkpoints,
        is_full: Callable[[], str | None],
        keeping: Keeping,
    ) -> None:
        self._db = connection
        self._sql = sql
        self._path = path
        self._incarnation = incarnation
        self._checkpoints = checkpoints
        self._is_full = is_full
        self._numbers = SqliteNumbers(connection)
        self._leases = incarnation << 32
        self._keeping = keeping
        self._checkpointed_at = 0
        #: Empty pages to be given back after this commit, and those that were since the last checkpoint.
        self._spare = 0
        self._given_back = 0

    def commit(
        self, jobs: Sequence[Job], room: Room, now: int
    ) -> Sequence[object | RelayError]:
        """Do a group's jobs in one transaction; one answer each.

        Raises:
            StoreFailedError: the file can no longer be trusted.
        """
        # Spent as leases are given, also by what is tried again alone.
        left = dict(room)
        full = self._is_full()
        if full is not None:
            return self._while_full(jobs, left, now, full)
        return self._attempt(jobs, left, now)

    @property
    def wants_checkpoint(self) -> bool:
        """Whether enough has gathered in the log."""
        changed = self._db.total_changes - self._checkpointed_at
        return changed + self._given_back >= CHECKPOINT_ROWS

    @property
    def wants_vacuum(self) -> bool:
        """Whether a step of retention has found the file too empty."""
        return self._spare > 0

    def vacuum(self) -> None:
        """Give some empty pages back. Never inside a commit.

        Raises:
            StoreFailedError: the file can no longer be trusted.
        """
        pages, self._spare = self._spare, 0
        try:
            # Each step of the statement gives back one page, and only a script is stepped to its end.
            self._db.executescript(f"PRAGMA incremental_vacuum({pages})")
        except sqlite3.Error as error:
            failure = translated(error)
            if isinstance(failure, StoreFailedError):
                raise failure from error
            return
        self._given_back += pages
        if pages < PAGES:
            # The last of them: the file is as long as it was until the log has been moved into it.
            self.checkpoint()

    def checkpoint(self) -> None:
        """Move the log into the file. Never inside a commit.

        Raises:
            StoreFailedError: the file can no longer be trusted.
        """
        self._checkpointed_at = self._db.total_changes
        self._given_back = 0
        large = log_size(self._path) > WAL_BYTES_MAX
        try:
            if large:
                # A reader in the way is not waited for: callbacks wait for this thread.
                self._db.execute("PRAGMA busy_timeout = 0")
            self._db.execute(
                f"PRAGMA wal_checkpoint({'TRUNCATE' if large else 'PASSIVE'})"
            ).fetchone()
            if large:
                self._db.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
        except sqlite3.Error as error:
            failure = translated(error)
            if isinstance(failure, StoreFailedError):
                raise failure from error
            # No room in the file, or a reader in the way: the log keeps it until the next time.

    def look_ahead(
        self, destination: str, after: Ahead | None, *, now: int, limit: int
    ) -> Sequence[Ahead]:
        """Some of what is not due yet, and that nobody has claimed."""
        number = self._numbers.destinations.get(destination)
        if number is None:
            return []
        try:
            return look_ahead(self._db, self._sql, number, after, now=now, limit=limit)
        except sqlite3.Error as error:
            raise translated(error) from error

    def next_due(self, destination: str, queue: Queue | None) -> int | None:
        """When the earliest unclaimed delivery of a destination is due."""
        number = self._numbers.destinations.get(destination)
        if number is None:
            return None
        try:
            return next_due(self._db, self._sql, number, queue)
        except sqlite3.Error as error:
            raise translated(error) from error

    def next_inquiry(self, source: str) -> int | None:
        """When the earliest unclaimed inquiry of a source is due."""
        return self._due("next_inquiry", self._numbers.sources.get(source))

    def swept(self, source: str) -> int | None:
        """How far a source has been swept."""
        return self._due("read_sweep", self._numbers.sources.get(source))

    def next_resend(self, router: Router, backlog: int) -> tuple[int | None, bool]:
        """When a step of an order to send again is due, and whether there is any order under way."""
        try:
            return read_running(self._db, self._sql, router, backlog)
        except sqlite3.Error as error:
            raise translated(error) from error

    def fall_behind(self, destination: str, telling: Telling, now: int) -> Told:
        """Make no deliveries for a destination from the next event on."""
        return self._apart(
            lambda: fall_behind(
                self._db,
                self._sql,
                self._numbers,
                destination,
                telling=telling,
                now=now,
                write=self._write_counters,
            )
        )

    def fill(self, destination: str, limit: int, now: int) -> bool:
        """Make some of the deliveries that a destination is behind with."""
        full = self._is_full()
        return self._apart(
            lambda: fill(
                self._db,
                self._sql,
                self._numbers,
                destination,
                limit=limit,
                now=now,
                full=full,
                write=self._write_counters,
            )
        )

    def _apart(self, work: Callable[[], R]) -> R:
        """Do something between two groups, in a transaction of its own."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            done = work()
            self._checkpoints.reach("before-commit")
            self._db.execute("COMMIT")
        except Exception as error:
            self._roll_back()
            raise translated(error) from error
        self._checkpoints.reach("after-commit")
        return done

    def conditions(self) -> Sequence[Condition]:
        """How every destination stands."""
        try:
            return read_conditions(self._db, self._sql)
        except sqlite3.Error as error:
            raise translated(error) from error

    def _due(self, statement: str, number: int | None) -> int | None:
        if number is None:
            return None
        try:
            [due] = self._db.execute(self._sql[statement], (number,)).fetchone()
        except sqlite3.Error as error:
            raise translated(error) from error
        return None if due is None else int(due)

    def _attempt(
        self, jobs: Sequence[Job], room: dict[str, int], now: int
    ) -> Sequence[object | RelayError]:
        """Try a group; where it fails, find out who has to pay for it."""
        try:
            answers = self._transact(jobs, room, now)
        except Exception as error:
            self._roll_back()
            failure = translated(error)
            if isinstance(failure, StoreFailedError):
                raise failure from error
            failure.__cause__ = error
            return self._after(failure, jobs, room, now)
        # What is raised from here on must not undo, or do again, what is on disk.
        self._checkpoints.reach("after-commit")
        return answers

    def _after(
        self, failure: RelayError, jobs: Sequence[Job], room: dict[str, int], now: int
    ) -> Sequence[object | RelayError]:
        """A group was undone: nothing of it is on disk."""
        if isinstance(failure, StoreFullError) and any(map(is_intake, jobs)):
            return self._while_full(jobs, room, now, str(failure))
        if isinstance(failure, UnstorableError | InternalError) and len(jobs) > 1:
            return [self._attempt([job], room, now)[0] for job in jobs]
        return [failure] * len(jobs)

    def _while_full(
        self, jobs: Sequence[Job], room: dict[str, int], now: int, reason: str
    ) -> Sequence[object | RelayError]:
        """Take nothing in, but let what is stored go on its way."""
        kept = [job for job in jobs if not is_intake(job)]
        answers = iter(self._attempt(kept, room, now) if kept else [])
        return [
            StoreFullError(reason) if is_intake(job) else next(answers) for job in jobs
        ]

    def _transact(
        self, jobs: Sequence[Job], room: dict[str, int], now: int
    ) -> Sequence[object]:
        self._db.execute("BEGIN IMMEDIATE")
        accounts = Accounts()
        left = dict(room)
        self._leases += 1
        answers = bring(
            self._db,
            self._sql,
            self._numbers,
            jobs,
            accounts=accounts,
            room=left,
            lease=self._leases,
            keeping=self._keeping,
            now=now,
        )
        self._note(jobs)
        # Claims come last: they must not see a run before its earlier deliveries are written.
        for index, job in enumerate(jobs):
            if isinstance(job, Claim):
                answers[index] = self._claim(job)
            elif isinstance(job, Inquire):
                answers[index] = self._inquire(job)
            elif isinstance(job, Resend):
                answers[index] = self._resend(job, accounts, now)
        spare = 0
        # What goes now is needed by nothing that the group has written.
        for index, job in enumerate(jobs):
            if isinstance(job, Forget):
                progress = answers[index] = forget(self._db, self._sql, job.step)
                spare = progress.after[1] if progress.after else 0
        self._write_counters(accounts)
        self._checkpoints.reach("before-commit")
        self._db.execute("COMMIT")
        room.update(left)
        self._spare = spare
        return answers

    def _note(self, jobs: Sequence[Job]) -> None:
        """Write what was ordered, and how far sources have been swept, with what came of it."""
        for entry in entries_of(jobs):
            write_entry(self._db, self._sql, entry)
        for source, cursor in cursors_of(jobs):
            values = (self._numbers.source(source), cursor)
            self._db.execute(self._sql["put_sweep"], values)

    def _write_counters(self, accounts: Accounts) -> None:
        for name, rows in (
            ("add_source_counts", accounts.source_rows(self._incarnation)),
            ("add_destination_counts", accounts.destination_rows(self._incarnation)),
        ):
            for row in rows:
                self._db.execute(self._sql[name], row)

    def _claim(self, job: Claim) -> object:
        self._leases += 1
        return claim(
            self._db,
            self._sql,
            self._numbers,
            destination=job.destination,
            wish=job.wish,
            lease=self._leases,
        )

    def _resend(self, job: Resend, accounts: Accounts, now: int) -> object:
        return resend(
            self._db,
            self._sql,
            self._numbers,
            job,
            accounts=accounts,
            now=now,
        )

    def _inquire(self, job: Inquire) -> object:
        self._leases += 1
        return inquire(self._db, self._sql, self._numbers, job, lease=self._leases)

    def _roll_back(self) -> None:
        try:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            self._numbers.reload()
        except sqlite3.Error as error:
            raise StoreFailedError("the store could not roll back") from error
