"""Judging: what an answer's head and an error's body mean.

Decides from status, headers and bytes alone, without I/O: redirect, refusal, wrong content, how long
to wait. Must not know of connections or of models.

The envelope ``{code, message, errors}``: Runflow, "concepts/errors". Rate-limit headers are documented
as present in an older and as absent in a newer copy of "concepts/rate-limits": both are right here.
``Retry-After`` is RFC 9110, 10.2.3: seconds or a date.
"""

import json
import math
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

from relay.runflow.errors import (
    STATUS_ERRORS,
    AnswerError,
    RedirectError,
    RefusedError,
    ServerError,
    StatusError,
    TooLargeError,
    UnexpectedStatusError,
    WrongContentError,
)

__all__ = ["Secrets", "fault_of_head", "refusal", "retry_after_s"]

#: Of an error that is not an envelope, so many characters are shown.
_EXCERPT_MAX: Final = 200
_DETAIL_MAX: Final = 2000
_ERRORS_MAX: Final = 100
_DEPTH_MAX: Final = 16

#: From this on ``X-RateLimit-Reset`` can only be a date (2001 or later), below it only seconds.
_EPOCH_MIN: Final = 1_000_000_000

_CODINGS: Final = {"", "identity", "gzip", "x-gzip", "deflate"}


class Secrets:
    """Words that must never be shown. Prints as nothing."""

    def __init__(self, *words: str) -> None:
        self._words = [word for word in words if word]

    def hide(self, value: object, depth: int = _DEPTH_MAX) -> object:
        """``value`` with every such word replaced, also inside lists and objects.

        What lies deeper than ``depth`` is left out: whoever nests without end shall not stop us.
        """
        if isinstance(value, str):
            return self.hide_text(value)
        if isinstance(value, list | dict) and depth == 0:
            return None
        if isinstance(value, list):
            return [self.hide(item, depth - 1) for item in value]
        if isinstance(value, dict):
            return {
                self.hide_text(str(key)): self.hide(item, depth - 1)
                for key, item in value.items()
            }
        return value

    def hide_text(self, text: str) -> str:
        """``text`` with every such word replaced, and such that it can be stored as UTF-8."""
        for word in self._words:
            text = text.replace(word, "***")
        return text.encode("utf-8", "replace").decode()


def fault_of_head(
    request: str,
    status: int,
    headers: Mapping[str, str],
    *,
    body_bytes_max: int,
    secrets: Secrets,
) -> AnswerError | None:
    """What makes an answer below 400 unusable before its body is read; None when nothing does."""
    if 300 <= status < 400:
        return RedirectError(
            f"{request}: {status}, a redirect, which is never followed", status=status
        )
    if status not in {200, 201, 202, 203}:
        return UnexpectedStatusError(
            f"{request}: {status} where an object should come", status=status
        )
    kind = headers.get("Content-Type", "").partition(";")[0].strip()
    # Without one, the body speaks for itself.
    if kind and not _is_json(kind.lower()):
        return WrongContentError(
            f"{request}: {status} with content that is not JSON: {_excerpt(secrets.hide_text(kind))}",
            status=status,
        )
    coding = headers.get("Content-Encoding", "").strip()
    if coding.lower() not in _CODINGS:
        return WrongContentError(
            f"{request}: {status} with an unknown coding: {_excerpt(secrets.hide_text(coding))}",
            status=status,
        )
    length = headers.get("Content-Length", "")
    if length.isdecimal() and int(length[:20]) > body_bytes_max:
        return TooLargeError(
            f"{request}: a body of {length[:20]} bytes, more than {body_bytes_max}",
            status=status,
        )
    return None


def _is_json(kind: str) -> bool:
    return kind == "application/json" or kind.endswith("+json")


def refusal(
    request: str,
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    secrets: Secrets,
    now_s: float,
) -> StatusError:
    """The error of a status of 400 or more, whatever its body is.

    Args:
        request: What was asked, as ``GET /v1/runs/…``.
        status: 400 or more.
        headers: As they came.
        body: As much of the body as could be read.
        secrets: What must not be shown, should the body echo it.
        now_s: Seconds since the epoch, to read dates by.
    """
    envelope = _envelope(body)
    code = envelope.get("code")
    detail = envelope.get("message")
    errors = envelope.get("errors")
    if not isinstance(detail, str):
        detail = body.decode("utf-8", "replace")
    # Hidden before it is cut: half a token is too much.
    detail = secrets.hide_text(detail).strip()[:_DETAIL_MAX] or None
    code = secrets.hide_text(code)[:_EXCERPT_MAX] if isinstance(code, str) else None
    kind = STATUS_ERRORS.get(status, ServerError if status >= 500 else RefusedError)
    said = ": ".join(_excerpt(text) for text in (code, detail) if text)
    return kind(
        f"{request}: {status}" + (f" {said}" if said else ""),
        status=status,
        code=code,
        detail=detail,
        errors=tuple(map(secrets.hide, errors[:_ERRORS_MAX]))
        if isinstance(errors, list)
        else (),
        retry_after=retry_after_s(status, headers, now_s=now_s),
    )


def retry_after_s(
    status: int, headers: Mapping[str, str], *, now_s: float
) -> float | None:
    """Seconds that an answer asks to wait; None where it does not say so readably.

    ``X-RateLimit-Reset`` counts only with 429: on other answers it tells of a budget that is not the
    reason for them. Its form is not documented: a date in seconds or seconds from now.
    """
    text = headers.get("Retry-After", "").strip()
    if text:
        seconds = _seconds(text)
        return seconds if seconds is not None else _until(text, headers, now_s)
    if status != 429:
        return None
    reset = _seconds(headers.get("X-RateLimit-Reset", "").strip())
    if reset is None:
        return None
    return reset if reset < _EPOCH_MIN else max(0.0, reset - now_s)


def _seconds(text: str) -> float | None:
    try:
        seconds = float(text)
    except ValueError:
        return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _until(text: str, headers: Mapping[str, str], now_s: float) -> float | None:
    """Seconds until a date, by the clock that wrote it where it shows its own time."""
    then = _date_s(text)
    if then is None:
        return None
    here = _date_s(headers.get("Date", ""))
    return max(0.0, then - (now_s if here is None else here))


def _date_s(text: str) -> float | None:
    try:
        moment = parsedate_to_datetime(text)
        return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()
    except (ValueError, OverflowError):
        return None


def _envelope(body: bytes) -> dict[str, object]:
    """The envelope, or nothing where the body is something else (or only the beginning of one)."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _excerpt(text: str) -> str:
    """One short line, for a message."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= _EXCERPT_MAX else line[: _EXCERPT_MAX - 1] + "…"
