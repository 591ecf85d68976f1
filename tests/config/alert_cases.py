"""For each alert, a course of things in which it fires, when it must not have yet, and when it must.

Series are in promtool's notation, a value each minute: ``0+5x3`` is 0, 5, 10, 15; ``_`` is no sample.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["CASES", "HEALTHY", "QUIET", "Case", "Course"]

LINE = {"job": "runflow-relay", "instance": "relay-0:8081"}


def _text(name: str, labels: Mapping[str, str]) -> str:
    pairs = [f'{key}="{value}"' for key, value in {**LINE, **labels}.items()]
    return f"{name}{{{', '.join(pairs)}}}"


@dataclass(frozen=True, kw_only=True)
class Case:
    """One alert."""

    alert: str
    severity: str
    series: Mapping[str, str]
    #: Minutes: when all is quiet yet, and when it fires.
    quiet: int
    fires: int
    #: What it is about.
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Course:
    """Something that goes on and must not fire an alert, however long it does."""

    name: str
    alert: str
    series: Mapping[str, str]


def _of(name: str, **labels: str) -> str:
    return _text(f"runflow_relay_{name}", labels)


def _deliveries(**counts: str) -> dict[str, str]:
    names = ("created", "delivered", "pending", "held", "dead", "discarded")
    return {
        _of("deliveries", destination="orders", outcome=name): counts.get(name, "0x240")
        for name in names
    }


def _outcomes(**counts: str) -> dict[str, str]:
    names = "receipts first duplicate stale conflict quarantined opened events waiting held collapsed closed unrouted"
    return {
        _of("source_outcomes", source="acme", outcome=name): counts.get(name, "0x240")
        for name in names.split()
    }


BY_JOB = {"job": "runflow-relay"}
ACME = {**BY_JOB, "source": "acme"}
ORDERS = {**BY_JOB, "destination": "orders"}

#: A day on which nothing is wrong: runs come and are delivered, some are late, a destination answers.
HEALTHY: Mapping[str, str] = {
    _text("up", {}): "1x240",
    _of("ready"): "1x240",
    _of("started_seconds"): "0x120 7200x120",
    _of("callbacks_total", source="acme", outcome="first"): "0+10x240",
    _of("callbacks_total", source="acme", outcome="refused"): "0x100 1x140",
    _of("commit_seconds_bucket", le="0.01"): "0+10x240",
    _of("commit_seconds_bucket", le="+Inf"): "0+10x240",
    _of("destination_up", destination="orders"): "1x100 0x5 1x135",
    _of("destination_failing_since_seconds", destination="orders"): "0x240",
    _of("destination_state", destination="orders", outcome="active"): "1x240",
    _of("destination_state", destination="orders", outcome="paused"): "0x240",
    _of("destination_state", destination="orders", outcome="disabled"): "0x240",
    _of("destination_behind", destination="orders"): "0x240",
    **_deliveries(created="10+10x240", delivered="5+10x240", pending="5x240"),
    **_outcomes(
        receipts="10+10x240",
        first="10+10x240",
        opened="10+10x240",
        events="8+10x240",
        waiting="2x240",
        # A route for what has failed alone.
        unrouted="7+9x240",
    ),
    _of("asks_total", source="acme", outcome="answered"): "0+1x240",
    _of("source_up", source="acme"): "1x240",
    _of("sweeps_total", source="acme", outcome="done"): "0+1x240",
    _of("sweeps_total", source="acme", outcome="failed"): "0x60 1x180",
    _of("disk_free_bytes"): "50000000000-1000x240",
    _of("store_bytes"): "1000000+1000x240",
}

CASES = [
    Case(
        alert="RelayDown",
        severity="critical",
        series={_text("up", {}): "1x5 0x20"},
        quiet=7,
        fires=9,
        labels=LINE,
    ),
    Case(
        alert="RelayAbsent",
        severity="critical",
        # A sample counts for five minutes.
        series={_of("ready"): "1x5 _x30"},
        quiet=13,
        fires=17,
    ),
    Case(
        alert="RelayNotReady",
        severity="critical",
        series={_of("ready"): "1x5 0x20"},
        quiet=10,
        fires=12,
        labels=LINE,
    ),
    Case(
        alert="RelayRestarts",
        severity="warning",
        series={_of("started_seconds"): "0x10 600x10 1200x10 1800x10"},
        quiet=29,
        fires=34,
        labels=LINE,
    ),
    Case(
        alert="RelayWorkerRestarts",
        severity="warning",
        # A counter is there from the first time on.
        series={_of("workers_restarted_total", reason="store"): "_x10 1x30"},
        quiet=9,
        fires=12,
        labels={**BY_JOB, "reason": "store"},
    ),
    Case(
        alert="RelayCallbacksUnavailable",
        severity="critical",
        series={
            _of("callbacks_total", source="acme", outcome="unavailable"): "_x10 1x30"
        },
        quiet=9,
        fires=12,
        labels=ACME,
    ),
    Case(
        alert="RelayCallbacksRefused",
        severity="warning",
        series={
            _of("callbacks_total", source="acme", outcome="refused"): "0x20 0+3x20",
            _of("callbacks_total", source="acme", outcome="first"): "0+10x40",
        },
        quiet=24,
        fires=32,
        labels=ACME,
    ),
    Case(
        alert="RelayAllCallbacksRefused",
        severity="critical",
        series={
            _of("callbacks_total", source="acme", outcome="first"): "0+1x20 20x80",
            _of("callbacks_total", source="acme", outcome="refused"): "0x20 0+1x80",
        },
        # Half an hour after the last one that was good, and ten minutes of it.
        quiet=49,
        fires=64,
        labels=ACME,
    ),
    Case(
        alert="RelayCommitsSlow",
        severity="warning",
        series={
            _of("commit_seconds_bucket", le="1.0"): "0+10x60",
            _of("commit_seconds_bucket", le="2.5"): "0+10x20 211+11x40",
            _of("commit_seconds_bucket", le="+Inf"): "0+10x20 211+11x40",
        },
        quiet=25,
        fires=40,
        labels=BY_JOB,
    ),
    Case(
        alert="RelayDestinationDown",
        severity="warning",
        series={_of("destination_up", destination="orders"): "1x5 0x30"},
        quiet=15,
        fires=17,
        labels=ORDERS,
    ),
    Case(
        alert="RelayDestinationFailing",
        severity="critical",
        # In promtool's world it is the year 1970, and the first minute of it.
        series={
            _of("destination_failing_since_seconds", destination="orders"): "60x1500"
        },
        quiet=1440,
        fires=1443,
        labels=ORDERS,
    ),
    Case(
        alert="RelayDestinationDisabled",
        severity="critical",
        series={
            _of(
                "destination_state", destination="orders", outcome="disabled"
            ): "0x5 1x20"
        },
        quiet=5,
        fires=8,
        labels=ORDERS,
    ),
    Case(
        alert="RelayDestinationPaused",
        severity="warning",
        series={
            _of(
                "destination_state", destination="orders", outcome="paused"
            ): "0x5 1x300"
        },
        quiet=240,
        fires=247,
        labels=ORDERS,
    ),
    Case(
        alert="RelayDestinationBehind",
        severity="warning",
        series={_of("destination_behind", destination="orders"): "0x5 7x90"},
        quiet=60,
        fires=67,
        labels=ORDERS,
    ),
    Case(
        alert="RelayDeliveriesOld",
        severity="warning",
        # Ten a minute come; from the hundredth minute on none arrives.
        series=_deliveries(
            created="0+10x240", delivered="0+10x100 1000x140", pending="0x100 0+10x140"
        ),
        quiet=159,
        fires=167,
        labels=ORDERS,
    ),
    Case(
        alert="RelayDeadLetters",
        severity="warning",
        series=_deliveries(created="5x240", delivered="5x60 4x180", dead="0x60 1x180"),
        quiet=59,
        fires=63,
        labels=ORDERS,
    ),
    Case(
        alert="RelayQuarantineGrows",
        severity="warning",
        # What a source is first heard of by may be just that.
        series={
            _of("source_outcomes", source="acme", outcome="quarantined"): "_x10 1x30"
        },
        quiet=9,
        fires=12,
        labels=ACME,
    ),
    Case(
        alert="RelayEventsUnrouted",
        severity="warning",
        # A source that no route names, from its first event on.
        series=_outcomes(events="0x10 0+1x60", unrouted="0x10 0+1x60"),
        quiet=20,
        fires=28,
        labels=ACME,
    ),
    Case(
        alert="RelayEventsUnrouted",
        severity="warning",
        # Every event was taken for a day, then the routes were changed.
        series=_outcomes(events="0+1x1800", unrouted="0x1600 0+1x200"),
        quiet=1650,
        fires=1690,
        labels=ACME,
    ),
    Case(
        alert="RelayRunsWaiting",
        severity="warning",
        series=_outcomes(
            opened="0+10x240", events="0+10x100 1000x140", waiting="0x100 0+10x140"
        ),
        quiet=129,
        fires=137,
        labels=ACME,
    ),
    Case(
        alert="RelayApiRefusesToken",
        severity="critical",
        series={_of("asks_total", source="acme", outcome="unauthorized"): "_x10 1x30"},
        quiet=9,
        fires=12,
        labels=ACME,
    ),
    Case(
        alert="RelayApiDown",
        severity="warning",
        series={_of("source_up", source="acme"): "1x5 0x30"},
        quiet=20,
        fires=22,
        labels=ACME,
    ),
    Case(
        alert="RelaySweepFails",
        severity="warning",
        series={
            _of("sweeps_total", source="acme", outcome="done"): "0+1x60 60x120",
            _of("sweeps_total", source="acme", outcome="failed"): "0x60 0+1x120",
        },
        # An hour after the last one that got through, and half an hour of it.
        quiet=140,
        fires=155,
        labels=ACME,
    ),
    Case(
        alert="RelayDiskFull",
        severity="critical",
        series={_of("disk_free_bytes"): "2000000000x5 1000000000x20"},
        quiet=10,
        fires=12,
        labels=LINE,
    ),
    Case(
        alert="RelayDiskFills",
        severity="warning",
        # 50 GB, of which 30 MB go each minute: full after 28 hours, so to be told after some of them.
        series={_of("disk_free_bytes"): "50000000000-30000000x600"},
        quiet=200,
        fires=400,
        labels=LINE,
    ),
    Case(
        alert="RelayStoreLarge",
        severity="warning",
        series={_of("store_bytes"): "200000000000x5 230000000000x30"},
        quiet=20,
        fires=22,
        labels=BY_JOB,
    ),
    Case(
        alert="RelayLedgerUnbalanced",
        severity="critical",
        series=_outcomes(receipts="5x10 4x20", first="5x40"),
        quiet=14,
        fires=17,
        labels=ACME,
    ),
    Case(
        alert="RelayLedgerUnbalanced",
        severity="critical",
        series=_outcomes(opened="5x10 6x20", events="5x40"),
        quiet=14,
        fires=17,
        labels=ACME,
    ),
    Case(
        alert="RelayLedgerUnbalanced",
        severity="critical",
        series=_deliveries(created="5x40", delivered="5x10 6x20"),
        quiet=14,
        fires=17,
        labels=ORDERS,
    ),
]

QUIET = [
    Course(
        name="routes-that-leave-most-out",
        alert="RelayEventsUnrouted",
        # One in a hundred fails and is taken; then there is none for hours.
        series=_outcomes(
            events="0+100x30 3000+100x210", unrouted="0+99x30 2970+100x210"
        ),
    ),
    Course(
        name="a-source-without-events",
        alert="RelayEventsUnrouted",
        series=_outcomes(),
    ),
]
