"""Write ``docs/metrics.md`` from the program's own table of metrics."""

from pathlib import Path

from relay.observe.metrics import DEFINITIONS

__all__ = ["page"]

HEAD = """\
# Metrics

`GET /metrics` on the operator listener, in Prometheus's text format. The list is closed; it is written by
`make docs` from the program's own table, and a test holds the two together.

| metric | kind | labels | meaning |
| --- | --- | --- | --- |
"""

TAIL = """
## Worth an alert

[config/alerts.yaml](../config/alerts.yaml) has these and more as rules for Prometheus, each with what to type.

| expression | what it says |
| --- | --- |
| `increase(runflow_relay_callbacks_total{outcome="unavailable"}[10m]) > 0` | callbacks are answered 503, and Runflow gives up after a few tries |
| `increase(runflow_relay_callbacks_total{outcome="refused"}[30m]) > 2`, and none accepted | signatures are wrong: a secret was changed on one side |
| `increase(runflow_relay_callbacks_total{outcome="unsigned"}[15m]) > 20` | somebody else sends, or the ingress drops `Runflow-Signature` |
| `runflow_relay_destination_up == 0` for 10 minutes | a destination is down; its deliveries wait, and die after `max_age` |
| `runflow_relay_destination_state{outcome="active"} == 0` | a destination is paused or disabled: `relay destinations` says why, and what ends it |
| `runflow_relay_destination_behind > 0` for an hour | a destination has more open deliveries than `limits.backlog` |
| `delta(runflow_relay_deliveries{outcome="dead"}[1h]) > 0` | deliveries were given up |
| `delta(runflow_relay_source_outcomes{outcome="unrouted"}[1h]) > 0` | events go nowhere, for no route takes them; where routes mean to leave something out, look only whether it is all of them |
| `delta(runflow_relay_source_outcomes{outcome="waiting"}[1h]) > 0` | runs wait for a whole callback, and nobody asks for it by itself |
| `runflow_relay_ready == 0` for 5 minutes | this relay cannot work on its store: `/readyz` says why |
| `increase(runflow_relay_sweeps_total{outcome="failed"}[1h]) > 0`, and none `done` | runs whose callback never came are not found |
| `increase(runflow_relay_workers_restarted_total[10m]) > 0` | a part of the relay crashed and was started again |
| `runflow_relay_disk_free_bytes < 2e9` | SQLite: under `limits.min_free_disk` callbacks are answered 503 |

What to do then: [troubleshooting](troubleshooting.md). While the store cannot be reached the two gauges of the ledger are absent.
"""


def page() -> str:
    """The whole page."""
    rows = [
        f"| `{name}` | {it.kind} | {', '.join(f'`{label}`' for label in it.labels)} "
        f"| {it.help} |\n"
        for name, it in DEFINITIONS.items()
    ]
    return HEAD + "".join(rows) + TAIL


if __name__ == "__main__":
    Path(__file__).with_name("metrics.md").write_text(page())
