"""The Go on the page for consumers is built and run: `make go-test`, as a compiler takes a minute the first time."""

import asyncio
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from tests import golang
from tests.acceptance.relays import run_id
from tests.docs.answering import V1A, running, said_of, v1a_cases
from tests.docs.desk import until
from tests.docs.languages import place_for_go
from tests.docs.pages import example
from tests.docs.test_consuming import ANSWERS, created, delivers, fill
from tests.kafka_fixtures import Kafka
from tests.places import free_port

pytestmark = [
    pytest.mark.long,
    pytest.mark.process,
    pytest.mark.timeout(600, func_only=True),
]
PAGE = "docs/consuming.md"
ASK = """package main

import (
	"encoding/json"
	"net/http"
	"os"
)

func main() {
	var cases []struct {
		Headers map[string]string
		Body    string
	}
	if err := json.Unmarshal([]byte(os.Args[1]), &cases); err != nil {
		panic(err)
	}
	said := []bool{}
	for _, one := range cases {
		header := http.Header{}
		for name, value := range one.Headers {
			header.Set(name, value)
		}
		said = append(said, Verify(os.Args[2], header, []byte(one.Body)))
	}
	if err := json.NewEncoder(os.Stdout).Encode(said); err != nil {
		panic(err)
	}
}
"""


def build(directory: Path, **files: str) -> Path:
    """The program, in a form that Go's own formatter leaves alone."""
    place_for_go(directory)
    for name, text in files.items():
        (directory / f"{name}.go").write_text(text)
    formatter = golang.program("gofmt")
    formatted = subprocess.run(
        [formatter, "-l", "."], cwd=directory, check=True, capture_output=True
    )
    assert formatted.stdout == b""
    for verb in (("vet", "."), ("build", "-o", "program", ".")):
        golang.call(*verb, within=directory)
    return directory / "program"


def test_the_endpoint_takes_what_is_the_relays(tmp_path: Path) -> None:
    port = free_port()
    text = example(PAGE, "verify-go").replace("9099", str(port))
    program = build(tmp_path, main=text)
    with running([program], port, tmp_path / "log") as endpoint:
        assert said_of(endpoint) == ANSWERS
        asyncio.run(delivers(tmp_path, port))
        heard = endpoint.said().splitlines()
    assert heard.count("io.runflow.run.succeeded run-7") == 2
    assert f"io.runflow.run.succeeded {run_id(1)}" in heard


def test_v1a_is_verified(tmp_path: Path) -> None:
    program = build(tmp_path, verify=example(PAGE, "v1a-go"), ask=ASK)
    cases = v1a_cases()
    printed = subprocess.run(
        [program, json.dumps(cases), V1A], check=True, capture_output=True
    ).stdout
    assert json.loads(printed) == [case["good"] for case in cases]


@contextmanager
def consuming(program: Path, log: Path) -> Iterator[None]:
    """The program, killed in the end."""
    with log.open("ab") as out:
        process = subprocess.Popen([program], stdout=out, stderr=out)
    try:
        yield
    finally:
        process.kill()
        process.wait()


@pytest.mark.kafka
def test_the_consumer_goes_on_where_it_was(kafka: Kafka, tmp_path: Path) -> None:
    """Killed, it sees again at most what it had not committed, and skips nothing."""
    broker, topic = kafka.broker.bootstrap_servers, f"page-{free_port()}"
    asyncio.run(created(kafka, topic))
    text = example(PAGE, "kafka-go").replace("runflow.runs", topic)
    program = build(tmp_path, main=text.replace("kafka:9092", broker))
    log = tmp_path / "log"

    def has_seen(count: int) -> bool:
        seen = {line.split()[2] for line in log.read_text().splitlines()}
        return seen == {run_id(number) for number in range(count)}

    for half in (0, 1):
        place = tmp_path / f"relay{half}"
        place.mkdir()
        asyncio.run(fill(place, broker, topic, 10, first=half * 10))
        with consuming(program, log):
            until(partial(has_seen, (half + 1) * 10), what="the events")
