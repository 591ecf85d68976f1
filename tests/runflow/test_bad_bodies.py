"""Whatever comes in the place of a run has a name."""

import gzip
import json
import zlib
from collections.abc import Awaitable, Callable

import pytest

from relay.runflow import Runflow
from relay.runflow.errors import (
    NotJsonError,
    TooLargeError,
    TruncatedError,
    UnexpectedShapeError,
    WrongContentError,
    WrongRunError,
)
from tests.deliver.endpoint import Connection, Endpoint, Request, answering
from tests.runflow.faults import HEAD, RUN, fault_of, fault_of_endpoint
from tests.runflow.upstream import Reply, Upstream, any_run, client_of


class TestBodies:
    @pytest.mark.parametrize(
        "body",
        [
            '{"id": "a", "status_c',
            '{"id": "a", "cost": 1.',
            '{"id": "a", "cost": -',
            '{"id": "a", "has_logs": tru',
            '{"id": "a\\u00',
            '{"id": "a",',
            '{"id": "a"',
            '{"id"',
            "{",
        ],
    )
    async def test_json_that_ends_in_the_middle_is_truncated(
        self, upstream: Upstream, client: Runflow, body: str
    ) -> None:
        upstream.says(Reply(body=body.encode()))
        fault = await fault_of(client)
        assert (type(fault), fault.reason) == (TruncatedError, "truncated")

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"oops",
            b"{oops}",
            b'{"a": 1} {"b": 2}',
            b'{"a": 1} t',
            b'{"a": NaN}',
            b'{"a": "\xff"}',
            b"[" * 100_000,
            b'{"a": ' + b"9" * 5000 + b"}",
        ],
        ids=[
            "empty",
            "word",
            "braces",
            "two",
            "more",
            "nan",
            "bytes",
            "deep",
            "digits",
        ],
    )
    async def test_what_is_not_json_is_said_not_to_be(
        self, upstream: Upstream, client: Runflow, body: bytes
    ) -> None:
        upstream.says(Reply(body=body))
        fault = await fault_of(client)
        assert (type(fault), fault.reason) == (NotJsonError, "not_json")

    @pytest.mark.parametrize("kind", ["text/html; charset=utf-8", "text/plain", "x"])
    async def test_a_page_with_200_is_wrong_content_whatever_is_in_it(
        self, upstream: Upstream, client: Runflow, kind: str
    ) -> None:
        upstream.says(Reply(headers={"Content-Type": kind}))
        fault = await fault_of(client)
        assert (type(fault), fault.reason) == (WrongContentError, "wrong_content")

    @pytest.mark.parametrize(
        "kind", ["application/vnd.runflow+json", "", "Application/JSON"]
    )
    async def test_json_by_another_name_is_json(
        self, upstream: Upstream, client: Runflow, kind: str
    ) -> None:
        upstream.says(Reply(headers={"Content-Type": kind}))
        assert (await client.runs.get(RUN)).status == "succeeded"

    @pytest.mark.parametrize(
        "document",
        [
            [],
            "text",
            None,
            {},
            {"id": None},
            {"id": "a", "nodes_total": "many"},
            {"id": "a", "logs": [7]},
        ],
    )
    async def test_json_of_another_form_is_an_unexpected_shape(
        self, upstream: Upstream, client: Runflow, document: object
    ) -> None:
        upstream.gives(document)
        fault = await fault_of(client)
        assert (type(fault), fault.reason) == (UnexpectedShapeError, "unexpected_shape")

    async def test_an_unexpected_shape_names_fields_and_no_values(
        self, upstream: Upstream, client: Runflow
    ) -> None:
        upstream.gives(any_run(nodes_total="private", duration_ms=[]))
        text = str(await fault_of(client))
        assert "nodes_total" in text
        assert "duration_ms" in text
        assert "private" not in text


OTHER = "019a8c3e-7d22-7a05-b1c9-0f4e2d6a8b02"


class TestWrongRuns:
    @pytest.mark.parametrize("asked, found", [(RUN, OTHER), ("01J0A", "01J0B")])
    @pytest.mark.parametrize(
        "verb", ["get", "update", "wait", "get batch", "wait batch"]
    )
    async def test_another_run_than_the_one_asked_for_is_named(
        self, upstream: Upstream, client: Runflow, asked: str, found: str, verb: str
    ) -> None:
        upstream.gives(any_run(found))
        verbs: dict[str, Callable[[str], Awaitable[object]]] = {
            "get": client.runs.get,
            "update": client.runs.update,
            "wait": client.wait,
            "get batch": client.batches.get,
            "wait batch": client.batches.wait,
        }
        with pytest.raises(WrongRunError, match="another") as caught:
            await verbs[verb](asked)
        assert caught.value.reason == "wrong_run"

    @pytest.mark.parametrize(
        "asked, found", [(RUN.upper(), RUN), (RUN, RUN.upper()), ("01J0ZK5T9Q", RUN)]
    )
    async def test_one_id_may_be_written_in_two_ways(
        self, upstream: Upstream, client: Runflow, asked: str, found: str
    ) -> None:
        upstream.gives(any_run(found))
        assert str((await client.runs.get(asked)).id) == RUN


class TestSizes:
    async def test_a_body_that_is_announced_too_large_is_not_read(self) -> None:
        endpoint = Endpoint(answering(HEAD + b"Content-Length: 2000\r\n\r\n{"))
        fault = await fault_of_endpoint(endpoint, body_bytes_max=1999)
        assert (type(fault), fault.reason) == (TooLargeError, "too_large")

    async def test_an_endless_body_is_left_at_the_limit(self) -> None:
        async def endless(_: Request, connection: Connection) -> None:
            await connection.say(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
            while not connection.writer.is_closing():
                await connection.say(b"400\r\n" + b" " * 1024 + b"\r\n")

        fault = await fault_of_endpoint(Endpoint(endless), body_bytes_max=100_000)
        assert fault.reason == "too_large"

    async def test_a_bomb_is_left_at_the_limit_after_inflation(self) -> None:
        bomb = gzip.compress(b" " * 50_000_000)
        head = (
            HEAD
            + f"Content-Encoding: gzip\r\nContent-Length: {len(bomb)}\r\n\r\n".encode()
        )
        fault = await fault_of_endpoint(
            Endpoint(answering(head + bomb)), body_bytes_max=100_000
        )
        assert fault.reason == "too_large"

    async def test_a_body_of_just_the_limit_is_taken(self, upstream: Upstream) -> None:
        body = json.dumps(any_run()).encode()
        upstream.says(Reply(body=body))
        async with client_of(upstream.url, body_bytes_max=len(body)) as client:
            assert (await client.runs.fetch(RUN)).body == body


class TestCoding:
    @pytest.mark.parametrize(
        "coding, encode",
        [
            ("gzip", gzip.compress),
            ("x-gzip", gzip.compress),
            ("deflate", zlib.compress),
            ("identity", bytes),
        ],
    )
    async def test_a_compressed_answer_is_given_inflated(
        self,
        upstream: Upstream,
        client: Runflow,
        coding: str,
        encode: Callable[[bytes], bytes],
    ) -> None:
        body = json.dumps(any_run(client_ref="x" * 5000)).encode()
        upstream.says(Reply(body=encode(body), headers={"Content-Encoding": coding}))
        assert (await client.runs.fetch(RUN)).body == body

    async def test_members_one_after_another_are_one_body(
        self, upstream: Upstream, client: Runflow
    ) -> None:
        body = json.dumps(any_run()).encode()
        halves = gzip.compress(body[:9]) + gzip.compress(body[9:])
        upstream.says(Reply(body=halves, headers={"Content-Encoding": "gzip"}))
        assert (await client.runs.fetch(RUN)).body == body

    async def test_a_compressed_body_without_its_end_is_truncated(
        self, upstream: Upstream, client: Runflow
    ) -> None:
        body = gzip.compress(json.dumps(any_run()).encode())[:-9]
        upstream.says(Reply(body=body, headers={"Content-Encoding": "gzip"}))
        assert (await fault_of(client)).reason == "truncated"

    @pytest.mark.parametrize("coding", ["gzip", "br"])
    async def test_what_cannot_be_inflated_is_wrong_content(
        self, upstream: Upstream, client: Runflow, coding: str
    ) -> None:
        upstream.says(Reply(headers={"Content-Encoding": coding}))
        assert (await fault_of(client)).reason == "wrong_content"
