"""The page about delivery says what is decided."""

import pytest

from docs.generate_delivery import CASES, PAGE, page, responses
from relay.core.delivery import HOUR, UNLADDERED_WAIT, Policy
from relay.core.flow import AFTER_DELAY, AFTER_FAULT, RESTART
from relay.core.gate import GatePolicy
from relay.deliver import ready, slots

TEXT = PAGE.read_text(encoding="utf-8")


def test_the_table_is_current() -> None:
    """When it is not: ``python docs/generate_delivery.py``."""
    assert page(TEXT) == TEXT


def test_every_row_has_all_its_columns() -> None:
    assert len({line.count("|") for line in responses().splitlines()}) == 1
    assert responses().count("\n") == len(CASES) + 1


@pytest.mark.parametrize(
    "number,wanted,said",
    [
        (Policy().jitter, 0.2, "up to a fifth either way"),
        (Policy().max_age, 7 * 24 * HOUR, "`max_age` (7 days)"),
        (Policy().retry_after_max, 24 * HOUR, "up to 24 hours"),
        (GatePolicy(), GatePolicy(faults_to_open=10, apart_s=3.0), "ten faults"),
        (GatePolicy().probe_last_s, 30.0, "1, 2, 4 … 30 s"),
        (UNLADDERED_WAIT, 30_000_000, "waits 30 s"),
        ((AFTER_FAULT, AFTER_DELAY), (0.7, 0.8), "to 70 %"),
        (AFTER_DELAY, 0.8, "to 80 %"),
        (RESTART, 0.25, "with a quarter of `concurrency`"),
        (slots.AGAIN_PART, 2, "half of the tries under way"),
        (ready.AGAIN_PART, 4, "a quarter of `limits.ready_parcels`"),
        (ready.NEWCOMERS_PART, 8, "An eighth"),
        (slots.BURST_S, 0.1, "a tenth of a second"),
    ],
)
def test_a_number_is_the_one_in_force(
    number: object, wanted: object, said: str
) -> None:
    assert number == wanted
    assert said in " ".join(TEXT.split())
