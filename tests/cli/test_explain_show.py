"""How an explanation is drawn: never too wide, never too long, in colour on a terminal alone."""

from io import StringIO

import msgspec
from rich.console import Console

from relay.cli.explain.show import show_list, show_whole
from relay.core.timeline import Explanation, Findings, History, explain
from tests.core.timeline.histories import delivered, delivery, history, receipt, sent
from tests.fakes import NOW_US


def explained(told: History) -> Explanation:
    return explain(told, None, plan=None, now=NOW_US)


def drawn(told: History, *, width: int = 80, terminal: bool = False) -> str:
    paper = StringIO()
    console = Console(
        file=paper,
        width=width,
        force_terminal=terminal,
        color_system="standard" if terminal else "auto",
    )
    show_whole(console, explained(told))
    return paper.getvalue()


def test_colours_are_for_terminals() -> None:
    told = sent(delivered())
    assert "\x1b[1;32mDELIVERED" in drawn(told, terminal=True)
    assert "\x1b" not in drawn(told)


def test_of_very_many_deliveries_the_unsettled_ones_are_shown_first() -> None:
    many = [
        msgspec.structs.replace(delivered(), number=n, destination=f"d{n}")
        for n in range(20)
    ]
    open_ones = [
        msgspec.structs.replace(delivery(), number=30 + n, destination=f"o{n}")
        for n in range(2)
    ]
    lines = drawn(sent(*many, *open_ones)).splitlines()
    shown = [line.split()[0] for line in lines if line.startswith("  ")]
    first = shown.index("o0")
    assert shown[first : first + 3] == ["o0", "o1", "d0"]
    assert "  and 6 more: --json has all" in lines
    assert "d0, d1, d2 and 17 others have it." in " ".join(" ".join(lines).split())


def test_what_is_left_out_is_counted() -> None:
    told = history(receipts=(receipt(),), left_out={"receipts": 1214, "attempts": 7})
    assert drawn(told).endswith(
        "and 1,214 more callbacks, left out\nand 7 more failed tries, left out\n"
    )


def test_a_wide_terminal_is_not_filled() -> None:
    told = sent(*[delivery() for _ in range(3)])
    assert max(len(line) for line in drawn(told, width=300).splitlines()) <= 120


def test_runs_that_are_counted_no_further_are_at_least_so_many() -> None:
    paper = StringIO()
    found = [explained(history()), explained(history())]
    findings = Findings(by="client_ref", more=9_998)
    show_list(Console(file=paper, width=80), "test", findings, found)
    text = paper.getvalue()
    assert "test is the client_ref of at least 10,000 runs, newest first:" in text
    assert "and at least 9,998 more, older" in text
