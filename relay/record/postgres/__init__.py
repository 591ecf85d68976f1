"""The shared store: PostgreSQL 14 or newer, any number of relays, one transaction for every group."""

from relay.record.postgres.store import PostgresStore

__all__ = ["PostgresStore"]
