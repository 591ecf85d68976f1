"""Incoming: what a group of receipts needs to know from the file, and what it leaves there.

Owns the order of the statements, one for each table and not for each row. Decides nothing.
"""

import sqlite3
from collections.abc import Mapping

from relay.record.intake import Intake
from relay.record.sqlite.rows import ask_many, write_many

__all__ = ["look_up", "write_down"]


def look_up(
    connection: sqlite3.Connection, sql: Mapping[str, str], intake: Intake
) -> None:
    """Find out what is known of everything that the group speaks of."""
    intake.know_runs(ask_many(connection, sql["find_runs"], intake.identities))
    intake.know_receipts(
        ask_many(connection, sql["find_equal_receipts"], intake.repeatable)
    )
    intake.know_quarantined(
        ask_many(connection, sql["find_quarantined"], intake.unreadable)
    )
    intake.know_destinations(
        ask_many(
            connection,
            sql["find_earlier_destinations"],
            [(number,) for number in intake.revisable],
        )
    )
    learner = intake.learner
    learner.know_last(ask_many(connection, sql["read_last_events"], learner.comparable))
    learner.know_bodies(ask_many(connection, sql["read_receipts"], learner.publishable))
    collapsing = intake.collapsing
    collapsing.know_winners(
        ask_many(connection, sql["find_winners"], collapsing.claims())
    )
    collapsing.know_queues(ask_many(connection, sql["find_queues"], collapsing.queues))
    intake.know_runs(ask_many(connection, sql["find_runs"], collapsing.strangers))


def write_down(
    connection: sqlite3.Connection, sql: Mapping[str, str], intake: Intake
) -> None:
    """Write everything gathered, in the open transaction."""
    write_many(connection, sql["insert_run"], intake.new_runs)
    write_many(connection, sql["insert_receipt"], intake.receipts)
    write_many(connection, sql["insert_event"], intake.events)
    write_many(connection, sql["insert_delivery"], intake.deliveries)
    collapsing = intake.collapsing
    for name, rows in (
        ("update_run", intake.changed_runs),
        ("repeat_receipt", intake.repeats),
        ("readmit_receipt", intake.readmitted),
        ("drop_inquiry", intake.answered),
        ("put_inquiry", intake.inquiries),
        ("release_inquiry", intake.released),
        ("insert_ask", intake.learner.asks),
        ("insert_winner", collapsing.won),
        ("pass_on", collapsing.passed_on),
        ("free_winner", collapsing.freed),
        # A run may leave one client_ref and stand back behind another.
        ("drop_collapsed", collapsing.dropped),
        ("put_collapsed", collapsing.collapsed),
        ("refresh_collapsed", collapsing.refreshed),
    ):
        if rows:
            connection.executemany(sql[name], rows)
