"""The embedded store: one SQLite file, one writer thread, WAL, an fsync for every group."""

from relay.record.sqlite.store import SqliteStore
from relay.record.sqlite.upgrading import upgrade

__all__ = ["SqliteStore", "upgrade"]
