"""The embedded store against its model."""

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.record.machine import StoreMachine
from tests.record.sqlite_harness import SqliteHarness


class SqliteMachine(StoreMachine):
    """One file, in a folder of its own."""

    def place(self) -> SqliteHarness:
        self.folder = Path(tempfile.mkdtemp(prefix="relay-store-"))
        return SqliteHarness(self.folder)

    def teardown(self) -> None:
        super().teardown()
        shutil.rmtree(self.folder)


@pytest.mark.timeout(120)
def test_the_store_agrees_with_its_model() -> None:
    """Whatever is done to it, in whatever order: nothing is lost, doubled or mixed up."""
    run_state_machine_as_test(
        SqliteMachine,
        settings=settings(
            max_examples=25,
            stateful_step_count=25,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )
