"""Errors: what can go wrong with a question to the API, each with a stable reason.

Owns the hierarchy and its words. ``reason`` never changes for one kind of fault and is safe to store,
count and compare; messages are for people and may change. No token is ever in one: whoever raises
them has taken it out. Must not know how an answer is read.

The envelope ``{code, message, errors}`` and its codes: Runflow, "concepts/errors".
"""

from typing import ClassVar, Final, Literal

__all__ = [
    "STATUS_ERRORS",
    "AnswerError",
    "BadRequestError",
    "ConflictError",
    "DisconnectedError",
    "ForbiddenError",
    "InsufficientCreditError",
    "NotFoundError",
    "NotHttpError",
    "NotJsonError",
    "PagingError",
    "Phase",
    "RateLimitedError",
    "RedirectError",
    "RefusedError",
    "RunflowError",
    "ServerError",
    "StatusError",
    "TimedOutError",
    "TlsError",
    "TooLargeError",
    "TransportError",
    "TruncatedError",
    "UnauthorizedError",
    "UnexpectedShapeError",
    "UnexpectedStatusError",
    "UnprocessableError",
    "UnreachableError",
    "WrongContentError",
    "WrongRunError",
]

#: Where a time limit passed: while dialling (TLS included), before the answer's headers (a wait for a
#: free connection or a name included), or in its body.
Phase = Literal["connect", "answer", "body"]


class RunflowError(Exception):
    """The root of all that this client raises about the API.

    Attributes:
        reason: A word that is stable for this kind of fault.
        transient: Whether the same question may well be answered later.
        retry_after: Seconds that the API asked to wait, or None where it did not say.
    """

    reason: ClassVar[str] = "error"
    transient: ClassVar[bool] = False

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class TransportError(RunflowError):
    """No answer came."""

    reason = "transport"


class UnreachableError(TransportError):
    """No connection could be made: the name, the route or the port. Nothing was sent."""

    reason = "unreachable"
    transient = True


class TlsError(TransportError):
    """The server could not be trusted: its certificate, or the handshake. Nothing was sent."""

    reason = "tls"


class DisconnectedError(TransportError):
    """The connection broke before an answer came. The request may have been carried out."""

    reason = "disconnected"
    transient = True


class NotHttpError(TransportError):
    """What came is not HTTP: another protocol on that port, or headers past all limits."""

    reason = "not_http"


class TimedOutError(TransportError):
    """A time limit passed; ``phase`` says where. Past "connect", it may have been carried out."""

    reason = "timeout"
    transient = True

    def __init__(self, message: str, *, phase: Phase) -> None:
        super().__init__(message)
        self.phase = phase


class AnswerError(RunflowError):
    """An answer came that cannot be used.

    Attributes:
        status: The HTTP status it came with.
    """

    reason = "answer"

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status


class RedirectError(AnswerError):
    """A 3xx. Never followed: the token is for one host."""

    reason = "redirect"


class UnexpectedStatusError(AnswerError):
    """A status that the API does not have, such as a 204 where an object should come."""

    reason = "unexpected_status"


class TooLargeError(AnswerError):
    """The body passed the limit, as sent or once inflated. The rest was not read."""

    reason = "too_large"


class TruncatedError(AnswerError):
    """The body ended early: fewer bytes than announced, or JSON cut in the middle."""

    reason = "truncated"
    transient = True


class WrongContentError(AnswerError):
    """The body is not said to be JSON (a web page with 200), or is coded in an unknown way."""

    reason = "wrong_content"


class NotJsonError(AnswerError):
    """The body is not JSON, though it was said to be."""

    reason = "not_json"


class UnexpectedShapeError(AnswerError):
    """JSON, but not of the documented form. The message names the fields, never their values."""

    reason = "unexpected_shape"


class WrongRunError(AnswerError):
    """A run (or batch) that was not asked for: its id is another one."""

    reason = "wrong_run"


class StatusError(RunflowError):
    """The API refused, with a status of 400 or more.

    Attributes:
        status: The HTTP status.
        code: The envelope's stable word, such as ``RUN_NOT_FOUND``; None without an envelope.
        detail: The envelope's message, or the beginning of whatever came instead.
        errors: The envelope's details (of fields, with 422); empty without any.
    """

    reason = "refused"

    def __init__(
        self,
        message: str,
        *,
        status: int,
        code: str | None = None,
        detail: str | None = None,
        errors: tuple[object, ...] = (),
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, retry_after=retry_after)
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = errors


class BadRequestError(StatusError):
    """400: the question itself is wrong."""

    reason = "bad_request"


class UnauthorizedError(StatusError):
    """401: no token, or one that is not known."""

    reason = "unauthorized"


class InsufficientCreditError(StatusError):
    """402: the organisation's credit does not cover it."""

    reason = "insufficient_credit"


class ForbiddenError(StatusError):
    """403: the token may not do this; ``code`` says why."""

    reason = "forbidden"


class NotFoundError(StatusError):
    """404: there is none, or it belongs to another organisation."""

    reason = "not_found"


class ConflictError(StatusError):
    """409: it contradicts what is there, such as an Idempotency-Key with another body."""

    reason = "conflict"


class UnprocessableError(StatusError):
    """422: understood and not accepted; ``errors`` names the fields."""

    reason = "unprocessable"

    @property
    def is_conflict(self) -> bool:
        """Whether another of its kind is under way (redelivery: ``error_type="conflict"``)."""
        return any(
            isinstance(item, dict) and item.get("error_type") == "conflict"
            for item in self.errors
        )


class RateLimitedError(StatusError):
    """429: too many questions. ``retry_after`` is None where the API names no time."""

    reason = "rate_limited"
    transient = True


class ServerError(StatusError):
    """5xx: a fault of the API's own."""

    reason = "server_error"
    transient = True


class RefusedError(StatusError):
    """Any other status from 400 to 499."""


#: Each status with a class of its own; 5xx is `ServerError`, the rest `RefusedError`.
STATUS_ERRORS: Final[dict[int, type[StatusError]]] = {
    400: BadRequestError,
    401: UnauthorizedError,
    402: InsufficientCreditError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    422: UnprocessableError,
    429: RateLimitedError,
}


class PagingError(RunflowError):
    """A list that cannot be walked to its end: a cursor that came before, or too many pages."""

    reason = "paging"
