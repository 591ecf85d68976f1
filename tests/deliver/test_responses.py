"""Every row of the table in docs/delivery.md happens as it says, between the real sender and a real server.

What the rows say follows from the outcome; that the outcome is this one is what each of these tests shows.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Final

import pytest
import trustme
from msgspec import structs

from docs.generate_delivery import CASES, DATE, Case
from relay.core.callback import Unreadable
from relay.core.credential import Credential
from relay.core.delivery import Delivered, Failed, Outcome, Refused
from relay.core.egress import EgressPolicy
from relay.core.ports import Letter, Parcel
from relay.core.signing import StandardKey
from relay.deliver.http import HttpSender
from tests.deliver.conformance import first, parcel
from tests.deliver.endpoint import OK, Connection, Endpoint, Request, answering
from tests.deliver.posting import NEW, SHORT_S, Names, said, sender_to
from tests.deliver.tls import tls_server

Answer = Callable[[Request, Connection], object]

#: What each row's statuses are answered with, where that is not in its name.
STATUSES: Final[Mapping[str, tuple[int, ...]]] = {
    "200, 201, 202, 204 and every other 2xx": (200, 201, 202, 204, 226),
    "301, 302, 303, 307, 308: never followed": (301, 302, 303, 307, 308),
    "304 and every other 3xx": (304, 300, 399),
    "401, 403": (401, 403),
    "409, 422 and every other 4xx": (402, 409, 415, 422, 431, 451, 499),
    "599 and every other 5xx": (505, 511, 599),
    "a status of 600 or more": (600, 999),
    "101: it would speak another protocol": (101,),
}
#: Rows that no answer of an HTTP endpoint makes: the courier's own, and what only a broker limits.
ELSEWHERE: Final = {
    "a defect of the sender": "test_worker",
    "the event is larger than it takes": "test_kafka",
    "it is about the relay itself, and its format is Runflow's": "test_notice",
}


def _statuses(case: Case) -> tuple[int, ...]:
    head = case.name[:3]
    return STATUSES.get(case.name, (int(head),) if head.isdigit() else ())


def _header(case: Case) -> tuple[str, ...]:
    if "an hour ahead" in case.name:
        return (f"Retry-After: {DATE}",)
    _, found, rest = case.name.partition("`Retry-After: ")
    return (f"Retry-After: {rest.rstrip('`')}",) if found else ()


def _alike(expected: Outcome, found: Outcome, status: int | None = None) -> None:
    """The same, but for texts, times and which of a class of statuses it was."""
    assert type(found) is type(expected)
    if isinstance(expected, Delivered):
        return
    assert isinstance(found, Failed | Refused)
    assert isinstance(expected, Failed | Refused)
    plain = found.reason.replace(f"status_{status}", f"status_{expected.status}")
    assert plain == expected.reason
    if isinstance(found, Failed) and isinstance(expected, Failed):
        assert (found.fault, found.retry_after_us) == (
            expected.fault,
            expected.retry_after_us,
        )


@pytest.mark.parametrize("case", [c for c in CASES if _statuses(c)], ids=lambda c: c.name)  # fmt: skip
async def test_an_answer_means_what_the_table_says(case: Case) -> None:
    async with Endpoint() as elsewhere, Endpoint() as endpoint:
        sender = sender_to(endpoint.url)
        for status in _statuses(case):
            headers = (*_header(case), f"Location: {elsewhere.url}")
            text = said(status, *headers)
            if status in (101, 204, 304):
                text = text.replace(b"Content-Length: 0\r\n", b"")
            if status == 101:
                text = text.replace(b"\r\n", b"\r\nConnection: upgrade\r\nUpgrade: x\r\n", 1)  # fmt: skip
            endpoint.answer = answering(text)
            _alike(case.outcome, first(await sender.send([parcel()])), status)
        await sender.close()
        assert elsewhere.requests == []


# --- what is no answer ----------------------------------------------------------------------------


async def _one(sender: HttpSender, what: Parcel | None = None) -> Outcome:
    try:
        return first(await sender.send([what or parcel()]))
    finally:
        await sender.close()


async def _met(answer: Answer) -> Outcome:
    async with Endpoint(answer) as endpoint:  # type: ignore[arg-type]  # what it gives is not looked at
        return await _one(sender_to(endpoint.url, total_timeout_s=SHORT_S))


async def _stalls(_request: Request, connection: Connection) -> None:
    await connection.say(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nsome")


async def _breaks_off(request: Request, connection: Connection) -> None:
    await _stalls(request, connection)
    connection.hang_up()


async def _has_no_end(_request: Request, connection: Connection) -> None:
    await connection.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    with suppress(ConnectionError):
        while not connection.writer.is_closing():
            await connection.say(b"400\r\n" + b"x" * 1024 + b"\r\n")


async def _says_nothing(_request: Request, _connection: Connection) -> None:
    """Nothing comes."""


async def _closes(_request: Request, connection: Connection) -> None:
    connection.hang_up()


async def _resets(_request: Request, connection: Connection) -> None:
    connection.reset()


async def _babbles(_request: Request, connection: Connection) -> None:
    await connection.say(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")


async def _brags(_request: Request, connection: Connection) -> None:
    await connection.say(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n")


async def _refused() -> Outcome:
    async with Endpoint() as endpoint:
        url = endpoint.url
    return await _one(sender_to(url))


async def _never_shakes_hands() -> Outcome:
    async with Endpoint() as endpoint:
        url = endpoint.url.replace("http:", "https:")
        return await _one(sender_to(url, connect_timeout_s=0.1))


async def _unknown_authority() -> Outcome:
    async with tls_server(trustme.CA(), "127.0.0.1") as url:
        return await _one(sender_to(url))


async def _another_name() -> Outcome:
    authority, trust = trustme.CA(), ssl.create_default_context()
    authority.configure_trust(trust)
    async with tls_server(authority, "orders.test") as url:
        return await _one(sender_to(url, tls=trust))


async def _speaks_no_tls() -> Outcome:
    async with plain_server() as port:
        return await _one(sender_to(f"https://127.0.0.1:{port}/"))


@asynccontextmanager
async def plain_server() -> AsyncIterator[int]:
    """Answers whatever comes with plain HTTP."""

    async def serve(
        _reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        writer.write(OK)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def _unnamed() -> Outcome:
    return await _one(sender_to("http://orders.test/", resolver=Names({})))


async def _out_of_force() -> Outcome:
    old = Credential(id="old", key=StandardKey.parse(NEW), not_after=1)
    return await _one(sender_to("http://127.0.0.1:9/", keys=(old,)))


async def _blocked() -> Outcome:
    async with Endpoint() as endpoint:
        found = await _one(sender_to(endpoint.url, policy=EgressPolicy(private=False)))
        assert endpoint.connections == []
        return found


async def _nowhere() -> Outcome:
    return await _one(sender_to("ftp://orders.example.com/"))


async def _damaged() -> Outcome:
    whole = parcel()
    facts = structs.replace(whole.letter.facts, reading=Unreadable("damaged"))
    return await _one(
        sender_to("http://127.0.0.1:9/"), structs.replace(whole, letter=Letter(facts))
    )


async def _newer() -> Outcome:
    return await _one(sender_to("http://127.0.0.1:9/"), parcel(builder=99))


MEETINGS: Final[Mapping[str, tuple[Callable[[], Awaitable[Outcome]], ...]]] = {
    "a 2xx whose body stalls, breaks off or has no end": (
        lambda: _met(_stalls),
        lambda: _met(_breaks_off),
        lambda: _met(_has_no_end),
    ),
    "what comes is not HTTP, or its headers are too long": (
        lambda: _met(_babbles),
        lambda: _met(_brags),
    ),
    "no connection: refused, no route": (_refused,),
    "no connection in time": (_never_shakes_hands,),
    "no headers in time": (lambda: _met(_says_nothing),),
    "closed or reset before an answer": (lambda: _met(_closes), lambda: _met(_resets)),
    "TLS: an unknown authority, another name, no TLS at all": (
        _unknown_authority,
        _another_name,
        _speaks_no_tls,
    ),
    "its name has no address": (_unnamed,),
    "none of its secrets is in force": (_out_of_force,),
    "its address is one that is not allowed": (_blocked,),
    "its URL cannot be posted to": (_nowhere,),
    "the stored callback is damaged": (_damaged,),
    "the event was made by a newer relay": (_newer,),
}


@pytest.mark.parametrize("case", [c for c in CASES if c.name in MEETINGS], ids=lambda c: c.name)  # fmt: skip
async def test_what_is_no_answer_means_what_the_table_says(case: Case) -> None:
    for meet in MEETINGS[case.name]:
        _alike(case.outcome, await meet())


def test_every_row_is_met() -> None:
    met = {case.name for case in CASES if _statuses(case)} | MEETINGS.keys()
    assert {case.name for case in CASES} == met | ELSEWHERE.keys()
