"""The compose file: valid by its specification, closed to the world, and real: what it starts passes events on."""

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiokafka import AIOKafkaConsumer
from jsonschema import Draft7Validator

from relay.app.catalogs import check_match
from relay.app.service import stop_budget_s
from relay.sandbox.kafka_settings import INTERNAL
from relay.settings import KafkaDestination, Settings, parse
from tests.config.composed import COMPOSE, FILE, ComposedKafka, Ground, kafka_properties
from tests.postgres.fixtures import Database

SCHEMA = Path(__file__).parent / "compose-spec" / "compose-spec.json"
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = ("relay", "sandbox")
RUNS = 10
#: Settings of one node in Kafka's own example for its image (docker/examples, single-node), which has no others.
IMAGES_OWN = {
    "node.id",
    "process.roles",
    "listeners",
    "advertised.listeners",
    "listener.security.protocol.map",
    "controller.quorum.voters",
    "controller.listener.names",
    "inter.broker.listener.name",
    "offsets.topic.replication.factor",
    "group.initial.rebalance.delay.ms",
    "transaction.state.log.min.isr",
    "transaction.state.log.replication.factor",
    "share.coordinator.state.topic.replication.factor",
    "share.coordinator.state.topic.min.isr",
    "log.dirs",
}


def _settings(ground: Ground) -> Settings:
    mounted = (FILE.parent / COMPOSE["configs"]["relay"]["file"]).read_text()
    return parse(ground.here(mounted), {}, file="relay.yaml", check_match=check_match)


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    made = Ground(tmp_path, kafka="127.0.0.1:1", store="postgresql://relay@db/relay")
    yield made
    made.stop()


def test_it_is_valid_by_the_specification() -> None:
    schema = json.loads(SCHEMA.read_text())
    faults = [error.message for error in Draft7Validator(schema).iter_errors(COMPOSE)]
    assert faults == []


@pytest.mark.parametrize("name", SERVICES)
def test_each_service_comes_back_and_listens_on_loopback_alone(name: str) -> None:
    service = SERVICES[name]
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))
    assert "no-new-privileges:true" in service["security_opt"]
    if name == "topic":
        # It does one thing, and is done.
        assert service["restart"] == "on-failure"
    else:
        assert service["restart"] == "unless-stopped"
        assert service["healthcheck"]["test"][0] == "CMD"


@pytest.mark.parametrize("name", SERVICES)
def test_each_image_is_pinned_or_is_built_here(name: str) -> None:
    service = SERVICES[name]
    if name in OURS:
        assert (service["image"], service["build"]) == (
            "runflow-relay",
            {"context": ".."},
        )
    else:
        assert re.fullmatch(r"[a-z/]+:\d+(\.\d+)+", service["image"])


@pytest.mark.parametrize("name", OURS)
def test_the_relays_own_image_has_nothing_to_write_to_and_nothing_to_become(
    name: str,
) -> None:
    service = SERVICES[name]
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])


def test_no_secret_stands_in_a_command_or_an_environment() -> None:
    """Whoever may list containers reads those."""
    secrets = {
        name: (FILE.parent / about["file"]).read_text().strip()
        for name, about in COMPOSE["secrets"].items()
    }
    exposed = json.dumps(
        [[one.get("command"), one.get("environment")] for one in SERVICES.values()]
    )
    assert {name for name, text in secrets.items() if text in exposed} == set()
    mounted = {name for one in SERVICES.values() for name in one.get("secrets", ())}
    assert mounted == set(secrets)
    assert secrets["database_password"] in secrets["store_url"]


def test_every_name_that_a_service_mounts_is_there() -> None:
    volumes = {
        volume.partition(":")[0]
        for one in SERVICES.values()
        for volume in one.get("volumes", ())
    }
    assert volumes == set(COMPOSE["volumes"])
    for about in (*COMPOSE["configs"].values(), *COMPOSE["secrets"].values()):
        assert (FILE.parent / about["file"]).is_file()


def test_the_configuration_that_it_mounts_can_be_used(ground: Ground) -> None:
    settings = _settings(ground)
    assert settings.store.file is None
    [lake] = settings.destinations
    assert isinstance(lake, KafkaDestination)
    command = SERVICES["topic"]["command"]
    assert f"--topic={lake.topic}" in command
    [record] = [word for word in command if "max.message.bytes" in word]
    assert int(record.rpartition("=")[2]) > settings.limits.body_bytes
    grace = SERVICES["relay"]["stop_grace_period"]
    assert int(grace.removesuffix("s")) > stop_budget_s(settings)


def test_kafka_is_told_all_that_its_image_wants_and_the_broker_knows() -> None:
    assert set(kafka_properties()) - IMAGES_OWN == {"auto.create.topics.enable"}
    assert IMAGES_OWN - set(kafka_properties()) == set()
    assert re.fullmatch(
        r"[\w-]{22}", SERVICES["kafka"]["environment"]["CLUSTER_ID"], re.ASCII
    )


async def _create_runs(ground: Ground) -> set[str]:
    """Runs as the file's own comment creates them."""
    [url] = set(re.findall(r"http://127.0.0.1:8090/v1/models\S+", FILE.read_text()))
    [order] = re.findall(r"-d '(\{.*\})'", FILE.read_text())
    [token] = re.findall(r"Authorization: (Bearer \S+)'", FILE.read_text())
    created = set()
    async with aiohttp.ClientSession(headers={"Authorization": token}) as session:
        for _ in range(RUNS):
            asked = session.post(
                ground.here(url),
                json=json.loads(ground.here(order)),
                raise_for_status=True,
            )
            async with asked as answer:
                created.add(str((await answer.json())["id"]))
    return created


async def _heard(servers: str, wanted: set[str]) -> list[str]:
    """Subjects of the topic, until all that are wanted were heard of."""
    reader = AIOKafkaConsumer(
        "runflow.runs", bootstrap_servers=servers, auto_offset_reset="earliest"
    )
    heard: list[str] = []
    async with asyncio.timeout(60), reader:
        async for record in reader:
            heard.append(dict(record.headers)["ce_subject"].decode())
            if set(heard) >= wanted:
                return heard
    return heard


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[ComposedKafka]:
    # The tests themselves may reach nothing but loopback; the jars come from elsewhere.
    subprocess.run([sys.executable, "-m", "relay.sandbox.kafka_jars"], check=True)
    with ComposedKafka(tmp_path / "kafka") as made:
        yield made


@pytest.mark.process
@pytest.mark.timeout(180)
async def test_what_it_starts_passes_every_run_on(
    tmp_path: Path, broker: ComposedKafka, database: Database
) -> None:
    """Its commands, its configuration and Kafka's environment, on free ports instead of names."""
    words = " ".join(SERVICES["topic"]["command"])
    [partitions] = re.findall(r"--partitions=(\d+)", words)
    [most] = re.findall(r"--config=max.message.bytes=(\d+)", words)
    await broker.create_topic(
        "runflow.runs", partitions=int(partitions), settings={"max.message.bytes": most}
    )
    servers = broker.address(INTERNAL)
    ground = Ground(tmp_path, kafka=servers, store=database.url)
    try:
        await asyncio.to_thread(ground.start, "sandbox")
        await asyncio.to_thread(ground.start, "relay")
        created = await _create_runs(ground)
        heard = await _heard(servers, created)
        checks = await asyncio.to_thread(ground.run, "check", "--online", "--json")
    finally:
        codes = await asyncio.to_thread(ground.stop)
    assert sorted(heard) == sorted(created)
    # Its ledger, which balances, is one of them.
    assert {one["result"] for one in json.loads(checks)["checks"]} == {"ok"}
    assert codes == [0, 0]
