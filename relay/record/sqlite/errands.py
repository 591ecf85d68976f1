"""Errands: what a job does in a group's transaction that neither brings receipts nor leases anything.

Owns telling the jobs apart. How each is done is its own module's.
"""

import sqlite3
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
from relay.record.sqlite.holding import hold
from relay.record.sqlite.numbers import SqliteNumbers
from relay.record.sqlite.outgoing import amend, settle
from relay.record.sqlite.refusals import put_refusals
from relay.record.sqlite.resending import cancel, order, postpone

__all__ = ["do"]

Sql = Mapping[str, str]


def do(
    connection: sqlite3.Connection,
    sql: Sql,
    numbers: SqliteNumbers,
    job: Job,
    *,
    accounts: Accounts,
    now: int,
) -> object:
    """Do a job, in the open transaction; one that has its turn before or after does nothing here."""
    match job:
        case Settle(settlements=settlements):
            return settle(
                connection, sql, numbers, settlements, accounts=accounts, now=now
            )
        case Amend(amendments=amendments):
            amend(connection, sql, amendments)
        case Register(destinations=destinations):
            for name, kind in destinations:
                numbers.register(name, kind)
        case Keep(refusals=refusals, most=most):
            put_refusals(connection, sql, refusals, most=most)
        case _:
            return _obey(connection, sql, numbers, job, accounts=accounts, now=now)
    return None


def _obey(
    connection: sqlite3.Connection,
    sql: Sql,
    numbers: SqliteNumbers,
    job: Job,
    *,
    accounts: Accounts,
    now: int,
) -> object:
    """Do what somebody has ordered."""
    match job:
        case Alter() | Alert() | Abandon() | Remember():
            return hold(connection, sql, numbers, job, accounts=accounts, now=now)
        case Order(replays=replays):
            return order(connection, sql, numbers, replays, now=now)
        case Postpone():
            postpone(connection, sql, job, now=now)
            return None
        case Cancel():
            return cancel(connection, sql, job, now=now)
        case _:
            return None
