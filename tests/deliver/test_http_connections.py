"""The HTTP sender's connections: what is bounded, what is reused, and what breaks."""

import asyncio
import gzip
import json
import socket
import ssl
from collections.abc import AsyncIterator

import pytest
import trustme
from aiohttp.abc import ResolveResult

from relay.core.delivery import Delivered, Failed, Fault, Released
from relay.deliver.http import HttpSender
from tests.deliver.conformance import first, parcel
from tests.deliver.endpoint import OK, Connection, Endpoint, Request, answering
from tests.deliver.posting import SHORT_S, Names, fail, said, send, sender_to
from tests.deliver.tls import tls_server


@pytest.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    async with Endpoint() as endpoint:
        yield endpoint


@pytest.fixture
async def sender(endpoint: Endpoint) -> AsyncIterator[HttpSender]:
    sender = sender_to(endpoint.url)
    yield sender
    await sender.close()


@pytest.fixture
async def hasty(endpoint: Endpoint) -> AsyncIterator[HttpSender]:
    """A sender with little patience."""
    sender = sender_to(endpoint.url, total_timeout_s=SHORT_S)
    yield sender
    await sender.close()


class TestBounds:
    async def test_an_excerpt_is_kept_up_to_its_limit(
        self, sender: HttpSender, endpoint: Endpoint
    ) -> None:
        endpoint.answer = answering(said(500, body=b"x" * 1024))
        for _ in range(2):
            assert (await fail(sender)).excerpt == b"x" * 1024
        assert len(endpoint.connections) == 1

    @pytest.mark.parametrize("status", [200, 500])
    async def test_a_longer_body_ends_the_connection(
        self, sender: HttpSender, endpoint: Endpoint, status: int
    ) -> None:
        endpoint.answer = answering(said(status, body=b"x" * 300_000))
        outcome = await send(sender)
        await endpoint.ended.wait()
        assert status == getattr(outcome, "status", None)
        if isinstance(outcome, Failed):
            assert outcome.excerpt == b"x" * 1024

    async def test_an_endless_body_is_left_at_once(
        self, sender: HttpSender, endpoint: Endpoint
    ) -> None:
        async def pour(_request: Request, connection: Connection) -> None:
            await connection.say(said(500)[:-2].replace(b": 0", b": 99999999999"))
            await connection.say(b"\r\n")
            while not connection.writer.is_closing():
                await connection.say(b"x" * 65536)
            raise ConnectionResetError

        endpoint.answer = pour
        outcome = await fail(sender)
        assert (outcome.reason, len(outcome.excerpt)) == ("status_500", 1024)
        assert outcome.duration_us < 2_000_000
        await endpoint.ended.wait()

    async def test_headers_that_do_not_come_are_waited_for_only_so_long(
        self, hasty: HttpSender, endpoint: Endpoint
    ) -> None:
        endpoint.answer = answering(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        outcome = await fail(hasty)
        assert (outcome.reason, outcome.fault) == ("timeout", Fault.DESTINATION)
        assert outcome.duration_us < 3_000_000
        await endpoint.ended.wait()

    async def test_a_few_provisional_answers_are_heard_and_passed_over(
        self, hasty: HttpSender, endpoint: Endpoint
    ) -> None:
        hints = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 16
        endpoint.answer = answering(
            hints + b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
        )
        assert isinstance(await send(hasty), Delivered)
        assert isinstance(await send(hasty), Delivered)

    async def test_a_flood_of_provisional_answers_is_hung_up_on(
        self, hasty: HttpSender, endpoint: Endpoint
    ) -> None:
        async def chatter(_request: Request, connection: Connection) -> None:
            while not connection.writer.is_closing():
                await connection.say(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100)
            raise ConnectionResetError

        endpoint.answer = chatter
        assert (await fail(hasty)).reason == "malformed_response"
        await endpoint.ended.wait()

    async def test_a_body_that_dawdles_does_not_undo_its_status(
        self, hasty: HttpSender, endpoint: Endpoint
    ) -> None:
        late = b"HTTP/1.1 %d Word\r\nContent-Length: 100\r\n\r\nsome"
        endpoint.answer = answering(late % 200)
        assert isinstance(await send(hasty), Delivered)
        endpoint.answer = answering(late % 500)
        outcome = await fail(hasty)
        assert (outcome.reason, outcome.excerpt) == ("status_500", b"some")

    async def test_a_peer_that_reads_nothing_is_left_in_time(self) -> None:
        async def deaf(_request: Request, connection: Connection) -> None:
            connection.writer.transport.pause_reading()  # type: ignore[attr-defined] # a read transport, typed as a write one
            await asyncio.Event().wait()

        async with Endpoint(deaf, reads=False) as endpoint:
            sender = sender_to(endpoint.url, total_timeout_s=SHORT_S)
            large = parcel(output=json.dumps("x" * 20_000_000))
            outcome = first(await sender.send([large]))
            await sender.close()
        assert isinstance(outcome, Failed)
        assert outcome.reason == "timeout"

    async def test_an_answer_before_the_body_is_read_is_an_answer(self) -> None:
        async def refuse(_request: Request, connection: Connection) -> None:
            await connection.say(said(413, "Connection: close"))
            while await connection.reader.read(65536):
                pass
            raise ConnectionResetError

        async with Endpoint(refuse, reads=False) as endpoint:
            sender = sender_to(endpoint.url)
            large = parcel(output=json.dumps("x" * 5_000_000))
            outcome = first(await sender.send([large]))
            await sender.close()
        assert isinstance(outcome, Failed)
        assert outcome.reason == "status_413"

    @pytest.mark.parametrize(
        "head",
        [
            pytest.param(b"X-Long: " + b"x" * 200_000, id="one long header"),
            pytest.param(b"X-Short: x\r\n" * 5_000, id="many short headers"),
        ],
    )
    async def test_a_bomb_of_headers_is_refused(
        self, sender: HttpSender, endpoint: Endpoint, head: bytes
    ) -> None:
        endpoint.answer = answering(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n")
        outcome = await fail(sender)
        assert outcome.reason == "malformed_response"
        assert (outcome.fault, len(outcome.detail) < 201) == (Fault.DESTINATION, True)

    async def test_a_compressed_body_is_not_inflated(
        self, sender: HttpSender, endpoint: Endpoint
    ) -> None:
        bomb = gzip.compress(b"\0" * 500_000)
        assert len(bomb) < 1024
        endpoint.answer = answering(said(500, "Content-Encoding: gzip", body=bomb))
        assert bomb == (await fail(sender)).excerpt

    async def test_no_more_connections_than_calls_at_once(
        self, endpoint: Endpoint
    ) -> None:
        sender = sender_to(endpoint.url, concurrency=2)
        async with asyncio.TaskGroup() as group:
            for number in range(20):
                group.create_task(send(sender, number))
        await sender.close()
        assert len(endpoint.requests) == 20
        assert len(endpoint.connections) <= 2


class TestConnections:
    async def test_a_connection_is_kept(
        self, sender: HttpSender, endpoint: Endpoint
    ) -> None:
        for number in range(5):
            await send(sender, number)
        assert len(endpoint.connections) == 1

    @pytest.mark.parametrize("ending", ["closed", "reset"])
    async def test_a_stale_connection_costs_no_failure(
        self, sender: HttpSender, endpoint: Endpoint, ending: str
    ) -> None:
        """A server may close what it kept, just as the next request is under way."""

        async def close_on_second(_request: Request, connection: Connection) -> None:
            if connection.requests == 1:
                await connection.say(OK)
            elif ending == "reset":
                connection.reset()
            else:
                connection.hang_up()

        endpoint.answer = close_on_second
        for number in range(1, 5):
            assert isinstance(await send(sender, number), Delivered)
        ids = [request.headers["webhook-id"] for request in endpoint.requests]
        one, lost_two, two, three, lost_four, four = ids
        assert (lost_two, lost_four) == (two, four)
        assert len({one, two, three, four}) == 4

    async def test_a_whole_pool_of_stale_connections_costs_no_failure(
        self, sender: HttpSender, endpoint: Endpoint
    ) -> None:
        together = asyncio.Barrier(4)

        async def answer(_request: Request, connection: Connection) -> None:
            if connection.requests == 1:
                if len(endpoint.requests) <= 4:
                    await together.wait()
                await connection.say(OK)
            else:
                connection.reset()

        endpoint.answer = answer
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(send(sender, number)) for number in range(4)]
        assert [Delivered] * 4 == [type(task.result()) for task in tasks]
        assert isinstance(await send(sender, 5), Delivered)
        assert len(endpoint.requests) == 6

    async def test_a_fresh_connection_that_breaks_is_not_tried_again(
        self, sender: HttpSender, endpoint: Endpoint
    ) -> None:
        async def reset(_request: Request, connection: Connection) -> None:
            connection.reset()

        endpoint.answer = reset
        outcome = await fail(sender)
        assert (outcome.reason, outcome.fault) == ("reset", Fault.DESTINATION)
        assert len(endpoint.requests) == 1

    async def test_a_stale_connection_is_tried_again_only_once(
        self, sender: HttpSender, endpoint: Endpoint
    ) -> None:
        await send(sender)

        async def reset(_request: Request, connection: Connection) -> None:
            connection.reset()

        endpoint.answer = reset
        assert (await fail(sender)).reason == "reset"
        assert len(endpoint.requests) == 3

    async def test_both_goes_share_one_limit_of_time(
        self, hasty: HttpSender, endpoint: Endpoint
    ) -> None:
        async def stale_then_silent(_request: Request, connection: Connection) -> None:
            if connection.requests > 1:
                loop = asyncio.get_running_loop()
                loop.call_later(SHORT_S * 0.8, connection.reset)
            elif len(endpoint.requests) == 1:
                await connection.say(OK)
            else:
                await asyncio.Event().wait()

        endpoint.answer = stale_then_silent
        await send(hasty)
        outcome = await fail(hasty)
        assert outcome.reason == "timeout"
        assert SHORT_S * 0.9 < outcome.duration_us / 1e6 < SHORT_S * 1.6

    async def test_a_reset_in_the_middle_of_an_answer_is_a_failure(
        self, sender: HttpSender, endpoint: Endpoint
    ) -> None:
        async def half(_request: Request, connection: Connection) -> None:
            await connection.say(b"HTTP/1.1 200 OK\r\nContent-")
            connection.hang_up()

        endpoint.answer = half
        outcome = await fail(sender)
        assert (outcome.reason, outcome.fault) == ("reset", Fault.DESTINATION)

    async def test_what_is_not_http_is_a_failure(
        self, sender: HttpSender, endpoint: Endpoint
    ) -> None:
        endpoint.answer = answering(b"SSH-2.0-OpenSSH_9.9\r\n\r\n")
        outcome = await fail(sender)
        assert outcome.reason == "malformed_response"
        assert outcome.fault is Fault.DESTINATION

    async def test_a_refused_connection_is_a_failure(self) -> None:
        async with Endpoint() as endpoint:
            url = endpoint.url
        sender = sender_to(url)
        outcome = await fail(sender)
        await sender.close()
        assert (outcome.reason, outcome.fault) == ("connect", Fault.DESTINATION)
        assert "ECONNREFUSED" in outcome.detail

    async def test_a_name_that_is_long_in_coming_is_given_up(self) -> None:
        class Silent(Names):
            async def resolve(
                self,
                host: str,
                port: int = 0,
                family: socket.AddressFamily = socket.AF_UNSPEC,
            ) -> list[ResolveResult]:
                await asyncio.Event().wait()
                return await super().resolve(host, port, family)

        sender = sender_to(
            "http://orders.test/", connect_timeout_s=0.1, resolver=Silent({})
        )
        outcome = await fail(sender)
        await sender.close()
        assert (outcome.reason, outcome.fault) == ("connect_timeout", Fault.DESTINATION)

    async def test_a_handshake_that_is_long_in_coming_is_given_up(self) -> None:
        async with Endpoint() as endpoint:
            url = endpoint.url.replace("http:", "https:")
            sender = sender_to(url, connect_timeout_s=0.1)
            outcome = await fail(sender)
            await sender.close()
        assert outcome.reason == "connect_timeout"

    async def test_closing_gives_back_what_is_under_way(
        self, sender: HttpSender, endpoint: Endpoint
    ) -> None:
        async def wait(_request: Request, _connection: Connection) -> None:
            await asyncio.Event().wait()

        endpoint.answer = wait
        async with asyncio.TaskGroup() as group:
            task = group.create_task(send(sender))
            await endpoint.asked.wait()
            await sender.close()
        assert task.result() == Released()


class TestTls:
    @pytest.fixture
    def authority(self) -> trustme.CA:
        return trustme.CA()

    @pytest.fixture
    async def secure(self, authority: trustme.CA) -> AsyncIterator[str]:
        async with tls_server(authority, "127.0.0.1") as url:
            yield url

    async def test_a_trusted_certificate_is_accepted(
        self, authority: trustme.CA, secure: str
    ) -> None:
        trust = ssl.create_default_context()
        authority.configure_trust(trust)
        sender = sender_to(secure, tls=trust)
        assert isinstance(await send(sender), Delivered)
        await sender.close()

    async def test_an_unknown_authority_is_refused(self, secure: str) -> None:
        sender = sender_to(secure)
        outcome = await fail(sender)
        await sender.close()
        assert (outcome.reason, outcome.fault) == ("tls", Fault.DESTINATION)
        assert "certificate" in outcome.detail

    async def test_a_certificate_for_another_name_is_refused(
        self, authority: trustme.CA, secure: str
    ) -> None:
        trust = ssl.create_default_context()
        authority.configure_trust(trust)
        sender = sender_to(
            secure.replace("127.0.0.1", "orders.test"),
            tls=trust,
            resolver=Names({"orders.test": [["127.0.0.1"]]}),
        )
        outcome = await fail(sender)
        await sender.close()
        assert outcome.reason == "tls"


async def test_to_reach_is_to_connect_and_to_send_nothing(
    sender: HttpSender, endpoint: Endpoint
) -> None:
    assert isinstance(await sender.reach(), Delivered)
    await endpoint.ended.wait()
    assert (len(endpoint.connections), endpoint.requests) == (1, [])
    await sender.close()
    assert await sender.reach() == Released()
