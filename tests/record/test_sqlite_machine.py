"""The embedded store against its model."""

import shutil
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.record.collapse_machine import CollapseMachine
from tests.record.holding_machine import HoldingMachine
from tests.record.sqlite_harness import SqliteHarness


@pytest.mark.timeout(240)
def test_the_store_agrees_with_its_model(tmp_path: Path) -> None:
    """Whatever is done to it, in whatever order: nothing is lost, doubled or mixed up."""
    folders = (tmp_path / str(number) for number in count())

    class SqliteMachine(HoldingMachine):
        """One file after another, each in a folder of its own."""

        def place(self) -> SqliteHarness:
            self.folder = next(folders)
            return SqliteHarness(self.folder)

        def teardown(self) -> None:
            super().teardown()
            shutil.rmtree(self.folder)

    run_state_machine_as_test(
        SqliteMachine,
        settings=settings(
            max_examples=40,
            stateful_step_count=30,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )


@pytest.mark.timeout(240)
def test_the_store_collapses_as_its_model_does(tmp_path: Path) -> None:
    """Who has which client_ref, who stands back, and what is told in the end."""
    folders = (tmp_path / str(number) for number in count())

    class SqliteMachine(CollapseMachine):
        """One file after another, each in a folder of its own."""

        def place(self) -> SqliteHarness:
            self.folder = next(folders)
            return SqliteHarness(self.folder)

        def teardown(self) -> None:
            super().teardown()
            shutil.rmtree(self.folder)

    run_state_machine_as_test(
        SqliteMachine,
        settings=settings(
            max_examples=25,
            stateful_step_count=20,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )
