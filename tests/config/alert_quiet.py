"""Courses of things in which no alert fires: a day on which nothing is wrong, and what only looks like trouble."""

from collections.abc import Mapping
from dataclasses import dataclass

from tests.config.alert_series import deliveries, of, outcomes, seldom, text

__all__ = ["HEALTHY", "QUIET", "Course"]

#: A day on which nothing is wrong: runs come and are delivered, some are late, a destination answers.
HEALTHY: Mapping[str, str] = {
    text("up", {}): "1x240",
    of("ready"): "1x240",
    of("started_seconds"): "0x120 7200x120",
    of("callbacks_total", source="acme", outcome="first"): "0+10x240",
    of("callbacks_total", source="acme", outcome="refused"): "0x100 1x140",
    of("commit_seconds_bucket", le="0.01"): "0+10x240",
    of("commit_seconds_bucket", le="+Inf"): "0+10x240",
    of("destination_up", destination="orders"): "1x100 0x5 1x135",
    of("destination_failing_since_seconds", destination="orders"): "0x240",
    of("destination_state", destination="orders", outcome="active"): "1x240",
    of("destination_state", destination="orders", outcome="paused"): "0x240",
    of("destination_state", destination="orders", outcome="disabled"): "0x240",
    of("destination_behind", destination="orders"): "0x240",
    **deliveries(created="10+10x240", delivered="5+10x240", pending="5x240"),
    **outcomes(
        receipts="10+10x240",
        first="10+10x240",
        opened="10+10x240",
        events="8+10x240",
        waiting="2x240",
        # A route for what has failed alone.
        unrouted="7+9x240",
    ),
    of("asks_total", source="acme", outcome="answered"): "0+1x240",
    of("source_up", source="acme"): "1x240",
    of("sweeps_total", source="acme", outcome="done"): "0+1x240",
    of("sweeps_total", source="acme", outcome="failed"): "0x60 1x180",
    of("disk_free_bytes"): "50000000000-1000x240",
    of("store_bytes"): "1000000+1000x240",
}


@dataclass(frozen=True, kw_only=True)
class Course:
    """Something that goes on and must not fire an alert, however long it does."""

    name: str
    alert: str
    series: Mapping[str, str]


QUIET = [
    Course(
        name="a-scanner-at-night",
        alert="RelayAllCallbacksRefused",
        # No run ends, and somebody tries the URL again and again, without a signature or with anything in its place.
        series={
            of("callbacks_total", source="acme", outcome="first"): "0+1x20 20x220",
            of("callbacks_total", source="acme", outcome="unsigned"): "0x20 0+40x220",
            **outcomes(receipts="0+1x20 20x220", opened="0+1x20 20x220"),
        },
    ),
    Course(
        name="a-scanner-by-day",
        alert="RelayAllCallbacksRefused",
        series={
            of("callbacks_total", source="acme", outcome="first"): "0+1x240",
            of("callbacks_total", source="acme", outcome="unsigned"): "0+40x240",
            **outcomes(receipts="0+1x240", opened="0+1x240"),
        },
    ),
    Course(
        name="a-scanner-and-a-relay-that-starts",
        alert="RelayAllCallbacksRefused",
        # Its only callback is the first that this process counts, so Prometheus sees no increase of it.
        series={
            of("callbacks_total", source="acme", outcome="first"): "_x30 1x210",
            of("callbacks_total", source="acme", outcome="unsigned"): "0+40x240",
            **outcomes(
                receipts="7x30 8x210",
                first="7x30 8x210",
                opened="7x30 8x210",
                events="7x30 8x210",
            ),
        },
    ),
    Course(
        name="routes-that-leave-most-out",
        alert="RelayEventsUnrouted",
        # One in a hundred fails and is taken; then there is none for hours.
        series=outcomes(
            events="0+100x30 3000+100x210", unrouted="0+99x30 2970+100x210"
        ),
    ),
    Course(
        name="a-few-that-no-route-takes",
        alert="RelayEventsUnrouted",
        # Nearly all are taken by day; at night one comes now and then, and is not.
        series=outcomes(
            events=seldom(1, begin=1500, times=8), unrouted=seldom(1, times=8)
        ),
    ),
    Course(
        name="a-source-without-events",
        alert="RelayEventsUnrouted",
        series=outcomes(),
    ),
]
