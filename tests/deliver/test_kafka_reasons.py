"""Why no broker can be reached is said by the delivery that failed, and nowhere else."""

import asyncio
import logging
import socket
import ssl
from collections.abc import Iterator

import pytest
import structlog
import uvloop

from relay.deliver.kafka_line import LineError, open_line
from relay.deliver.kafka_options import KafkaOptions
from relay.deliver.kafka_reasons import cannot_connect, why
from relay.observe.logs import configure


@pytest.fixture
def nobody() -> Iterator[str]:
    """An address that is taken and that nobody listens on."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{held.getsockname()[1]}"


def refused(address: str, loop: asyncio.AbstractEventLoop) -> LineError:
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        options = KafkaOptions(bootstrap_servers=(address,), topic="t")
        with pytest.raises(LineError) as caught:
            runner.run(open_line(options))
    return caught.value


@pytest.mark.parametrize("make", [asyncio.SelectorEventLoop, uvloop.Loop])
def test_a_broker_that_is_not_there_is_named_with_the_reason(
    nobody: str, make: type[asyncio.AbstractEventLoop]
) -> None:
    error = refused(nobody, make())
    assert error.reason == "connect"
    assert error.detail == f"cannot connect to {nobody} (Connection refused)"


def test_the_library_prints_nothing_of_it(
    nobody: str, capfd: pytest.CaptureFixture[str]
) -> None:
    before = logging.root.handlers[:]
    configure(level="info", form="json")
    try:
        refused(nobody, uvloop.new_event_loop())
    finally:
        logging.root.handlers[:] = before
        logging.getLogger("aiokafka").propagate = True
        structlog.reset_defaults()
    assert capfd.readouterr().err == ""


def _untrusted() -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "[SSL] long words")
    error.verify_message = "self-signed certificate"
    return error


@pytest.mark.parametrize(
    "error,words",
    [
        (
            socket.gaierror(socket.EAI_NONAME, "Name or service not known"),
            "Name or service not known",
        ),
        (TimeoutError(), "timed out"),
        (_untrusted(), "self-signed certificate"),
        (OSError("several things"), "several things"),
        (OSError(), "OSError"),
    ],
)
def test_a_reason_takes_a_few_words(error: OSError, words: str) -> None:
    assert why(error) == words


def test_each_broker_has_its_own_reason() -> None:
    found = cannot_connect(["a:1", "b:2"], {"a:1": "timed out"})
    assert found == "cannot connect to a:1 (timed out), b:2"
