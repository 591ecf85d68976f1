"""Errands: what a job does in a group's transaction that neither brings receipts nor leases anything.

Owns telling the jobs apart. How each is done is its own module's.
"""

from collections.abc import Mapping

from relay.record.accounts import Accounts
from relay.record.jobs import (
    Abandon,
    Alert,
    Alter,
    Amend,
    Cancel,
    Job,
    Keep,
    Order,
    Postpone,
    Register,
    Remember,
    Settle,
)
from relay.record.postgres.connection import Connection
from relay.record.postgres.holding import hold
from relay.record.postgres.moving import put_refusals
from relay.record.postgres.numbers import PostgresNumbers
from relay.record.postgres.outgoing import amend, settle
from relay.record.postgres.resending import cancel, order, postpone

__all__ = ["do"]

Sql = Mapping[str, str]


async def do(
    connection: Connection,
    sql: Sql,
    numbers: PostgresNumbers,
    job: Job,
    *,
    accounts: Accounts,
    now: int,
) -> object:
    """Do a job, in the open transaction; one that has its turn before or after does nothing here."""
    match job:
        case Settle(settlements=settlements):
            return await settle(
                connection, sql, numbers, settlements, accounts=accounts, now=now
            )
        case Amend(amendments=amendments):
            await amend(connection, sql, amendments)
        case Register(destinations=destinations):
            await numbers.know_destinations(connection, destinations)
        case Keep(refusals=refusals, most=most):
            await put_refusals(connection, sql, refusals, most=most)
        case _:
            return await _obey(
                connection, sql, numbers, job, accounts=accounts, now=now
            )
    return None


async def _obey(
    connection: Connection,
    sql: Sql,
    numbers: PostgresNumbers,
    job: Job,
    *,
    accounts: Accounts,
    now: int,
) -> object:
    """Do what somebody has ordered."""
    match job:
        case Alter() | Alert() | Abandon() | Remember():
            return await hold(connection, sql, numbers, job, accounts=accounts, now=now)
        case Order(replays=replays):
            return await order(connection, sql, numbers, replays, now=now)
        case Postpone():
            await postpone(connection, sql, job, now=now)
            return None
        case Cancel():
            return await cancel(connection, sql, job, now=now)
        case _:
            return None
