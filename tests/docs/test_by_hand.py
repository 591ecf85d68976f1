"""The walk through all of it by hand, walked."""

import json
import re
from pathlib import Path

import pytest

from tests.docs.desk import Desk, until
from tests.docs.pages import example

pytestmark = pytest.mark.process
PAGE = "docs/by-hand.md"
#: In the place of the page's pauses: however slow a machine is, it gets there.
PAUSES = {
    "sleep 3": "until [ -s var/local/events.jsonl ]; do sleep 0.1; done",
    "sleep 4": (
        "until [ $(wc -l < var/local/events.jsonl) -ge 13 ] "
        "&& curl -s 127.0.0.1:8081/readyz | grep -q hook; do sleep 0.1; done"
    ),
}


@pytest.mark.timeout(180, func_only=True)
def test_by_hand_it_is_as_the_page_says(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.words |= PAUSES
    endpoint = "exec " + example(PAGE, "endpoint")
    with (
        desk.going("exec " + example(PAGE, "sandbox"), "8090"),
        desk.going("exec " + example(PAGE, "relay"), "8080") as relay,
    ):
        with desk.going(endpoint, "9099") as hears:
            said = desk.type(example(PAGE, "run"))
            [event] = desk.lines("var/local/events.jsonl")
            assert event["subject"] in said
            assert event["data"]["metadata"] == {"order": "A-1001"}
            until(
                lambda: (
                    f"new io.runflow.run.succeeded {event['subject']}" in hears.said()
                ),
                what="the endpoint's word",
            )
        said = desk.type(example(PAGE, "down"))
        assert '"degraded":["hook"]' in said.replace(" ", "")
        assert _of(said, "hook")["pending"] == 12
        assert _of(said, "audit")["pending"] == 0
        assert "delivery.attempted" in relay.said()
        until(lambda: "destination.down" in relay.said(), what="destination.down")
        with desk.going(endpoint, "9099") as hears:
            until(
                lambda: hears.said().count("new io.runflow.run.") == 1 + 12,
                what="all twelve",
            )
            said = desk.type(example(PAGE, "back"))
            assert _of(said, "hook")["delivered"] == 13
            assert "again" not in hears.said()


def _of(said: str, destination: str) -> dict[str, int]:
    """The ledger's row of a destination, by the heads of its columns."""
    rows = [[cell.strip() for cell in re.split("[│┃]", x)] for x in said.splitlines()]
    [head] = [cells for cells in rows if "destination" in cells]
    [row] = [cells for cells in rows if destination in cells]
    return {word: int(of) for word, of in zip(head, row, strict=True) if of.isdigit()}


def test_the_runs_of_the_page_are_as_its_text_says() -> None:
    assert "$(seq 12)" in example(PAGE, "down")
    for pause, block in zip(PAUSES, ("run", "down"), strict=True):
        assert f"\n{pause}\n" in example(PAGE, block)
    assert json.dumps("A-1001") in example(PAGE, "run")
