"""What every test has: a clean environment, no blocking calls on the loop."""

import asyncio
import os
from collections.abc import Callable, Iterator, Mapping

import pytest
import structlog
from blockbuster import BlockBuster, blockbuster_ctx
from hypothesis import HealthCheck, Phase, settings

from tests.kafka_fixtures import kafka, kafka_of_session, narrow, senders, topic
from tests.patience import PatientLoop
from tests.postgres import binaries
from tests.postgres.fixtures import (
    database,
    database_template,
    older_postgres,
    older_postgres_of_session,
    pgbouncer,
    postgres,
    postgres_of_session,
    store,
)

__all__ = [
    "database",
    "database_template",
    "kafka",
    "kafka_of_session",
    "narrow",
    "older_postgres",
    "older_postgres_of_session",
    "pgbouncer",
    "postgres",
    "postgres_of_session",
    "senders",
    "store",
    "topic",
]

# A red build must be repeatable and be over soon: what fails is made small by hand, where other examples
# are tried each time.
settings.register_profile(
    "ci",
    derandomize=True,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("dev", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a run be played on another release of the database."""
    parser.addoption(
        "--postgres",
        type=int,
        default=binaries.NEWEST,
        help="Major version of PostgreSQL that the tests start.",
    )


def pytest_asyncio_loop_factories(
    item: pytest.Item,
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """No limit of time is missed because the machine stood still; beside a process all have one time."""
    if item.get_closest_marker("process"):
        return {"real": asyncio.SelectorEventLoop}
    return {"patient": PatientLoop}


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the machine reaches a test."""
    for name in list(os.environ):
        if name.startswith("RELAY"):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def own_logging() -> Iterator[None]:
    """What a test, or a command that it runs, has said about logging ends with it."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


_DIALLING = {
    "_parse_connect_dsn_and_args",
    "_parse_connect_arguments",
    "_dot_postgresql_path",
    "_read_password_file",
    "_read_password_from_pgpass",
    "_parse_tls_version",
}


@pytest.fixture(autouse=True)
def blockbuster() -> Iterator[BlockBuster]:
    """A blocking call on the event loop fails the test that made it."""
    with blockbuster_ctx("relay") as found:
        for function in found.functions.values():
            # The shared store dials on a loop of its own, which holds up nobody: the client looks for
            # password files and certificates there.
            function.can_block_in("asyncpg/connect_utils.py", _DIALLING)
            # Coverage takes a lock with each call that it sees; the store's thread may hold it just then.
            function.can_block_in("coverage/collector.py", {"lock_data"})
            # There a test's checkpoint may stand, too.
            function.can_block_in("tests/record/harness.py", {"stand"})
            function.can_block_in("tests/record/postgres_harness.py", {"run"})
        yield found
