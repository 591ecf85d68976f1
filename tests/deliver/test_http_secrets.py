"""What authorises the HTTP sender is nowhere in what it gives back."""

from collections.abc import AsyncIterator

import pytest

from relay.deliver.http_options import BearerAuth, HttpOptions
from tests.deliver.conformance import first
from tests.deliver.endpoint import Connection, Endpoint, Request, answering
from tests.deliver.posting import KEYS, NEW, fail, said, sender_to


@pytest.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    async with Endpoint() as endpoint:
        yield endpoint


async def test_an_endpoint_that_echoes_shows_nothing(endpoint: Endpoint) -> None:
    async def echo(request: Request, connection: Connection) -> None:
        head = "\r\n".join(f"{k}: {v}" for k, v in request.headers.items())
        await connection.say(said(400, body=head.encode()))

    endpoint.answer = echo
    sender = sender_to(endpoint.url.replace("//", "//user:hunter2@"))
    outcome = await fail(sender)
    await sender.close()
    request = first(endpoint.requests)
    shown = repr(outcome)
    assert "webhook-signature: *** ***" in outcome.excerpt.decode()
    assert "authorization: ***" in outcome.excerpt.decode()
    for signature in request.headers["webhook-signature"].split():
        assert signature not in shown
    assert request.headers["authorization"] not in shown


@pytest.mark.parametrize(
    "echoed",
    [
        "url: {path}?token=s%20cret/+&{query}",
        '{{"token": "s cret/ "}}',
        r'{{"token": "s cret\/ "}}',
        "no such hook: {segment}",
        "wrong token abcd, expected abcdef",
        "user c0ffeec0ffeec0ffee has no password hunter2",
    ],
)
async def test_an_endpoint_that_echoes_its_url_shows_no_token_of_it(
    endpoint: Endpoint, echoed: str
) -> None:
    """Chat services have their tokens in the path, others in the query."""
    segment, query = "T0KEN-T0KEN-T0KEN", "a=abcd&b=abcdef&v=1&barekey"
    body = echoed.format(path=f"/x/{segment}/", query=query, segment=segment)
    endpoint.answer = answering(said(400, body=body.encode()))
    base = endpoint.url.replace("//", "//c0ffeec0ffeec0ffee:hunter2@")
    sender = sender_to(f"{base}/{segment}/?token=s%20cret/+&{query}")
    outcome = await fail(sender)
    await sender.close()
    shown = outcome.excerpt.decode()
    assert "***" in shown
    for secret in (segment, "cret", "abcd", "ef", "bare", "hunter", "c0ffee"):
        assert secret not in shown.replace("expected", "")
    assert "v=1" in shown or "url:" not in shown


async def test_a_token_cut_off_at_the_end_of_an_excerpt_is_hidden_as_well(
    endpoint: Endpoint,
) -> None:
    body = b"x" * 1000 + b" /hooks?token=" + b"s3cret" * 20
    endpoint.answer = answering(said(400, body=body))
    sender = sender_to(endpoint.url + "?token=" + "s3cret" * 20)
    outcome = await fail(sender)
    await sender.close()
    assert outcome.excerpt == b"x" * 1000 + b" /hooks?token=***"


async def test_no_fault_carries_the_url() -> None:
    async with Endpoint() as endpoint:
        url = endpoint.url
    sender = sender_to(url.replace("//", "//user:hunter2@") + "?token=t0ps3cret")
    outcome = await fail(sender)
    await sender.close()
    assert "hunter2" not in repr(outcome)
    assert "t0ps3cret" not in repr(outcome)


async def test_options_do_not_show_keys() -> None:
    assert NEW not in repr(HttpOptions(url="https://example.com", keys=KEYS))


async def test_a_token_that_is_escaped_as_it_is_echoed_shows_nothing(
    endpoint: Endpoint,
) -> None:
    """As a well-known platform writes JSON by default, or a page its HTML."""
    echoes = (
        rb'{"got": "Tok\u002Ben\/Secret\u0026QQ=="}',
        b"<p>tok&#43;en/secret&amp;qq==</p>",
        b"Tok%2Ben%2fSecret%26QQ%3D%3D",
        b"Tok+en/\r\nSecret&QQ==",
    )
    sender = sender_to(endpoint.url, auth=BearerAuth(token="Tok+en/Secret&QQ=="))
    for echo in echoes:
        endpoint.answer = answering(said(400, body=echo))
        outcome = await fail(sender)
        assert b"***" in outcome.excerpt
        assert b"ecret" not in outcome.excerpt
    await sender.close()
