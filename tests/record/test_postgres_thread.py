"""The store's own loop ends without leaving anything behind."""

import asyncio
import gc
import socket
import ssl
import threading
import warnings

import pytest
import trustme

from relay.record.postgres.thread import LoopThread


def _named(name: str) -> threading.Thread:
    [found] = [one for one in threading.enumerate() if one.name == name]
    return found


async def _ended(thread: threading.Thread) -> None:
    await asyncio.to_thread(thread.join, 10)
    assert not thread.is_alive()


async def test_the_loop_ends_when_what_was_closed_there_has_said_goodbye(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """TLS waits for an answer: who leaves before it leaves an open socket."""
    monkeypatch.setattr("relay.record.postgres.thread.GOODBYE_S", 60.0)
    authority = trustme.CA()
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(serving)
    calling = ssl.create_default_context()
    authority.configure_trust(calling)
    answer = threading.Event()

    def serve(listening: socket.socket) -> None:
        plain, _ = listening.accept()
        with serving.wrap_socket(plain, server_side=True) as taken:
            taken.send(b"!")
            answer.wait(10)

    async def dial(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=calling)
        await reader.readexactly(1)
        writer.close()

    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        warnings.catch_warnings(record=True) as heard,
    ):
        warnings.simplefilter("always")
        server = asyncio.get_running_loop().create_task(
            asyncio.to_thread(serve, listening)
        )
        thread = LoopThread("goodbye")
        running = _named("goodbye")
        await thread.run(dial(listening.getsockname()[1]))
        thread.close()
        await asyncio.to_thread(running.join, 0.05)
        assert running.is_alive()
        answer.set()
        await _ended(running)
        await server
        del thread
        gc.collect()
    assert [str(one.message) for one in heard] == []


async def test_what_still_runs_there_is_cancelled_and_waited_for() -> None:
    begun = threading.Event()
    ended: list[str] = []

    async def work() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.shield(asyncio.to_thread(int))
            ended.append("work")

    thread = LoopThread("cancelled")
    serving = _named("cancelled")
    running = asyncio.get_running_loop().create_task(thread.run(work()))
    assert await asyncio.to_thread(begun.wait, 10)
    thread.close()
    await _ended(serving)
    assert ended == ["work"]
    [said] = await asyncio.gather(running, return_exceptions=True)
    assert isinstance(said, asyncio.CancelledError)
