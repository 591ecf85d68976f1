"""Connection: how the file is opened, locked and brought to the current schema.

Owns pragmas, the lock file and migrations. ``synchronous=FULL`` with WAL means that a commit returns
after the log was synced (sqlite.org/pragma.html#pragma_synchronous); that is promise P1.
"""

import errno
import fcntl
import os
import re
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final
from urllib.parse import quote

from relay.core.errors import (
    MisconfiguredError,
    RelayError,
    StoreFullError,
    StoreTakenError,
)
from relay.record.statements import check_current, migrations

__all__ = [
    "APPLICATION_ID",
    "BUSY_MS",
    "LockFile",
    "connect",
    "connect_read_only",
    "inodes",
    "is_without_room",
    "log_size",
    "migrate",
    "not_opened",
    "read_schema",
    "reading",
    "schema_of",
]

#: ``Rflw`` in the file's header, so that `file` and we can tell whose database this is.
APPLICATION_ID: Final = 0x52666C77
SQLITE_OLDEST: Final = (3, 37)
#: No room in the file's folder for a page, or for the memory that its readers share.
_NO_ROOM: Final = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE)
#: How long a statement waits for another process that holds the file, in milliseconds.
BUSY_MS: Final = 1000


class LockFile:
    """An exclusive lock beside the database, held for as long as the process serves it."""

    def __init__(self, database: Path) -> None:
        self._path = database.with_name(database.name + ".lock")
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock.

        Raises:
            StoreTakenError: another process holds it.
        """
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            raise StoreTakenError(
                f"another relay is serving this store (it holds {self._path.absolute()}); "
                "stop it, or give this one its own data_dir"
            ) from error
        self._descriptor = descriptor

    def release(self) -> None:
        """Give it back. Idempotent."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def connect(path: Path, *, synchronous: str = "FULL") -> sqlite3.Connection:
    """Open the one writing connection.

    ``synchronous`` exists for the test that shows what would be lost with less than FULL.

    Raises:
        MisconfiguredError: the file is not a store of ours, or the library is too old.
        StoreFullError: the disk has no room for what opening writes.
        OSError: there is no file, and none can be made.
    """
    if sqlite3.sqlite_version_info < SQLITE_OLDEST:
        raise MisconfiguredError(
            f"SQLite {sqlite3.sqlite_version} is too old: 3.37 or newer is needed"
        )
    _create(path)
    with _opened(str(path), path) as connection:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        # Checkpoints happen between commits, never inside an acknowledging one.
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        # What a row refers to may have been forgotten; some builds of the library would enforce it.
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute("PRAGMA cache_size = -32768")
        connection.execute("PRAGMA temp_store = MEMORY")
        return connection


def connect_read_only(path: Path) -> sqlite3.Connection:
    """Open a reading connection; it can neither write nor checkpoint.

    Raises:
        MisconfiguredError: there is no such store, or it has the schema of another program.
    """
    if not path.exists():
        raise _missing(path)
    with _opened(_read_only(path), path) as connection:
        connection.execute("PRAGMA query_only = ON")
        schema = schema_of(connection)
        if not schema:
            raise _missing(path)
        check_current(schema, "sqlite")
        return connection


def read_schema(path: Path) -> int:
    """The number of the schema of the store in a file; 0 where there is none yet.

    Raises:
        MisconfiguredError: it cannot be read, or was written by a newer program.
    """
    if not path.exists():
        return 0
    with (
        _opened(_read_only(path), path) as connection,
        closing(connection),
    ):
        return schema_of(connection)


def _read_only(path: Path) -> str:
    # Two slashes at the beginning would make the first folder a host.
    name = quote(re.sub("^/+", "/", str(path)))
    return f"file:{name}?mode=ro"


def _missing(path: Path) -> MisconfiguredError:
    return MisconfiguredError(
        f"there is no store at {path.absolute()} yet: `relay serve` makes it"
    )


def _create(path: Path) -> None:
    """Make the file, where there is none, for our eyes only: it holds what callbacks said.

    SQLite gives the log and the shared memory beside it the mode of the file itself
    (``findCreateFileMode`` in its ``os_unix.c``). A file that is there keeps the mode it was given.
    """
    with suppress(FileExistsError):
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        os.close(os.open(path, flags, 0o600))


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """One snapshot of the store in a file.

    Raises:
        MisconfiguredError: there is no store there, or it cannot be read.
    """
    connection = connect_read_only(path)
    try:
        connection.execute("BEGIN")
        yield connection
    except sqlite3.Error as error:
        raise MisconfiguredError(f"cannot read the store {path}: {error}") from error
    finally:
        connection.close()


@contextmanager
def _opened(address: str, path: Path) -> Iterator[sqlite3.Connection]:
    """A connection to a store of ours; closed again where anything is wrong with it."""
    connection = None
    try:
        connection = sqlite3.connect(
            address,
            uri=address.startswith("file:"),
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
            timeout=BUSY_MS / 1000,
        )
        _check_owner(connection, path)
        yield connection
    except BaseException as error:
        if connection is not None:
            connection.close()
        if is_without_room(error):
            raise StoreFullError(
                f"no room to open the store {path.absolute()}: the disk is full"
            ) from error
        if isinstance(error, sqlite3.Error):
            raise MisconfiguredError(
                f"cannot open the store {path.absolute()}: {error}"
            ) from error
        raise


def is_without_room(error: BaseException) -> bool:
    """Whether it went wrong for a full disk, or a used up quota: nothing to be configured otherwise."""
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    return getattr(error, "sqlite_errorcode", None) in _NO_ROOM


def not_opened(path: Path, error: OSError | sqlite3.Error) -> RelayError:
    """What to tell of a store that could not be opened, locked or brought up to date."""
    if is_without_room(error):
        return StoreFullError(
            f"no room to open the store {path.absolute()}: the disk is full"
        )
    why = (isinstance(error, OSError) and error.strerror) or error
    return MisconfiguredError(f"cannot open the store {path.absolute()}: {why}")


def inodes(path: Path) -> tuple[int | None, int | None]:
    """Which files bear the names of the store and its log now; None where none does."""
    # Before every commit: paths that are strings cost a third.
    name = os.fspath(path)
    return _inode(name), _inode(f"{name}-wal")


def _inode(name: str) -> int | None:
    try:
        return os.stat(name).st_ino  # noqa: PTH116 - see above
    except FileNotFoundError:
        return None


def log_size(path: Path) -> int:
    """Bytes in the write-ahead log of the store in ``path``."""
    try:
        return os.stat(f"{os.fspath(path)}-wal").st_size  # noqa: PTH116 - after every commit
    except FileNotFoundError:
        return 0


def _check_owner(connection: sqlite3.Connection, path: Path) -> None:
    [found] = connection.execute("PRAGMA application_id").fetchone()
    [tables] = connection.execute("SELECT COUNT(*) FROM sqlite_schema").fetchone()
    if found != APPLICATION_ID and (found or tables):
        raise MisconfiguredError(f"{path.absolute()} is a database of another program")


def migrate(connection: sqlite3.Connection) -> int:
    """Bring the schema to the newest number this program knows, one transaction a step.

    Raises:
        MisconfiguredError: the store was written by a newer program.
    """
    steps = migrations("sqlite")
    current = schema_of(connection)
    for step in steps[current:]:
        connection.executescript(
            f"BEGIN IMMEDIATE;\n{step.sql}\nPRAGMA user_version = {step.number};\n"
            f"PRAGMA application_id = {APPLICATION_ID};\nCOMMIT;"
        )
    return len(steps)


def schema_of(connection: sqlite3.Connection) -> int:
    """The number of the schema; 0 where there is none yet.

    Raises:
        MisconfiguredError: it was written by a newer program.
    """
    newest = len(migrations("sqlite"))
    [version] = connection.execute("PRAGMA user_version").fetchone()
    if version > newest:
        raise MisconfiguredError(
            f"the store has schema {version}, this program knows up to {newest}: "
            "start the newer program"
        )
    return int(version)


def installation(connection: sqlite3.Connection) -> str:
    """The store's own random name, given at birth."""
    connection.execute(
        "INSERT INTO meta (key, value) VALUES ('installation', ?) "
        "ON CONFLICT (key) DO NOTHING",
        (secrets.token_hex(8),),
    )
    [name] = connection.execute(
        "SELECT value FROM meta WHERE key = 'installation'"
    ).fetchone()
    return str(name)
