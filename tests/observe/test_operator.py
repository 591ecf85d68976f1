"""What the relay says of itself: readiness, metrics, logs."""

import asyncio
import json
from pathlib import Path

import aiohttp
import pytest
import structlog

from docs.generate_metrics import page
from relay.app.service import Service
from relay.core.errors import MisconfiguredError, StoreFailedError
from relay.core.ledger import DestinationCounts, Ledger, SourceCounts
from relay.observe.logs import configure
from relay.observe.metrics import DEFINITIONS, PrometheusMetrics
from relay.observe.operator import Health, OperatorListener, State
from relay.settings import parse

ROOT = Path(__file__).parents[2]


class Readiness:
    """A process whose state is what a test says."""

    state: State = "ready"
    reasons: tuple[str, ...] = ()
    degraded: tuple[str, ...] = ()


@pytest.mark.parametrize(
    "state,reasons,ready",
    [
        ("ready", (), True),
        ("ready", ("store_full",), False),
        ("starting", (), False),
        ("draining", (), False),
        ("failed", ("worker_failed",), False),
    ],
)
def test_ready_means_that_work_on_the_store_can_be_done(
    state: State, reasons: tuple[str, ...], ready: bool
) -> None:
    readiness = Readiness()
    readiness.state, readiness.reasons = state, reasons
    readiness.degraded = ("lake",)
    found, body = Health(readiness).report()
    assert (found, body["degraded"]) == (ready, ["lake"])


def test_a_gauge_of_what_is_gone_is_told_no_more() -> None:
    metrics = PrometheusMetrics()
    for name in ("lake", "orders"):
        for state in ("active", "paused"):
            metrics.gauge(
                "runflow_relay_destination_state", 1, destination=name, outcome=state
            )
        metrics.gauge("runflow_relay_destination_up", 1, destination=name)
    for state in ("active", "paused", "disabled"):
        metrics.gauge(
            "runflow_relay_destination_state", None, destination="lake", outcome=state
        )
    told = metrics.exposition().decode().splitlines()
    assert [line for line in told if not line.startswith("#")] == [
        'runflow_relay_destination_up{destination="lake"} 1.0',
        'runflow_relay_destination_up{destination="orders"} 1.0',
        'runflow_relay_destination_state{destination="orders",outcome="active"} 1.0',
        'runflow_relay_destination_state{destination="orders",outcome="paused"} 1.0',
    ]


async def test_a_process_that_cannot_do_its_work_is_alive_all_the_same() -> None:
    """Starting it again makes no room on a disk, and brings no database back."""
    readiness = Readiness()
    readiness.reasons = ("store_full",)
    metrics = PrometheusMetrics()
    listener = OperatorListener(
        host="127.0.0.1",
        port=0,
        health=Health(readiness),
        exposition=metrics.exposition,
        metrics=metrics,
        ledger=_no_ledger,
    )
    await listener.start()
    ready, alive = await _get(listener, "/readyz"), await _get(listener, "/healthz")
    await listener.close()
    assert (ready[0], alive) == (503, (200, '{"result": "ok"}'))


async def _ledger() -> Ledger:
    return Ledger(
        sources={"acme": SourceCounts(receipts=2, first=2)},
        destinations={"lake": DestinationCounts(created=1, pending=1)},
    )


async def _no_ledger() -> Ledger:
    raise StoreFailedError("gone")


async def _server(listener: OperatorListener, path: str) -> str | None:
    """How the server calls itself."""
    url = f"http://127.0.0.1:{listener.port}{path}"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.headers.get("Server")


async def _get(listener: OperatorListener, path: str) -> tuple[int, str]:
    url = f"http://127.0.0.1:{listener.port}{path}"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status, await answer.text()


@pytest.mark.parametrize("ledger,shown", [(_ledger, True), (_no_ledger, False)])
async def test_metrics_show_the_ledger_and_survive_its_absence(
    ledger: object, shown: bool
) -> None:
    metrics = PrometheusMetrics()
    metrics.count("runflow_relay_callbacks_total", source="acme", outcome="first")
    listener = OperatorListener(
        host="127.0.0.1",
        port=0,
        health=Health(Readiness()),
        exposition=metrics.exposition,
        metrics=metrics,
        ledger=ledger,  # type: ignore[arg-type]
    )
    await listener.start()
    status, text = await _get(listener, "/metrics")
    ready = await _get(listener, "/readyz")
    taken = OperatorListener(
        host="127.0.0.1",
        port=listener.port,
        health=Health(Readiness()),
        exposition=metrics.exposition,
        metrics=metrics,
        ledger=_ledger,
    )
    with pytest.raises(MisconfiguredError):
        await taken.start()
    await taken.close()
    await listener.close()
    await listener.close()
    pending = 'runflow_relay_deliveries{destination="lake",outcome="pending"} 1.0'
    assert (status, ready[0], pending in text) == (200, 200, shown)
    assert 'runflow_relay_callbacks_total{outcome="first",source="acme"} 1.0' in text


def test_histograms_count_as_prometheus_does() -> None:
    metrics = PrometheusMetrics()
    for value in (0.0005, 0.001, 3.0, 9.0):
        metrics.observe("runflow_relay_commit_seconds", value)
    lines = metrics.exposition().decode().splitlines()
    buckets = [line.split()[1] for line in lines if "commit_seconds_bucket" in line]
    assert buckets == ["2.0"] * 11 + ["3.0", "4.0"]
    assert "runflow_relay_commit_seconds_sum 12.0015" in lines


def test_the_page_of_metrics_is_current() -> None:
    assert (ROOT / "docs" / "metrics.md").read_text() == page()


def test_every_metric_is_named_by_the_fields_conventions() -> None:
    for name, it in DEFINITIONS.items():
        assert name.startswith("runflow_relay_")
        assert name.endswith("_total") == (it.kind == "counter")
        assert set(it.labels) <= {"source", "destination", "outcome", "reason"}


def test_logs_are_one_json_object_a_line(capfd: pytest.CaptureFixture[str]) -> None:
    lines = configure(level="info", form="json")
    log = structlog.stdlib.get_logger("x")
    log.info("callback.recorded", source="acme")
    log.debug("unseen")
    structlog.reset_defaults()
    assert lines.flush(within_s=5)
    [line] = capfd.readouterr().err.splitlines()
    found = json.loads(line)
    assert (found["event"], found["source"], found["level"]) == (
        "callback.recorded",
        "acme",
        "info",
    )
    assert list(found) == ["timestamp", "level", "event", "source"]


def test_logs_can_be_for_people(capfd: pytest.CaptureFixture[str]) -> None:
    lines = configure(level="warning", form="console")
    structlog.stdlib.get_logger("x").warning("destination.down", destination="lake")
    structlog.reset_defaults()
    assert lines.flush(within_s=5)
    assert "destination.down" in capfd.readouterr().err


async def test_a_service_shows_its_states(tmp_path: Path) -> None:
    text = (
        f"data_dir: {tmp_path}\npublic: {{listen: '127.0.0.1:0'}}\n"
        "operator: {listen: '127.0.0.1:0'}\nlimits: {min_free_disk: 1MiB}\n"
        "sources: [{name: acme, secret: whsec_something}]\n"
        "destinations: [{name: audit, kind: file, path: e.jsonl}]\n"
    )
    settings = await asyncio.to_thread(parse, text, {}, file="x")
    async with Service(settings) as service:
        assert await _server(service.operator, "/readyz") == "runflow-relay"
        assert await _server(service.operator, "/nowhere") == "runflow-relay"
        status, body = await _get(service.operator, "/readyz")
        assert (status, json.loads(body)["state"]) == (200, "ready")
        assert (
            "runflow_relay_store_bytes" in (await _get(service.operator, "/metrics"))[1]
        )
