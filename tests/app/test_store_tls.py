"""The shared store over TLS: it works, and what does not is said in words that name the setting."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
import trustme

from relay.app import stores
from relay.app.service import Service
from relay.app.stores import read_ledger
from relay.core.errors import MisconfiguredError, StoreBusyError
from tests.acceptance.relays import SECRET
from tests.app.relaying import CONFIG, holds, post, settings_of
from tests.postgres.local_postgres import LocalPostgres
from tests.postgres.tls import CERTIFIED, Client, TlsPostgres

pytestmark = pytest.mark.postgres


@pytest.fixture(scope="module")
def tls_server(pytestconfig: pytest.Config) -> Iterator[TlsPostgres]:
    with TlsPostgres(pytestconfig.getoption("--postgres")) as server:
        yield server


@pytest.fixture
async def server(tls_server: TlsPostgres) -> AsyncIterator[TlsPostgres]:
    """A server with one empty database for each way to enter."""
    names = ("relay", CERTIFIED)
    for name in names:
        await tls_server.create_database(name)
    yield tls_server
    for name in names:
        await tls_server.drop_database(name)


@pytest.fixture
def client(server: TlsPostgres, tmp_path: Path) -> Client:
    return Client.of(server.authority, tmp_path / "tls", name="relay")


def url(server: LocalPostgres, database: str = "relay", /, **parameters: object) -> str:
    return f"{server.url(database)}?{urlencode(parameters)}"


async def serves(directory: Path, store: str) -> None:
    """A callback goes all the way."""
    settings = await settings_of(directory, store)
    async with Service(settings) as service:
        assert await post(service, 1) == 202
        await holds(directory / "audit.jsonl", 1)
    assert (await read_ledger(settings)).destinations["audit"].delivered == 1


async def refusal(directory: Path, store: str) -> str:
    """What a start that cannot work says."""
    settings = await settings_of(directory, store)
    with pytest.raises(MisconfiguredError) as told:
        async with Service(settings):
            pass
    assert str(told.value).startswith("store postgresql://")
    return str(told.value)


@pytest.mark.parametrize("mode", ["require", "verify-ca", "verify-full"])
async def test_a_server_with_a_certificate_is_used(
    mode: str, server: TlsPostgres, client: Client, tmp_path: Path
) -> None:
    store = url(server, sslmode=mode, sslrootcert=client.sslrootcert)
    await serves(tmp_path, store)


async def test_a_certificate_of_ones_own_opens_without_a_password(
    server: TlsPostgres, client: Client, tmp_path: Path
) -> None:
    store = url(
        server,
        CERTIFIED,
        sslmode="verify-full",
        sslrootcert=client.sslrootcert,
        sslcert=client.sslcert,
        sslkey=client.sslkey,
    )
    await serves(tmp_path, store.replace(f":{server.password}", ""))


async def test_a_server_of_another_authority_is_refused(
    server: TlsPostgres, tmp_path: Path
) -> None:
    other = Client.of(trustme.CA(), tmp_path / "other", name="relay")
    store = url(server, sslmode="verify-full", sslrootcert=other.sslrootcert)
    said = await refusal(tmp_path, store)
    assert "certificate is refused" in said
    assert "sslrootcert" in said


async def test_a_server_of_another_name_is_refused(
    server: TlsPostgres, client: Client, tmp_path: Path
) -> None:
    store = url(server, sslmode="verify-full", sslrootcert=client.sslrootcert)
    said = await refusal(tmp_path, store.replace("@127.0.0.1", "@localhost"))
    assert "not valid for 'localhost'" in said
    assert "sslmode" in said


async def test_a_server_that_insists_on_tls_says_so(
    server: TlsPostgres, tmp_path: Path
) -> None:
    said = await refusal(tmp_path, url(server, sslmode="disable"))
    assert "refuses who comes without TLS (see sslmode)" in said


async def test_a_server_without_tls_is_no_server_for_who_asks_for_it(
    postgres: LocalPostgres, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    said = await refusal(tmp_path, url(postgres, "postgres", sslmode="require"))
    assert pytestconfig.getoption("--postgres")
    assert "offers no TLS, and sslmode asks for it" in said


async def test_a_certificate_of_another_authority_does_not_open(
    server: TlsPostgres,
    client: Client,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Since TLS 1.3 the server hangs up without a word: it could be anything, and is tried again."""
    monkeypatch.setattr(stores, "START_S", 0.0)
    other = Client.of(trustme.CA(), tmp_path / "other", name="relay")
    store = url(
        server,
        CERTIFIED,
        sslmode="verify-full",
        sslrootcert=client.sslrootcert,
        sslcert=other.sslcert,
        sslkey=other.sslkey,
    )
    with pytest.raises(StoreBusyError, match=r"store postgresql.*hangs up.*sslcert"):
        await serves(tmp_path, store)


async def test_who_shows_no_certificate_is_told_that_one_is_asked_for(
    server: TlsPostgres, client: Client, tmp_path: Path
) -> None:
    store = url(
        server, CERTIFIED, sslmode="verify-full", sslrootcert=client.sslrootcert
    )
    assert "valid client certificate" in await refusal(tmp_path, store)


@pytest.mark.parametrize("missing", ["sslrootcert", "sslcert", "sslkey"])
async def test_a_file_that_is_not_there_is_named(
    missing: str, server: TlsPostgres, client: Client, tmp_path: Path
) -> None:
    files = {
        "sslrootcert": client.sslrootcert,
        "sslcert": client.sslcert,
        "sslkey": client.sslkey,
        missing: "/nowhere/file.pem",
    }
    said = await refusal(tmp_path, url(server, sslmode="verify-full", **files))
    assert "sslrootcert" in said


async def test_a_key_of_another_certificate_is_said_to_be_one(
    server: TlsPostgres, client: Client, tmp_path: Path
) -> None:
    other = Client.of(server.authority, tmp_path / "other", name="relay")
    store = url(
        server,
        sslmode="verify-full",
        sslrootcert=client.sslrootcert,
        sslcert=client.sslcert,
        sslkey=other.sslkey,
    )
    assert "cannot be used: KEY_VALUES_MISMATCH" in await refusal(tmp_path, store)


def test_no_word_of_a_refused_start_holds_the_password(
    server: TlsPostgres, tmp_path: Path
) -> None:
    config = tmp_path / "relay.yaml"
    store = url(server, sslmode="disable")
    config.write_text(
        CONFIG.format(directory=tmp_path, store=store, secret=SECRET, file="audit")
    )
    for verb in ("serve", "check", "ledger"):
        said = subprocess.run(
            [sys.executable, "-m", "relay", verb, "--config", str(config)],
            capture_output=True,
            text=True,
            check=False,
            timeout=20,
            env={**os.environ},
        )
        assert (verb, said.returncode) == (verb, 0 if verb == "check" else 2)
        assert server.password not in said.stdout + said.stderr
        assert "Traceback" not in said.stderr


async def test_nobody_waits_for_a_server_that_will_never_do(
    server: TlsPostgres, tmp_path: Path
) -> None:
    async with asyncio.timeout(5):
        await refusal(tmp_path, url(server, sslmode="disable"))
