"""Metrics: the closed list of what is measured, for Prometheus.

Owns names, units, labels and buckets. The names are a type in ``core.ports``; this table and
``docs/metrics.md`` are held to it by tests.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
)
from prometheus_client.exposition import generate_latest

from relay.core.ports import MetricName

__all__ = ["DEFINITIONS", "Definition", "PrometheusMetrics"]

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
        "refused, unavailable, or why the body could not be read.",
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
    "runflow_relay_workers_restarted_total": Definition(
        "counter", "Workers started again after a crash.", ("reason",)
    ),
    "runflow_relay_store_bytes": Definition("gauge", "Size of the store's file."),
    "runflow_relay_disk_free_bytes": Definition(
        "gauge", "Free space on the disk of the store."
    ),
}


class PrometheusMetrics:
    """The Metrics port on ``prometheus-client``, in a registry of its own."""

    def __init__(self) -> None:
        # A second series per counter that says when the process started tells nothing new.
        disable_created_metrics()
        self._registry = CollectorRegistry()
        self._metrics: dict[str, Counter | Gauge | Histogram] = {
            name: self._make(name, definition)
            for name, definition in DEFINITIONS.items()
        }
        #: Children by name and label values: looking them up anew would cost more than counting.
        self._children: dict[tuple[str, ...], Counter | Gauge | Histogram] = {}

    def count(self, name: MetricName, /, amount: float = 1, **labels: str) -> None:
        """See :class:`relay.core.ports.Metrics`."""
        child = self._child(name, labels)
        assert isinstance(child, Counter)  # noqa: S101 - the table says so
        child.inc(amount)

    def observe(self, name: MetricName, value: float, /, **labels: str) -> None:
        """See :class:`relay.core.ports.Metrics`."""
        child = self._child(name, labels)
        assert isinstance(child, Histogram)  # noqa: S101 - the table says so
        child.observe(value)

    def gauge(self, name: MetricName, value: float, /, **labels: str) -> None:
        """See :class:`relay.core.ports.Metrics`."""
        child = self._child(name, labels)
        assert isinstance(child, Gauge)  # noqa: S101 - the table says so
        child.set(value)

    def exposition(self) -> bytes:
        """Everything, in Prometheus's text format."""
        return generate_latest(self._registry)

    def _make(self, name: str, definition: Definition) -> Counter | Gauge | Histogram:
        if definition.kind == "counter":
            return Counter(
                name, definition.help, definition.labels, registry=self._registry
            )
        if definition.kind == "gauge":
            return Gauge(
                name, definition.help, definition.labels, registry=self._registry
            )
        return Histogram(
            name,
            definition.help,
            definition.labels,
            registry=self._registry,
            buckets=definition.buckets,
        )

    def _child(
        self, name: MetricName, labels: Mapping[str, str]
    ) -> Counter | Gauge | Histogram:
        key = (name, *labels.values())
        child = self._children.get(key)
        if child is None:
            metric = self._metrics[name]
            child = metric.labels(**labels) if labels else metric
            self._children[key] = child
        return child
