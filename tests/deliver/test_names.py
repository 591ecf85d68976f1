"""Each HTTP destination waits for its own names alone."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from relay.app.destinations import build_sender
from relay.app.system import System, ThreadExecutor
from relay.core.delivery import Delivered, Failed
from relay.core.ports import Sender
from relay.deliver.egress import SystemResolver
from relay.settings import Settings, parse
from tests.deliver.conformance import first, parcel
from tests.deliver.endpoint import Endpoint
from tests.deliver.posting import NEW

#: As many threads as libuv looks names up on.
LOOP_THREADS = 4


@pytest.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    async with Endpoint() as endpoint:
        yield endpoint


@pytest.fixture
def silence(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Semaphore]:
    """The name servers of `*.silent.test` answer nobody; counts who is waiting for them."""
    waiting, over = threading.Semaphore(0), threading.Event()
    look_up = socket.getaddrinfo

    def hang(host: str, *given: int, **named: int) -> object:
        if host.endswith(".silent.test"):
            waiting.release()
            over.wait()
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure")
        if host.endswith(".test"):
            host = "127.0.0.1"
        return look_up(host, *given, **named)

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    yield waiting
    over.set()


@pytest.fixture
async def senders(
    endpoint: Endpoint,
    silence: threading.Semaphore,  # noqa: ARG001 - over before the loop waits for its threads
) -> AsyncIterator[list[Sender]]:
    """As the relay makes them: the last one's name has an address, the others' are silent."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(LOOP_THREADS))
    hosts = [f"n{number}.silent.test" for number in range(LOOP_THREADS)]
    settings = await asyncio.to_thread(_settings, [*hosts, "good.test"], endpoint.port)
    threads: list[ThreadExecutor] = []

    def executor(name: str) -> ThreadExecutor:
        threads.append(ThreadExecutor(name))
        return threads[-1]

    made = [
        await build_sender(
            destination, settings=settings, system=System.real(), executor=executor
        )
        for destination in settings.destinations
    ]
    yield made
    for sender in made:
        await sender.close()
    for thread in threads:
        thread.close()


def _settings(hosts: list[str], port: int) -> Settings:
    destinations = "".join(
        f"  - {{name: d{number}, kind: http, url: 'http://{host}:{port}/',"
        f" secret: {NEW},"
        " private: true, connect_timeout: 500ms}\n"
        for number, host in enumerate(hosts)
    )
    return parse(
        "sources: [{name: acme, secret: whsec_something}]\n"
        f"destinations:\n{destinations}",
        {},
        file="relay.yaml",
    )


async def test_names_that_nobody_answers_hold_up_no_other_destination(
    senders: list[Sender], silence: threading.Semaphore
) -> None:
    *stuck, good = senders
    loop, aside = asyncio.get_running_loop(), ThreadPoolExecutor(1)
    async with asyncio.TaskGroup() as tasks:
        tries = [tasks.create_task(sender.send([parcel()])) for sender in stuck]
        for _ in stuck:
            await loop.run_in_executor(aside, silence.acquire)
        assert isinstance(first(await good.send([parcel()])), Delivered)
    for outcome in (first(task.result()) for task in tries):
        assert isinstance(outcome, Failed)
        assert outcome.reason == "connect_timeout"
        assert outcome.duration_us < 3_000_000


async def test_the_system_gives_addresses_as_they_are_dialled() -> None:
    thread = ThreadExecutor("names")
    [found] = await SystemResolver(thread).resolve("localhost", 80, socket.AF_INET)
    thread.close()
    assert (found["hostname"], found["host"], found["port"], found["family"]) == (
        "localhost",
        "127.0.0.1",
        80,
        socket.AF_INET,
    )
