"""Whether a destination can be delivered to, by the way that deliveries take."""

import asyncio

import pytest
import trustme

from relay.app.checks import check_online
from relay.app.system import System
from relay.core.ping import PING_TYPE
from tests.app.checks.looking import Names, Scene, only
from tests.deliver.endpoint import Connection, Endpoint, Request, answering
from tests.deliver.proxy import ConnectProxy
from tests.deliver.tls import tls_server
from tests.kafka_fixtures import Kafka, read_topic
from tests.places import free_port


def _says(status: str) -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode()


@pytest.mark.parametrize("form", ["cloudevents", "data"])
async def test_a_test_event_is_sent_only_where_that_was_asked_for(
    scene: Scene, form: str
) -> None:
    async with Endpoint() as endpoint:
        scene.send_to(endpoint.url, more=f"private: true, format: {form}")
        silent = only(await scene.look(), "destination")
        assert (silent.result, endpoint.requests) == ("ok", [])
        assert "nothing sent" in silent.found
        sent = only(await scene.look(send=True), "destination")
    assert (sent.result, len(endpoint.requests)) == ("ok", 1)
    assert "took a test event (200, " in sent.found
    assert (PING_TYPE.encode() in endpoint.requests[0].body) == (form == "cloudevents")


async def test_a_handler_of_runflows_own_callbacks_is_sent_none(scene: Scene) -> None:
    """It would take whatever it got for the end of a run."""
    async with Endpoint() as endpoint:
        scene.send_to(endpoint.url, more="private: true, format: runflow")
        one = only(await scene.look(send=True), "destination")
    assert (one.result, endpoint.requests) == ("ok", [])
    assert "no test event in `format: runflow`" in one.found


@pytest.mark.parametrize(
    "status,remedy",
    [
        ("401 Unauthorized", "its `secret`, `auth` or `headers`"),
        ("400 Bad Request", "has it the same `secret`?"),
        ("403 Forbidden", "its `secret`, `auth` or `headers`"),
        ("404 Not Found", "the path in its `url`"),
        ("405 Method Not Allowed", "takes a POST"),
        ("410 Gone", "take the destination out"),
        ("308 Permanent Redirect", "where it redirects to"),
        ("429 Too Many Requests", "lower its `rate`"),
        ("500 Internal Server Error", "look at its log"),
    ],
)
async def test_what_an_endpoint_answers_a_test_event_with(
    scene: Scene, status: str, remedy: str
) -> None:
    async with Endpoint(answering(_says(status))) as endpoint:
        scene.send_to(endpoint.url)
        one = only(await scene.look(send=True), "destination")
    assert (one.result, remedy in one.remedy) == ("failed", True)
    assert status[:3] in one.found or "gone" in one.found


async def test_an_endpoint_that_hangs_up(scene: Scene) -> None:
    async def hang_up(_request: Request, connection: Connection) -> None:
        connection.hang_up()

    async with Endpoint(hang_up) as endpoint:
        scene.send_to(endpoint.url)
        one = only(await scene.look(send=True), "destination")
    assert (one.result, one.found.startswith("reset")) == ("failed", True)
    assert "closes the connection without an answer" in one.remedy


async def test_an_endpoint_that_takes_its_time(scene: Scene) -> None:
    async def silent(_request: Request, _connection: Connection) -> None:
        await asyncio.Event().wait()

    async with Endpoint(silent) as endpoint:
        scene.send_to(endpoint.url, more="private: true, timeout: 300ms")
        one = only(await scene.look(send=True), "destination")
    assert (one.result, one.found.startswith("timeout")) == ("failed", True)
    assert "raise its `timeout`" in one.remedy


async def test_an_answer_that_is_no_http(scene: Scene) -> None:
    async def mumble(_request: Request, connection: Connection) -> None:
        await connection.say(b"220 mail.example.com ESMTP\r\n")
        connection.hang_up()

    async with Endpoint(mumble) as endpoint:
        scene.send_to(endpoint.url)
        one = only(await scene.look(send=True), "destination")
    assert (one.result, "no HTTP" in one.remedy) == ("failed", True)


@pytest.mark.parametrize("send", [False, True])
async def test_an_endpoint_where_nobody_listens(scene: Scene, *, send: bool) -> None:
    scene.send_to(f"http://127.0.0.1:{free_port()}/")
    one = only(await scene.look(send=send), "destination")
    assert (one.result, one.found.startswith("connect: ")) == ("failed", True)
    assert "firewalls" in one.remedy


@pytest.mark.parametrize("send", [False, True])
async def test_an_address_that_is_not_allowed_is_not_dialled(
    scene: Scene, names: Names, *, send: bool
) -> None:
    """A name is judged where it is dialled: no configuration shows where it leads."""
    names["orders.internal"] = "127.0.0.1"
    async with Endpoint() as endpoint:
        url = endpoint.url.replace("127.0.0.1", "orders.internal")
        scene.send_to(url, more="private: [10.0.0.0/8]")
        one = only(await scene.look(send=send), "destination")
    assert endpoint.connections == []
    assert (one.result, one.found) == (
        "failed",
        "blocked_address: loopback address 127.0.0.1",
    )
    assert "private: true" in one.remedy


@pytest.mark.usefixtures("names")
async def test_a_name_that_nobody_knows(scene: Scene) -> None:
    scene.public_url = "http://relay.internal"
    scene.send_to("http://orders.internal/")
    found = await scene.look()
    one = only(found, "destination")
    assert (one.result, one.found.startswith("dns: ")) == ("failed", True)
    assert "DNS record" in one.remedy
    way = only(found, "callbacks")
    assert (way.result, "does not resolve" in way.found) == ("failed", True)
    assert way.remedy == "set its DNS record"


@pytest.mark.parametrize("send", [False, True])
async def test_a_certificate_of_nobody_that_is_trusted(
    scene: Scene, *, send: bool
) -> None:
    async with tls_server(trustme.CA(), "127.0.0.1") as url:
        scene.send_to(url)
        one = only(await scene.look(send=send), "destination")
    assert (one.result, one.found.startswith("tls: ")) == ("failed", True)
    assert "tls.ca" in one.remedy


@pytest.mark.parametrize("send", [False, True])
async def test_the_way_leads_through_the_proxy_that_is_configured(
    scene: Scene, *, send: bool
) -> None:
    async with Endpoint() as endpoint, ConnectProxy() as proxy:
        more = f'private: true, proxy: {{url: "http://127.0.0.1:{proxy.port}"}}'
        scene.send_to(endpoint.url, more=more)
        good = only(await scene.look(send=send), "destination")
        proxy.says = b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"
        bad = only(await scene.look(send=send), "destination")
        assert proxy.targets == [f"127.0.0.1:{endpoint.port}"] * 2
    assert (good.result, bad.result) == ("ok", "failed")
    assert "407" in bad.found
    assert "proxy.url" in bad.remedy


@pytest.mark.parametrize("send", [False, True])
async def test_a_connection_that_never_stands(scene: Scene, *, send: bool) -> None:
    async def silent(_request: Request, _connection: Connection) -> None:
        await asyncio.Event().wait()

    async with Endpoint(silent) as hole:
        more = f'private: true, proxy: {{url: "http://127.0.0.1:{hole.port}"}}, connect_timeout: 100ms'
        scene.send_to("http://127.0.0.1:9/", more=more)
        one = only(await scene.look(send=send), "destination")
    assert (one.result, one.found.partition(":")[0]) == ("failed", "connect_timeout")
    assert "swallows packets" in one.remedy


async def test_a_destination_without_a_key_in_force(scene: Scene) -> None:
    async with Endpoint() as endpoint:
        scene.send_to(endpoint.url)
        [one] = scene.destinations
        key = (
            "secrets: [{id: s1, secret: '${SIGNING}', not_after: 2020-01-01T00:00:00Z}]"
        )
        scene.destinations = [one.replace('secret: "${SIGNING}"', key)]
        found = only(await scene.look(send=True), "destination")
    assert (found.result, endpoint.requests) == ("failed", [])
    assert "not_after" in found.remedy


async def test_tls_files_that_went_away_after_they_were_read(scene: Scene) -> None:
    ca = scene.directory / "ca.pem"
    trustme.CA().cert_pem.write_to_path(ca)
    scene.send_to("https://127.0.0.1:1/", more=f"private: true, tls: {{ca: {ca}}}")
    settings = await scene.settings()
    ca.unlink()
    found = await check_online(settings, system=System.real(), send=False)
    one = only(found, "destination")
    assert (one.result, "TLS files" in one.found) == ("failed", True)
    assert "tls.ca" in one.remedy


async def test_a_file_is_never_written_to(scene: Scene) -> None:
    path = scene.directory / "events.jsonl"
    path.write_text('{"id":"1"}\n')
    one = only(await scene.look(send=True), "destination")
    assert (one.result, path.read_text()) == ("ok", '{"id":"1"}\n')


async def test_a_file_below_what_is_no_folder(scene: Scene) -> None:
    (scene.directory / "file").touch()
    scene.destinations = ["{name: audit, kind: file, path: file/events.jsonl}"]
    one = only(await scene.look(), "destination")
    assert (one.result, "stands in the way" in one.found) == ("failed", True)
    assert "`path`" in one.remedy


async def test_a_folder_that_this_user_may_not_write_to(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who runs as root may write anywhere; the system's answer is another one here."""
    monkeypatch.setattr("os.access", lambda *_, **__: False)
    one = only(await scene.look(), "destination")
    assert (one.result, "may not write there" in one.found) == ("failed", True)
    assert "rights of the user" in one.remedy


async def test_a_broker_that_is_not_there(scene: Scene) -> None:
    scene.destinations = [
        f'{{name: lake, kind: kafka, bootstrap_servers: "127.0.0.1:{free_port()}", topic: t}}'
    ]
    one = only(await scene.look(), "destination")
    assert (one.result, "cannot connect to" in one.found) == ("failed", True)
    assert "firewalls" in one.remedy


@pytest.mark.kafka
async def test_a_topic_is_described_and_written_to_only_where_that_was_asked_for(
    scene: Scene, kafka: Kafka, topic: str
) -> None:
    servers = kafka.broker.address("CLIENT")
    scene.destinations = [
        f'{{name: lake, kind: kafka, bootstrap_servers: "{servers}", topic: {topic}, omit: [output]}}'
    ]
    silent = only(await scene.look(), "destination")
    assert silent.result == "ok"
    assert f"topic {topic}: 3 partitions, records to 1MiB; nothing sent" in silent.found
    assert await read_topic(kafka, topic) == []
    sent = only(await scene.look(send=True), "destination")
    [record] = await read_topic(kafka, topic)
    assert (sent.result, "took a test event" in sent.found) == ("ok", True)
    assert dict(record.headers)["ce_type"] == PING_TYPE.encode()


@pytest.mark.kafka
async def test_a_topic_that_takes_less_than_callbacks_may_have(
    scene: Scene, kafka: Kafka, topic: str
) -> None:
    servers = kafka.broker.address("CLIENT")
    scene.destinations = [
        f'{{name: lake, kind: kafka, bootstrap_servers: "{servers}", topic: {topic}}}'
    ]
    one = only(await scene.look(), "destination")
    assert (one.result, "callbacks may have 6MiB" in one.found) == ("warning", True)
    assert "max.message.bytes" in one.remedy


@pytest.mark.kafka
async def test_a_topic_that_is_not_there_is_not_made(
    scene: Scene, kafka: Kafka
) -> None:
    servers = kafka.broker.address("CLIENT")
    scene.destinations = [
        f'{{name: lake, kind: kafka, bootstrap_servers: "{servers}", topic: nowhere}}'
    ]
    one = only(await scene.look(send=True), "destination")
    assert (one.result, one.found) == ("failed", 'topic "nowhere" does not exist')
    assert "docs/consuming.md#from-kafka" in one.remedy
    assert only(await scene.look(), "destination") == one
