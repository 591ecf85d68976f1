"""Transport: one question, one exchange over HTTP, one answer or one error.

Owns the session, the headers, the time limits and how much of a body is read. Translates every fault
of aiohttp into an error of this package. Must not know of repeats or of what an answer says.

Redirects are never followed: they would carry the token elsewhere. aiohttp inflates nothing here, as
it would without a limit that is ours; a body is bounded after inflation, too.
"""

import ssl
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Final

import aiohttp
from pydantic import SecretStr
from yarl import URL

from relay.runflow.answers import Answer
from relay.runflow.errors import (
    DisconnectedError,
    NotHttpError,
    Phase,
    RunflowError,
    TimedOutError,
    TlsError,
    TooLargeError,
    TruncatedError,
    UnreachableError,
    WrongContentError,
)
from relay.runflow.judging import Secrets, fault_of_head, refusal
from relay.runflow.reading import Reading
from relay.runflow.system import System

__all__ = ["BODY_BYTES_MAX", "Question", "Timeouts", "Transport"]

BODY_BYTES_MAX: Final = 64 * 1024 * 1024
#: Of an error's body; an envelope is far smaller.
_ERROR_BYTES_MAX: Final = 64 * 1024

_UNTRUSTED: Final = (
    aiohttp.ClientSSLError,
    aiohttp.ServerFingerprintMismatch,
    ssl.SSLError,
    ssl.CertificateError,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """How long one exchange may take, in seconds.

    Attributes:
        connect_s: To dial one address, the TLS handshake included.
        silence_s: Without a byte of the answer.
        total_s: For everything, the body included.
    """

    connect_s: float = 5.0
    silence_s: float = 20.0
    total_s: float = 60.0

    def within(self, limit_s: float | None) -> "Timeouts":
        """The same, and no longer than ``limit_s`` in all."""
        if limit_s is None or limit_s >= self.total_s:
            return self
        return replace(self, total_s=limit_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One request.

    Attributes:
        method: The HTTP method.
        path: From ``/v1/`` on, encoded, with its query.
        body: JSON, or None.
        headers: Beside the ones that every request has.
        timeouts: How long it may take.
    """

    method: str
    path: str
    body: bytes | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    timeouts: Timeouts = field(default_factory=Timeouts)

    @property
    def name(self) -> str:
        """For messages: method and path, without the query."""
        return f"{self.method} {self.path.partition('?')[0]}"


class Transport:
    """Speaks with one API by one token. The session is opened with the first question."""

    def __init__(
        self,
        *,
        base_url: str,
        token: SecretStr,
        user_agent: str,
        body_bytes_max: int = BODY_BYTES_MAX,
        session: aiohttp.ClientSession | None = None,
        tls: ssl.SSLContext | None = None,
        trust_env: bool = False,
        system: System,
    ) -> None:
        self._base = base_url
        self._secrets = Secrets(token.get_secret_value())
        self._headers = {
            "Accept": "application/json",
            "Accept-Encoding": "gzip",
            "Authorization": f"Bearer {token.get_secret_value()}",
            "User-Agent": user_agent,
        }
        self._body_bytes_max = body_bytes_max
        self._session = session
        self._is_ours = session is None
        self._tls: ssl.SSLContext | bool = True if tls is None else tls
        self._trust_env = trust_env
        self._system = system
        self._closed = False

    async def close(self) -> None:
        """Close the session, unless it was given. Whatever is under way ends with an error."""
        self._closed = True
        if self._is_ours and self._session is not None:
            await self._session.close()

    async def exchange(self, question: Question) -> Answer:
        """Ask once.

        Raises:
            RunflowError: Whatever went wrong, by its class and reason.
            RuntimeError: The client has been closed.
        """
        progress = _Progress()
        try:
            return await self._exchange(question, progress)
        except (aiohttp.ClientError, _BrokeError, TimeoutError, OSError) as error:
            fault = _fault_of(error, question.name, progress)
            # Some of aiohttp's errors hold the request, and that its headers with the token.
            cause = None if isinstance(error, aiohttp.ClientResponseError) else error
        # Outside the handler, so that what is not its cause is not its context either.
        raise fault from cause

    async def _exchange(self, question: Question, progress: "_Progress") -> Answer:
        limits = question.timeouts
        response = await self._open().request(
            question.method,
            URL(self._base + question.path, encoded=True),
            data=question.body,
            headers={**self._headers, **question.headers},
            allow_redirects=False,
            auto_decompress=False,
            raise_for_status=False,
            middlewares=(_once,),
            ssl=self._tls,
            timeout=aiohttp.ClientTimeout(
                total=limits.total_s,
                sock_connect=limits.connect_s,
                sock_read=limits.silence_s,
            ),
        )
        progress.status = response.status
        try:
            if response.status >= HTTPStatus.BAD_REQUEST:
                raise await self._refusal(question.name, response)
            fault = fault_of_head(
                question.name,
                response.status,
                response.headers,
                body_bytes_max=self._body_bytes_max,
                secrets=self._secrets,
            )
            if fault is not None:
                raise fault
            body = await self._body(question.name, response)
        finally:
            # Whole answers have given their connection back by now; the rest of others is not awaited.
            response.close()
        return Answer(
            request=question.name,
            status=response.status,
            headers=response.headers,
            body=body,
        )

    async def _body(self, name: str, response: aiohttp.ClientResponse) -> bytes:
        reading = Reading(response, limit=self._body_bytes_max)
        try:
            await reading.run()
        except zlib.error:
            raise WrongContentError(
                f"{name}: a body that cannot be inflated", status=response.status
            ) from None
        if reading.is_over_limit:
            raise TooLargeError(
                f"{name}: a body of more than {self._body_bytes_max} bytes",
                status=response.status,
            )
        if reading.is_cut:
            raise TruncatedError(
                f"{name}: the compressed body ends in the middle",
                status=response.status,
            )
        return bytes(reading.body)

    async def _refusal(
        self, name: str, response: aiohttp.ClientResponse
    ) -> RunflowError:
        """The status says enough: a body that cannot be read takes nothing from it."""
        reading = Reading(response, limit=_ERROR_BYTES_MAX)
        try:
            await reading.run()
        except (aiohttp.ClientError, TimeoutError, OSError, zlib.error):
            reading.body.clear()
        return refusal(
            name,
            response.status,
            response.headers,
            bytes(reading.body[:_ERROR_BYTES_MAX]),
            secrets=self._secrets,
            now_s=self._system.wall(),
        )

    def _open(self) -> aiohttp.ClientSession:
        if self._closed:
            raise RuntimeError("this client has been closed")
        if self._session is None:
            self._session = aiohttp.ClientSession(
                cookie_jar=aiohttp.DummyCookieJar(), trust_env=self._trust_env
            )
        return self._session


@dataclass(slots=True)
class _Progress:
    """How far an exchange has come: the status, once there is one."""

    status: int | None = None


class _BrokeError(Exception):
    """A connection broke before an answer."""


async def _once(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Keep aiohttp from repeating a read by itself, unseen, when the connection breaks.

    It repeats only what it sees as its own error. How often something is asked is decided elsewhere.
    """
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _BrokeError from error


def _fault_of(error: Exception, name: str, progress: _Progress) -> RunflowError:
    """A fault of the connection as an error of ours. Its text may hold addresses, never headers."""
    status = progress.status
    if isinstance(error, _UNTRUSTED):
        return TlsError(f"{name}: the server is not trusted: {_text_of(error)}")
    if isinstance(error, TimeoutError):
        phase: Phase = "answer" if status is None else "body"
        if isinstance(error, aiohttp.ConnectionTimeoutError):
            phase = "connect"
        return TimedOutError(f"{name}: no {_AWAITED[phase]} in time", phase=phase)
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ClientHttpProxyError):
        return UnreachableError(f"{name}: no connection: {_text_of(error)}")
    if status is not None:
        return TruncatedError(f"{name}: the body broke off", status=status)
    if isinstance(error, aiohttp.ClientResponseError):
        return NotHttpError(f"{name}: what came is not HTTP")
    return DisconnectedError(f"{name}: the connection broke before an answer")


_AWAITED: Final[dict[Phase, str]] = {
    "connect": "connection",
    "answer": "answer",
    "body": "end of the body",
}


def _text_of(error: Exception) -> str:
    """What the system said, which names hosts and ports at most."""
    inner = getattr(error, "os_error", None) or getattr(
        error, "certificate_error", None
    )
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"the proxy said {error.status}"
    return str(getattr(inner, "strerror", None) or inner or type(error).__name__)[:200]
