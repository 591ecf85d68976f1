"""The shared store: PostgreSQL 14 or newer, any number of relays, one transaction for every group."""

from relay.record.postgres.store import PostgresStore
from relay.record.postgres.upgrading import upgrade

__all__ = ["PostgresStore", "upgrade"]
