"""Measured: the names of all that the relay measures of itself.

Owns the closed list, as a type: a name that is not in it does not type-check. What each one is stands where
metrics are kept.
"""

from typing import Literal

__all__ = ["MetricName"]

MetricName = Literal[
    "runflow_relay_callbacks_total",
    "runflow_relay_callback_seconds",
    "runflow_relay_commit_seconds",
    "runflow_relay_commit_size",
    "runflow_relay_attempts_total",
    "runflow_relay_attempt_seconds",
    "runflow_relay_destination_up",
    "runflow_relay_destination_state",
    "runflow_relay_destination_failing_since_seconds",
    "runflow_relay_destination_behind",
    "runflow_relay_source_outcomes",
    "runflow_relay_deliveries",
    "runflow_relay_asks_total",
    "runflow_relay_ask_seconds",
    "runflow_relay_source_up",
    "runflow_relay_sweeps_total",
    "runflow_relay_ready",
    "runflow_relay_started_seconds",
    "runflow_relay_workers_restarted_total",
    "runflow_relay_forgotten_total",
    "runflow_relay_store_bytes",
    "runflow_relay_disk_free_bytes",
]
