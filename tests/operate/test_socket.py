"""The socket is its owner's alone, takes the place of a dead one, and goes when the relay does."""

import asyncio
import os
import socket
import stat
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from structlog.testing import capture_logs

from relay.app.service import Service
from relay.operate.socket import PATH_BYTES_MAX, Socket, reachable, socket_of
from tests.app.relaying import post, settings_of


async def _hello(_: web.Request) -> web.Response:
    return web.Response(text="hello")


def made(path: Path) -> Socket:
    return Socket(path, [web.get("/", _hello)])


async def said(path: Path) -> str:
    with reachable(path) as name:
        connector = aiohttp.UnixConnector(path=name)
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.get("http://relay/") as answer,
        ):
            return await answer.text()


def test_it_is_named_after_the_store() -> None:
    assert socket_of(Path("/var/lib/relay.db")) == Path("/var/lib/relay.sock")
    assert socket_of(Path("/var/lib/other")) == Path("/var/lib/other.sock")


async def test_nobody_but_its_owner_may_use_it(tmp_path: Path) -> None:
    """Whatever the process lets others do with its files."""
    path = tmp_path / "relay.sock"
    before = os.umask(0)
    try:
        served = made(path)
        await served.start()
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert await said(path) == "hello"
    await served.close()
    assert not path.exists()


async def test_what_a_dead_process_left_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "relay.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    served = made(path)
    await served.start()
    assert await said(path) == "hello"
    await served.close()


async def test_a_file_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "relay.sock"
    path.write_text("somebody's")
    served = made(path)
    with pytest.raises(OSError, match="no socket"):
        await served.start()
    await served.close()
    assert path.read_text() == "somebody's"


async def test_a_path_longer_than_an_address_is_reached_all_the_same(
    tmp_path: Path,
) -> None:
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    path = folder / "relay.sock"
    assert len(os.fsencode(path)) > PATH_BYTES_MAX
    served = made(path)
    await served.start()
    assert await said(path) == "hello"
    await served.close()
    assert list(folder.iterdir()) == []


async def test_a_name_longer_than_an_address_is_refused(tmp_path: Path) -> None:
    served = made(tmp_path / f"{'long' * 30}.sock")
    with pytest.raises(OSError, match="107 bytes"):
        await served.start()
    await served.close()


async def test_each_store_has_its_own_and_leaves_with_its_relay(tmp_path: Path) -> None:
    one = await settings_of(tmp_path / "one", "sqlite:///relay.db")
    other = await settings_of(tmp_path / "other", "sqlite:///relay.db")
    paths = [socket_of(settings.store_path) for settings in (one, other)]
    async with Service(one):
        async with Service(other):
            assert [path.is_socket() for path in paths] == [True, True]
        assert [path.is_socket() for path in paths] == [True, False]
    assert [path.exists() for path in paths] == [False, False]


async def test_a_relay_without_a_socket_takes_callbacks_and_says_so(
    tmp_path: Path,
) -> None:
    settings = await settings_of(tmp_path, "sqlite:///relay.db")
    socket_of(settings.store_path).mkdir()
    with capture_logs() as lines:
        async with Service(settings) as service:
            assert await post(service, 1) == 202
    [line] = [line for line in lines if line["event"] == "socket.unavailable"]
    assert line["path"] == str(tmp_path / "relay.sock")
    await asyncio.to_thread(socket_of(settings.store_path).rmdir)
