"""Webhook: a callback comes in and is answered from a finished commit.

Owns the public routes and the whole table of answers. Knows nothing of routes, destinations or which
store there is: it verifies, and ends at *recorded*. Answers are dull and constant, because the sender
keeps them.

| answer | when |
| --- | --- |
| 202 | new: committed, quarantined bodies included |
| 200 | seen before: committed too; or a signed question whether we are here, which becomes nothing |
| 400 | not HTTP, more or longer headers than allowed, a malformed body |
| 401 | signature missing or wrong |
| 404, 405 | no such source, channel or method |
| 408 | the body did not come in time |
| 413 | more than ``limits.body_bytes`` |
| 415 | a ``Content-Encoding`` |
| 429 | too many requests that failed verification |
| 503 | our own fault: no commit, no room, no usable secret, too many connections |

Closed without a word: a head that does not come in time, and answers that nobody takes.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec
import structlog
from aiohttp import HttpVersion11, web

from relay.core.catalog import CALLBACK, Channel, Current, Source
from relay.core.errors import (
    InternalError,
    StoreBusyError,
    StoreFailedError,
    StoreFullError,
    UnstorableError,
)
from relay.core.limiter import Limiter
from relay.core.ports import (
    Checkpoints,
    Clock,
    Dice,
    Inbox,
    Metrics,
    Recorded,
)
from relay.core.probe import proof_of, read_probe
from relay.core.receipt import Receipt
from relay.core.route import Router
from relay.core.run import Verdict
from relay.core.signature import Refused, Verified
from relay.receive.body import BodyFault, InFlight, read_body
from relay.receive.listener import NAMED
from relay.receive.peers import PeerReader
from relay.receive.refusals import RefusalBook

__all__ = ["Webhook", "WebhookOptions"]

log: Final = structlog.stdlib.get_logger(__name__)

_ACCEPTED: Final = b'{"result":"accepted"}'
_DUPLICATE: Final = b'{"result":"duplicate"}'
_encode: Final = msgspec.json.encode


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookOptions:
    """What bounds one request; times in seconds."""

    body_bytes: int
    body_timeout_s: float
    retry_after_s: float


class Webhook:
    """Answers every request of the public listener."""

    def __init__(
        self,
        *,
        current: Current,
        inbox: Inbox,
        clock: Clock,
        dice: Dice,
        monotonic: Callable[[], float],
        checkpoints: Checkpoints,
        metrics: Metrics,
        limiter: Limiter,
        peers: PeerReader,
        refusals: RefusalBook,
        in_flight: InFlight,
        options: WebhookOptions,
    ) -> None:
        self._current = current
        self._inbox = inbox
        self._clock = clock
        self._dice = dice
        self._monotonic = monotonic
        self._checkpoints = checkpoints
        self._metrics = metrics
        self._limiter = limiter
        self._peers = peers
        self._refusals = refusals
        self._in_flight = in_flight
        self._options = options

    async def respond(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        parts = request.rel_url.raw_path.split("/")
        match parts:
            case ["", "callbacks", source]:
                return await self._callback(request, source, CALLBACK)
            case ["", "callbacks", source, channel] if channel != CALLBACK:
                return await self._callback(request, source, channel)
            case ["", "healthz"]:
                return _health(request)
            case _:
                return _answer(404, "not_found")

    async def _callback(
        self, request: web.BaseRequest, source_name: str, channel_name: str
    ) -> web.StreamResponse:
        catalog = self._current.catalog
        source = catalog.sources.get(source_name)
        channel = source.channels.get(channel_name) if source else None
        if source is None or channel is None:
            return _closing(_answer(404, "not_found"))
        if request.method != "POST":
            return _closing(_answer(405, "method_not_allowed", Allow="POST"))
        if request.headers.get("Content-Encoding", "identity").lower() != "identity":
            return _closing(_answer(415, "unsupported_content_encoding"))
        started = self._monotonic()
        # HTTP/1.0 knows no provisional answers (RFC 9110, 10.1.1).
        if "Expect" in request.headers and request.version >= HttpVersion11:
            await self._encourage(request)
        body = await read_body(
            request,
            limit=self._options.body_bytes,
            timeout_s=self._options.body_timeout_s,
            in_flight=self._in_flight,
        )
        if isinstance(body, BodyFault):
            return self._without_body(body, source, channel)
        try:
            outcome, response = await self._verified(
                request, source, channel, body=body, router=catalog.router
            )
        finally:
            self._in_flight.give(len(body))
        self._metrics.count(
            "runflow_relay_callbacks_total", source=source.name, outcome=outcome
        )
        self._metrics.observe(
            "runflow_relay_callback_seconds", self._monotonic() - started
        )
        return response

    async def _encourage(self, request: web.BaseRequest) -> None:
        """Let a sender go on who waits to be asked for the body, unless it is too large anyway."""
        expected = request.headers["Expect"].lower() == "100-continue"
        if expected and (request.content_length or 0) <= self._options.body_bytes:
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    async def _verified(
        self,
        request: web.BaseRequest,
        source: Source,
        channel: Channel,
        *,
        body: bytes,
        router: Router,
    ) -> tuple[str, web.StreamResponse]:
        """Judge the signature first, whatever else is odd about the request."""
        now = self._clock.now_us()
        headers = request.headers
        given = {name: headers.getall(name, ()) for name in channel.verifier.headers}
        verdict = channel.verifier.judge(given, body, now)
        if isinstance(verdict, Refused):
            if not channel.verifier.is_ready(now):
                return "unavailable", self._unavailable("no_usable_secret", source)
            self._remember(request, source, channel, verdict, body=body, now=now)
            refused = "refused" if verdict.is_signed else "unsigned"
            return refused, self._refusal(request, source)
        known = self._known(request, source, channel, verdict, body=body)
        if known is not None:
            return "checked", known
        self._checkpoints.reach("after-verify")
        receipt = Receipt(
            source=source.name,
            channel=channel.name,
            origin=channel.origin,
            body=body,
            headers=request.raw_headers,
            secret=verdict.secret,
            received_at=now,
            router=router,
            require=source.require,
            always_asked=source.always_asked,
            collapses=source.collapses,
        )
        return await self._record(receipt, source)

    def _known(
        self,
        request: web.BaseRequest,
        source: Source,
        channel: Channel,
        verdict: Verified,
        *,
        body: bytes,
    ) -> web.Response | None:
        """The answer to a signed question whether we are here, which becomes nothing; None for a callback."""
        proof = _proof(source, channel, verdict, body)
        if proof is None:
            return None
        peer = self._peers.peer(request)
        log.info(
            "callback.checked",
            source=source.name,
            channel=channel.name,
            secret=verdict.secret,
            peer=peer,
        )
        said = {"result": "checked", "proof": proof, "peer": peer}
        return _made(200, _encode(said))

    async def _record(
        self, receipt: Receipt, source: Source
    ) -> tuple[str, web.StreamResponse]:
        try:
            [recorded] = await self._inbox.record([receipt])
            if isinstance(recorded, UnstorableError):
                # What can never be stored as a run's end is stored as bytes.
                odd = msgspec.structs.replace(receipt, unstorable=True)
                [recorded] = await self._inbox.record([odd])
        except (StoreBusyError, StoreFullError, StoreFailedError) as error:
            return "unavailable", self._unavailable(str(error), source)
        except InternalError as error:
            log.exception("callback.unrecorded", source=source.name)
            return "unavailable", self._unavailable(str(error), source)
        if isinstance(recorded, UnstorableError):
            return "unavailable", self._unavailable(str(recorded), source)
        self._say(receipt, recorded)
        if recorded.verdict in (Verdict.DUPLICATE, Verdict.STALE):
            return recorded.verdict.value, _made(200, _DUPLICATE)
        return recorded.verdict.value, _made(202, _ACCEPTED)

    def _say(self, receipt: Receipt, recorded: Recorded) -> None:
        if recorded.verdict is Verdict.FIRST and recorded.letter is not None:
            return
        log.info(
            "callback.recorded",
            source=receipt.source,
            channel=receipt.channel,
            run_id=recorded.key.id if recorded.key else None,
            verdict=recorded.verdict.value,
            reasons=list(recorded.reasons),
        )

    def _remember(
        self,
        request: web.BaseRequest,
        source: Source,
        channel: Channel,
        refused: Refused,
        *,
        body: bytes,
        now: int,
    ) -> None:
        self._refusals.add(
            source=source.name,
            channel=channel.name,
            reason=refused.reason,
            peer=self._peers.peer(request),
            body=body,
            now=now,
        )

    def _refusal(self, request: web.BaseRequest, source: Source) -> web.Response:
        peer = self._peers.peer(request)
        wait = self._limiter.spend((source.name, peer), self._monotonic())
        if wait > 0:
            seconds = str(math.ceil(wait))
            return _answer(429, "too_many_failures", **{"Retry-After": seconds})
        return _answer(401, "invalid_signature")

    def _without_body(
        self, fault: BodyFault, source: Source, channel: Channel
    ) -> web.StreamResponse:
        log.info(
            "callback.unread",
            source=source.name,
            channel=channel.name,
            fault=fault.value,
        )
        self._metrics.count(
            "runflow_relay_callbacks_total", source=source.name, outcome=fault.value
        )
        match fault:
            case BodyFault.TOO_LARGE:
                return _closing(_answer(413, "too_large"))
            case BodyFault.TOO_SLOW:
                return _closing(_answer(408, "too_slow"))
            case BodyFault.MALFORMED | BodyFault.GONE:
                return _closing(_answer(400, "bad_request"))
            case BodyFault.NO_ROOM:
                return _closing(self._unavailable("limits.in_flight_bytes", source))

    def _unavailable(self, why: str, source: Source) -> web.Response:
        log.warning("callback.unavailable", source=source.name, why=why)
        # Spread, so that what failed together does not come back together.
        base = self._options.retry_after_s
        seconds = str(math.ceil(base * (1 + self._dice.unit())))
        return _answer(503, "unavailable", **{"Retry-After": seconds})


def _proof(
    source: Source, channel: Channel, verdict: Verified, body: bytes
) -> str | None:
    """That we hold the secret which has signed; None where the body asks for no such thing."""
    nonce = read_probe(body)
    if nonce is None:
        return None
    keys = {one.id: one.key for one in channel.verifier.credentials}
    return proof_of(
        keys[verdict.secret], nonce=nonce, source=source.name, channel=channel.name
    )


def _health(request: web.BaseRequest) -> web.Response:
    if request.method not in ("GET", "HEAD"):
        return _answer(405, "method_not_allowed", Allow="GET, HEAD")
    return _answer(200, "ok")


def _answer(status: int, result: str, **headers: str) -> web.Response:
    response = _made(status, _encode({"result": result}))
    response.headers.update(headers)
    return response


def _made(status: int, body: bytes) -> web.Response:
    return web.Response(
        status=status, body=body, headers=NAMED, content_type="application/json"
    )


def _closing(response: web.Response) -> web.Response:
    """Answer and close: what is left of the request is not worth reading."""
    response.force_close()
    return response
