"""The shared store keeps the law of stores, also behind a pooler and on an old server."""

from itertools import count

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.postgres.fixtures import Database
from tests.postgres.local_postgres import LocalPostgres
from tests.postgres.pgbouncer import PgBouncer
from tests.record.conformance import StoreLaw
from tests.record.harness import StoreHarness
from tests.record.holding_machine import HoldingMachine
from tests.record.postgres_harness import PostgresHarness

pytestmark = pytest.mark.postgres


class TestPostgres(StoreLaw):
    """Everything that every store keeps."""

    @pytest.fixture
    def place(self, database: Database) -> StoreHarness:
        return PostgresHarness(database.url)


@pytest.mark.long
class TestBehindAPooler(StoreLaw):
    """The same, where each transaction may be served by another process.

    It takes as long as all of it without a pooler: its core is played each time, in
    ``test_postgres_versions.py``, and the whole of it with ``make test-postgres-versions``.
    """

    @pytest.fixture
    def place(self, database: Database, pgbouncer: PgBouncer) -> StoreHarness:
        return PostgresHarness(pgbouncer.url(database.name), looking=database.url)


@pytest.mark.timeout(240)
def test_the_store_agrees_with_its_model(postgres: LocalPostgres) -> None:
    """Whatever is done to it, in whatever order: nothing is lost, doubled or mixed up."""
    names = (f"machine_{number}" for number in count())

    class PostgresMachine(HoldingMachine):
        """One database after another."""

        def place(self) -> PostgresHarness:
            self.name = next(names)
            self.run(postgres.create_database(self.name))
            return PostgresHarness(postgres.url(self.name))

        def teardown(self) -> None:
            super().teardown()

    run_state_machine_as_test(
        PostgresMachine,
        settings=settings(
            max_examples=10,
            stateful_step_count=20,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )
