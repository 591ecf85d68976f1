"""For each alert, a course of things in which it fires, when it must not have yet, and when it must."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.config.alert_series import (
    ACME,
    BY_JOB,
    LINE,
    ORDERS,
    deliveries,
    of,
    outcomes,
    seldom,
    text,
)

__all__ = ["CASES", "Case"]


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


CASES = [
    Case(
        alert="RelayDown",
        severity="critical",
        series={text("up", {}): "1x5 0x20"},
        quiet=7,
        fires=9,
        labels=LINE,
    ),
    Case(
        alert="RelayAbsent",
        severity="critical",
        # A sample counts for five minutes.
        series={of("ready"): "1x5 _x30"},
        quiet=13,
        fires=17,
    ),
    Case(
        alert="RelayNotReady",
        severity="critical",
        series={of("ready"): "1x5 0x20"},
        quiet=10,
        fires=12,
        labels=LINE,
    ),
    Case(
        alert="RelayRestarts",
        severity="warning",
        series={of("started_seconds"): "0x10 600x10 1200x10 1800x10"},
        quiet=29,
        fires=34,
        labels=LINE,
    ),
    Case(
        alert="RelayWorkerRestarts",
        severity="warning",
        # A counter is there from the first time on.
        series={of("workers_restarted_total", reason="store"): "_x10 1x30"},
        quiet=9,
        fires=12,
        labels={**BY_JOB, "reason": "store"},
    ),
    Case(
        alert="RelayCallbacksUnavailable",
        severity="critical",
        series={
            of("callbacks_total", source="acme", outcome="unavailable"): "_x10 1x30"
        },
        quiet=9,
        fires=12,
        labels=ACME,
    ),
    Case(
        alert="RelayCallbacksRefused",
        severity="warning",
        series={
            of("callbacks_total", source="acme", outcome="refused"): "0x20 0+3x20",
            of("callbacks_total", source="acme", outcome="first"): "0+10x40",
        },
        quiet=24,
        fires=32,
        labels=ACME,
    ),
    Case(
        alert="RelayAllCallbacksRefused",
        severity="critical",
        series={
            of("callbacks_total", source="acme", outcome="first"): "0+1x20 20x80",
            of("callbacks_total", source="acme", outcome="refused"): "0x20 0+1x80",
        },
        # A secret that was changed: half an hour after the last one that was good, and ten minutes of it.
        quiet=49,
        fires=64,
        labels=ACME,
    ),
    Case(
        alert="RelayAllCallbacksRefused",
        severity="critical",
        # An ingress that drops the header: runs go on ending, and only the sweep finds them.
        series={
            of("callbacks_total", source="acme", outcome="first"): "0+1x20 20x120",
            of("callbacks_total", source="acme", outcome="unsigned"): "0x20 0+1x120",
            **outcomes(
                receipts="0+1x20 20x120",
                first="0+1x20 20x120",
                opened="0+1x140",
                events="0+1x140",
            ),
        },
        quiet=80,
        fires=100,
        labels=ACME,
    ),
    Case(
        alert="RelayAllCallbacksRefused",
        severity="critical",
        # The same where two runs an hour end, each posted four times.
        series={
            of("callbacks_total", source="acme", outcome="unsigned"): (
                f"0x59 {seldom(4, begin=4, times=6)}"
            ),
            **outcomes(
                opened=f"40x64 {seldom(1, begin=41, times=6)}",
                first="40x240",
                receipts="40x240",
                events=f"40x64 {seldom(1, begin=41, times=6)}",
            ),
        },
        quiet=60,
        fires=120,
        labels=ACME,
    ),
    Case(
        alert="RelayCommitsSlow",
        severity="warning",
        series={
            of("commit_seconds_bucket", le="1.0"): "0+10x60",
            of("commit_seconds_bucket", le="2.5"): "0+10x20 211+11x40",
            of("commit_seconds_bucket", le="+Inf"): "0+10x20 211+11x40",
        },
        quiet=25,
        fires=40,
        labels=BY_JOB,
    ),
    Case(
        alert="RelayDestinationDown",
        severity="warning",
        series={of("destination_up", destination="orders"): "1x5 0x30"},
        quiet=15,
        fires=17,
        labels=ORDERS,
    ),
    Case(
        alert="RelayDestinationFailing",
        severity="critical",
        # In promtool's world it is the year 1970, and the first minute of it.
        series={
            of("destination_failing_since_seconds", destination="orders"): "60x1500"
        },
        quiet=1440,
        fires=1443,
        labels=ORDERS,
    ),
    Case(
        alert="RelayDestinationDisabled",
        severity="critical",
        series={
            of(
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
            of("destination_state", destination="orders", outcome="paused"): "0x5 1x300"
        },
        quiet=240,
        fires=247,
        labels=ORDERS,
    ),
    Case(
        alert="RelayDestinationBehind",
        severity="warning",
        series={of("destination_behind", destination="orders"): "0x5 7x90"},
        quiet=60,
        fires=67,
        labels=ORDERS,
    ),
    Case(
        alert="RelayDeliveriesOld",
        severity="warning",
        # Ten a minute come; from the hundredth minute on none arrives.
        series=deliveries(
            created="0+10x240", delivered="0+10x100 1000x140", pending="0x100 0+10x140"
        ),
        quiet=159,
        fires=167,
        labels=ORDERS,
    ),
    Case(
        alert="RelayDeadLetters",
        severity="warning",
        series=deliveries(created="5x240", delivered="5x60 4x180", dead="0x60 1x180"),
        quiet=59,
        fires=63,
        labels=ORDERS,
    ),
    Case(
        alert="RelayQuarantineGrows",
        severity="warning",
        # What a source is first heard of by may be just that.
        series={
            of("source_outcomes", source="acme", outcome="quarantined"): "_x10 1x30"
        },
        quiet=9,
        fires=12,
        labels=ACME,
    ),
    Case(
        alert="RelayEventsUnrouted",
        severity="warning",
        # A source that no route names, from its first event on.
        series=outcomes(events="0x10 0+1x60", unrouted="0x10 0+1x60"),
        quiet=20,
        fires=28,
        labels=ACME,
    ),
    Case(
        alert="RelayEventsUnrouted",
        severity="warning",
        # Every event was taken for days, then the routes were changed.
        series=outcomes(events="9000+1x240", unrouted="0x60 0+1x179"),
        quiet=110,
        fires=150,
        labels=ACME,
    ),
    Case(
        alert="RelayEventsUnrouted",
        severity="warning",
        # More than a day after such a change nobody has mended it.
        series=outcomes(events="9000+1x1800", unrouted="0x60 0+1x1739"),
        quiet=70,
        fires=1800,
        labels=ACME,
    ),
    Case(
        alert="RelayEventsUnrouted",
        severity="warning",
        # The same, at a source of two events an hour.
        series=outcomes(
            events=seldom(1, begin=900, times=62),
            unrouted=f"0x359 {seldom(1, times=50)}",
        ),
        quiet=660,
        fires=1850,
        labels=ACME,
    ),
    Case(
        alert="RelayRunsWaiting",
        severity="warning",
        series=outcomes(
            opened="0+10x240", events="0+10x100 1000x140", waiting="0x100 0+10x140"
        ),
        quiet=129,
        fires=137,
        labels=ACME,
    ),
    Case(
        alert="RelayApiRefusesToken",
        severity="critical",
        series={of("asks_total", source="acme", outcome="unauthorized"): "_x10 1x30"},
        quiet=9,
        fires=12,
        labels=ACME,
    ),
    Case(
        alert="RelayApiDown",
        severity="warning",
        series={of("source_up", source="acme"): "1x5 0x30"},
        quiet=20,
        fires=22,
        labels=ACME,
    ),
    Case(
        alert="RelaySweepFails",
        severity="warning",
        series={
            of("sweeps_total", source="acme", outcome="done"): "0+1x60 60x120",
            of("sweeps_total", source="acme", outcome="failed"): "0x60 0+1x120",
        },
        # An hour after the last one that got through, and half an hour of it.
        quiet=140,
        fires=155,
        labels=ACME,
    ),
    Case(
        alert="RelayDiskFull",
        severity="critical",
        series={of("disk_free_bytes"): "2000000000x5 1000000000x20"},
        quiet=10,
        fires=12,
        labels=LINE,
    ),
    Case(
        alert="RelayDiskFills",
        severity="warning",
        # 50 GB, of which 30 MB go each minute: full after 28 hours, so to be told after some of them.
        series={of("disk_free_bytes"): "50000000000-30000000x600"},
        quiet=200,
        fires=400,
        labels=LINE,
    ),
    Case(
        alert="RelayStoreLarge",
        severity="warning",
        series={of("store_bytes"): "200000000000x5 230000000000x30"},
        quiet=20,
        fires=22,
        labels=BY_JOB,
    ),
    Case(
        alert="RelayLedgerUnbalanced",
        severity="critical",
        series=outcomes(receipts="5x10 4x20", first="5x40"),
        quiet=14,
        fires=17,
        labels=ACME,
    ),
    Case(
        alert="RelayLedgerUnbalanced",
        severity="critical",
        series=outcomes(opened="5x10 6x20", events="5x40"),
        quiet=14,
        fires=17,
        labels=ACME,
    ),
    Case(
        alert="RelayLedgerUnbalanced",
        severity="critical",
        series=deliveries(created="5x40", delivered="5x10 6x20"),
        quiet=14,
        fires=17,
        labels=ORDERS,
    ),
]
