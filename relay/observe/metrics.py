"""Metrics: the closed list of what is measured, for Prometheus.

Owns names, units, labels and buckets. The names are a type in ``core.ports``; this table and
``docs/metrics.md`` are held to it by tests.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Final, Literal

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from relay.core.ports import MetricName

__all__ = ["DEFINITIONS", "Definition", "PrometheusMetrics"]

#: A metric and the values of its labels, in the order of its definition.
Key = tuple[str, ...]

_FAST: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 4.0)
_SLOW: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0)
_SIZES: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0)


@dataclass(frozen=True, slots=True)
class Definition:
    """What one metric is."""

    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = _FAST


DEFINITIONS: Final[Mapping[MetricName, Definition]] = {
    "runflow_relay_callbacks_total": Definition(
        "counter",
        "Requests to a known channel, by what became of them: a verdict of the ledger, "
        "refused (signed, and wrongly), unsigned (refused too), unavailable, checked (a probe), "
        "or why the body could not be read.",
        ("source", "outcome"),
    ),
    "runflow_relay_callback_seconds": Definition(
        "histogram", "Time from a request's head to its answer, commit included."
    ),
    "runflow_relay_commit_seconds": Definition(
        "histogram", "Time of one group commit, fsync included."
    ),
    "runflow_relay_commit_size": Definition(
        "histogram", "Jobs that shared one commit.", buckets=_SIZES
    ),
    "runflow_relay_attempts_total": Definition(
        "counter",
        "Delivery attempts, by outcome (delivered, failed, refused) and reason.",
        ("destination", "outcome", "reason"),
    ),
    "runflow_relay_attempt_seconds": Definition(
        "histogram",
        "Time of delivery attempts that succeeded.",
        ("destination",),
        _SLOW,
    ),
    "runflow_relay_destination_up": Definition(
        "gauge",
        "1 while the destination answers, 0 while only probes are sent.",
        ("destination",),
    ),
    "runflow_relay_destination_state": Definition(
        "gauge",
        "1 for the state that the destination is in (active, paused, disabled), 0 for the others.",
        ("destination", "outcome"),
    ),
    "runflow_relay_destination_failing_since_seconds": Definition(
        "gauge",
        "Since when nothing but failures, in seconds since the epoch; 0 while something works.",
        ("destination",),
    ),
    "runflow_relay_destination_behind": Definition(
        "gauge",
        "Events for the destination that wait without a delivery, because it has too many.",
        ("destination",),
    ),
    "runflow_relay_source_outcomes": Definition(
        "gauge",
        "The ledger by source: receipts by verdict, and outcomes opened by what became of them.",
        ("source", "outcome"),
    ),
    "runflow_relay_deliveries": Definition(
        "gauge",
        "The ledger by destination: deliveries created, and by state.",
        ("destination", "outcome"),
    ),
    "runflow_relay_asks_total": Definition(
        "counter",
        "Questions to a source's API, by answer.",
        ("source", "outcome"),
    ),
    "runflow_relay_ask_seconds": Definition(
        "histogram", "How long the API took to answer.", ("source",)
    ),
    "runflow_relay_source_up": Definition(
        "gauge", "Whether the source's API answers (1) or not (0).", ("source",)
    ),
    "runflow_relay_sweeps_total": Definition(
        "counter",
        "Sweeps that the relay does by itself, by how they ended (done, failed).",
        ("source", "outcome"),
    ),
    "runflow_relay_ready": Definition(
        "gauge", "1 while `/readyz` answers 200, else 0."
    ),
    "runflow_relay_started_seconds": Definition(
        "gauge", "When the process started, in seconds since the epoch."
    ),
    "runflow_relay_workers_restarted_total": Definition(
        "counter", "Workers started again after a crash.", ("reason",)
    ),
    "runflow_relay_forgotten_total": Definition(
        "counter",
        "Rows that retention has taken away, by the setting that let them go: callbacks (payload), "
        "attempts and events with their deliveries (attempt), runs (identity).",
        ("reason",),
    ),
    "runflow_relay_store_bytes": Definition(
        "gauge", "Size of the store: SQLite's file and log, or the whole database."
    ),
    "runflow_relay_disk_free_bytes": Definition(
        "gauge",
        "Free space on the disk of the store. Not there with PostgreSQL, whose disk is not seen.",
    ),
}


class PrometheusMetrics(Collector):
    """The Metrics port, in plain dictionaries.

    Counting is on the way to every acknowledgement. Prometheus's own objects, which
    lock and look up labels at each call, are made only when somebody asks.
    """

    def __init__(self) -> None:
        self._counters: dict[Key, float] = {}
        self._gauges: dict[Key, float] = {}
        self._histograms: dict[Key, _Histogram] = {}
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def count(self, name: MetricName, /, amount: float = 1, **labels: str) -> None:
        """See :class:`relay.core.ports.Metrics`."""
        key = (name, *labels.values())
        self._counters[key] = self._counters.get(key, 0) + amount

    def observe(self, name: MetricName, value: float, /, **labels: str) -> None:
        """See :class:`relay.core.ports.Metrics`."""
        key = (name, *labels.values())
        histogram = self._histograms.get(key)
        if histogram is None:
            histogram = _Histogram(DEFINITIONS[name].buckets)
            self._histograms[key] = histogram
        histogram.observe(value)

    def gauge(self, name: MetricName, value: float | None, /, **labels: str) -> None:
        """See :class:`relay.core.ports.Metrics`."""
        key = (name, *labels.values())
        if value is None:
            self._gauges.pop(key, None)
        else:
            self._gauges[key] = value

    def exposition(self) -> bytes:
        """Everything, in Prometheus's text format."""
        return generate_latest(self._registry)

    def describe(self) -> Iterable[Metric]:
        """What Prometheus asks for when the registry is made: nothing has been counted yet."""
        return []

    def collect(self) -> Iterable[Metric]:
        """The families as they stand."""
        for name, definition in DEFINITIONS.items():
            match definition.kind:
                case "counter":
                    yield self._simple(name, CounterMetricFamily, self._counters)
                case "gauge":
                    yield self._simple(name, GaugeMetricFamily, self._gauges)
                case "histogram":
                    yield self._histogram(name)

    def _simple(
        self,
        name: MetricName,
        family: type[CounterMetricFamily | GaugeMetricFamily],
        values: Mapping[Key, float],
    ) -> Metric:
        definition = DEFINITIONS[name]
        made = family(name, definition.help, labels=definition.labels)
        for (found, *labels), value in list(values.items()):
            if found == name:
                made.add_metric(labels, value)
        return made

    def _histogram(self, name: MetricName) -> Metric:
        definition = DEFINITIONS[name]
        made = HistogramMetricFamily(name, definition.help, labels=definition.labels)
        for (found, *labels), histogram in list(self._histograms.items()):
            if found == name:
                made.add_metric(labels, histogram.cumulated(), histogram.total)
        return made


class _Histogram:
    """Observations by bucket; the last one has no upper bound."""

    __slots__ = ("_bounds", "_counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count a value in the first bucket that it is not above."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self.total += value

    def cumulated(self) -> list[tuple[str, float]]:
        """Upper bounds with how many were at most that, as Prometheus counts."""
        labels = [*map(floatToGoString, self._bounds), "+Inf"]
        return list(zip(labels, accumulate(map(float, self._counts)), strict=True))
