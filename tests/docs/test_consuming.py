"""The page for consumers: what it shows is run, against what the relay sends."""

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, get_args

import asyncpg
import pytest

from relay.app.service import Service
from relay.app.stores import read_ledger
from relay.events import DestinationEvent
from relay.settings import Settings, parse
from tests.acceptance.relays import SECRET as SOURCE_SECRET
from tests.acceptance.relays import run_id
from tests.app.relaying import post
from tests.docs.answering import (
    EVENT,
    SECRET,
    SHARED,
    V1A,
    headers,
    running,
    said_of,
    v1a_cases,
)
from tests.docs.languages import node, place_for_js
from tests.docs.pages import example
from tests.kafka_fixtures import Kafka
from tests.places import free_port
from tests.postgres.fixtures import Database

PAGE = "docs/consuming.md"
ANSWERS = {
    "true": 204,
    "rotated": 204,
    "changed": 401,
    "another key": 401,
    "old": 401,
    "unsigned": 401,
}


def run(text: str, **names: Any) -> dict[str, Any]:
    """What a block of Python defines."""
    exec(compile(text, PAGE, "exec"), names)  # noqa: S102 - of our own page
    return names


async def counted(settings: Settings, destination: str, number: int) -> None:
    """Wait until so many deliveries have arrived."""
    async with asyncio.timeout(20):
        while True:
            ledger = await read_ledger(settings)
            if ledger.destinations[destination].delivered == number:
                return
            await asyncio.wait(
                [asyncio.get_running_loop().create_future()], timeout=0.05
            )


async def delivers(directory: Path, port: int) -> None:
    """A relay sends an event to an endpoint, and counts it as delivered."""
    text = f"""
data_dir: {directory}
public: {{listen: "127.0.0.1:0", stop_timeout: 2s}}
operator: {{listen: "127.0.0.1:0"}}
limits: {{min_free_disk: 1MiB}}
sources: [{{name: acme, secret: "{SOURCE_SECRET}"}}]
destinations:
  - {{name: orders, kind: http, url: "http://127.0.0.1:{port}/hooks", private: true, secret: "{SECRET}"}}
"""
    settings = await asyncio.to_thread(parse, text, {}, file="relay.yaml")
    async with Service(settings) as service:
        assert await post(service, 1) == 202
        await counted(settings, "orders", 1)


def test_the_endpoint_in_python_takes_what_is_the_relays(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ORDERS_SECRET", SECRET)
    receive = run(example(PAGE, "verify-python"))["receive"]
    good = headers(EVENT, SHARED)
    assert receive(EVENT, good) == 204
    assert receive(EVENT + b" ", good) == 401
    assert receive(EVENT, headers(EVENT, SHARED, ago=310)) == 401
    assert receive(EVENT, {}) == 401
    assert capsys.readouterr().out == "io.runflow.run.succeeded run-7\n"


@pytest.mark.process
@pytest.mark.timeout(120, func_only=True)
def test_the_endpoint_in_javascript_takes_what_is_the_relays(tmp_path: Path) -> None:
    port = free_port()
    program = place_for_js(tmp_path) / "endpoint.mjs"
    program.write_text(example(PAGE, "verify-js").replace("9099", str(port)))
    with running([node(), program], port, tmp_path / "log") as endpoint:
        assert said_of(endpoint) == ANSWERS
        asyncio.run(delivers(tmp_path, port))
        heard = endpoint.said().splitlines()
    assert heard.count("io.runflow.run.succeeded run-7") == 2
    assert f"io.runflow.run.succeeded {run_id(1)}" in heard


def test_v1a_is_verified_in_python() -> None:
    verify: Callable[[str, Mapping[str, str], bytes], bool]
    verify = run(example(PAGE, "v1a-python"))["verify"]
    for case in v1a_cases():
        said = verify(V1A, case["headers"], case["body"].encode())
        assert said is case["good"], case["name"]


@pytest.mark.process
@pytest.mark.timeout(60, func_only=True)
def test_v1a_is_verified_in_javascript(tmp_path: Path) -> None:
    (tmp_path / "verify.mjs").write_text(example(PAGE, "v1a-js"))
    (tmp_path / "ask.mjs").write_text(
        'import { verify } from "./verify.mjs";\n'
        "const cases = JSON.parse(process.argv[2]);\n"
        "const said = cases.map((one) => verify(process.argv[3], one.headers, Buffer.from(one.body)));\n"
        "console.log(JSON.stringify(said));\n"
    )
    cases = v1a_cases()
    printed = subprocess.run(
        [node(), "ask.mjs", json.dumps(cases), V1A],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    ).stdout
    assert json.loads(printed) == [case["good"] for case in cases]


@pytest.mark.postgres
async def test_an_event_counts_once_and_the_highest_revision_stays(
    database: Database,
) -> None:
    """In whatever order they come and however often; numbers stay as they were written."""
    connection = await asyncpg.connect(database.url)
    await connection.execute(example(PAGE, "dedupe-tables"))
    take: Callable[..., Awaitable[bool]] = run(example(PAGE, "dedupe"))["take"]

    async def taken(revision: int, word: str) -> bool:
        event = {
            "id": f"7e58b50b-9125-5105-8d53-00000000000{revision}",
            "subject": "run-7",
            "type": f"io.runflow.run.{word}",
            "revision": revision,
        }
        body = json.dumps(event)[:-1] + ', "data": {"total": 1.10}}'
        return await take(connection, event, body)

    assert await taken(1, "failed")
    assert await taken(3, "cancelled")
    assert await taken(2, "succeeded")
    assert not await taken(3, "cancelled")
    assert not await taken(1, "failed")
    [row] = await connection.fetch("SELECT * FROM runflow_runs")
    ids = await connection.fetchval("SELECT COUNT(*) FROM runflow_events")
    await connection.close()
    assert (row["revision"], row["type"], ids) == (3, "io.runflow.run.cancelled", 3)
    assert row["data"] == '{"total": 1.10}'


def topic_of(text: str) -> tuple[int, dict[str, str]]:
    """What the command asks of the broker: how many partitions, and the topic's settings."""
    settings = dict(re.findall(r"--config ([\w.]+)=(\d+)", text))
    [partitions] = re.findall(r"--partitions (\d+)", text)
    return int(partitions), settings


async def created(kafka: Kafka, name: str) -> None:
    """A topic as the page has it made, on a broker that stands alone: Kafka's own program is not here."""
    partitions, settings = topic_of(example(PAGE, "kafka-topic"))
    assert settings == {"min.insync.replicas": "2", "max.message.bytes": "8388608"}
    settings["min.insync.replicas"] = "1"
    await kafka.broker.create_topic(name, partitions=partitions, settings=settings)


async def fill(
    directory: Path, broker: str, topic: str, count: int, *, first: int = 0
) -> None:
    """A relay publishes events of as many runs."""
    text = f"""
data_dir: {directory}
public: {{listen: "127.0.0.1:0", stop_timeout: 2s}}
operator: {{listen: "127.0.0.1:0"}}
limits: {{min_free_disk: 1MiB}}
sources: [{{name: acme, secret: "{SOURCE_SECRET}"}}]
destinations: [{{name: lake, kind: kafka, bootstrap_servers: "{broker}", topic: {topic}}}]
"""
    settings = await asyncio.to_thread(parse, text, {}, file="relay.yaml")
    async with Service(settings) as service:
        for number in range(first, first + count):
            assert await post(service, number) == 202
        await counted(settings, "lake", count)


class EnoughError(Exception):
    """A consumer that crashes."""


@pytest.mark.kafka
@pytest.mark.timeout(120, func_only=True)
async def test_the_consumer_in_python_skips_nothing_when_it_crashes(
    kafka: Kafka, tmp_path: Path
) -> None:
    broker = kafka.broker.bootstrap_servers
    topic = f"page-{free_port()}"
    await created(kafka, topic)
    await fill(tmp_path, broker, topic, 20)
    text = example(PAGE, "kafka-python").replace("runflow.runs", topic)
    text = text.replace("kafka:9092", broker)
    body = "\n".join(f"    {line}" for line in text.splitlines())
    handled: list[str] = []
    crashed: list[str] = []

    async def handle(identifier: str, kind: str, data: dict[str, Any]) -> None:
        assert kind == "io.runflow.run.succeeded"
        assert str(data["output"]["n"]) == "1.10"
        if len(handled) == 7 and not crashed:
            crashed.append(identifier)
            raise EnoughError
        handled.append(identifier)
        if len(handled) == 20:
            raise EnoughError

    consume = run(f"async def consume():\n{body}\n", handle=handle)["consume"]
    for _ in range(2):
        async with asyncio.timeout(30):
            with pytest.raises(EnoughError):
                await consume()
    assert len(set(handled)) == 20
    assert set(crashed) <= set(handled)


def test_what_the_relay_tells_of_itself_is_of_its_model() -> None:
    text = example(PAGE, "paused")
    data = json.loads(text)
    field = DestinationEvent.model_fields["data"].annotation
    [model] = [one for one in (field, *get_args(field)) if hasattr(one, "model_fields")]
    assert model.model_validate(data).destination == "orders"
    assert {*data} == {*model.model_fields}


@pytest.mark.process
def test_the_schema_is_written_as_the_page_says(tmp_path: Path) -> None:
    (tmp_path / ".venv").symlink_to(sys.prefix)
    subprocess.run(
        ["/bin/sh", "-e", "-c", example(PAGE, "schema")], cwd=tmp_path, check=True
    )
    schema = json.loads((tmp_path / "run.schema.json").read_text())
    assert "run_id" in schema["properties"]
