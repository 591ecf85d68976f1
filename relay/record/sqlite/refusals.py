"""Refusals: what is remembered of requests that failed verification.

Owns a bounded table of reasons, peers, sizes and hashes; never a body, a header or a signature.
"""

import sqlite3
from collections.abc import Mapping, Sequence

import msgspec

from relay.core.ports import Refusal

__all__ = ["Refusal", "put_refusals"]


def put_refusals(
    connection: sqlite3.Connection,
    sql: Mapping[str, str],
    refusals: Sequence[Refusal],
    *,
    most: int,
) -> None:
    """Count refusals, and forget the oldest beyond ``most``."""
    connection.executemany(
        sql["put_refusal"],
        [msgspec.structs.astuple(refusal) for refusal in refusals],
    )
    connection.execute(sql["trim_refusals"], (most,))
