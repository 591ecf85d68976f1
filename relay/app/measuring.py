"""Measuring: the metrics of one process.

Owns what is known of a process from its first moment on.
"""

from typing import Final

from relay.app.system import System
from relay.observe.metrics import PrometheusMetrics

__all__ = ["begin_metrics"]

_SECOND_US: Final = 1_000_000


def begin_metrics(system: System) -> PrometheusMetrics:
    """Metrics that say when they began."""
    metrics = PrometheusMetrics()
    began = system.clock.now_us() / _SECOND_US
    metrics.gauge("runflow_relay_started_seconds", began)
    return metrics
